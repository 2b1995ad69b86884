from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from engine.base.jsonwalk cimport WIRE_OK
from engine.book.ladder cimport SIDE_ASK, SIDE_BID, BookSide, key_of
from engine.providers.assembler cimport BookAssembler
from engine.schema.market cimport Level


def book_differences(BookAssembler book not None, BookAssembler other not None,
                     int64_t worst_bid_raw=INT64_MIN, int64_t worst_ask_raw=INT64_MAX, int most=64):
    """Levels that two assemblies of one book do not share: (side, price_raw, quantity, the other's), best first.

    Quantities are raw, 0 = no such level. The other's scales are widened to the book's where they are coarser.

    Args:
        book: in use.
        other: the second assembly.
        worst_bid_raw, worst_ask_raw: nothing worse is looked at; at the scale of *book*.
        most: no more of each side are listed.

    Returns:
        None where the two cannot be compared: the other knows finer prices or quantities than the book.
    """
    if (other.price_scale, other.qty_scale) != (book.price_scale, book.qty_scale):
        if other.price_scale > book.price_scale or other.qty_scale > book.qty_scale:
            return None
        if other.widen(book.price_scale, book.qty_scale) != WIRE_OK:
            return None
    found = []
    _side(found, SIDE_BID, &book.ladder.sides[SIDE_BID], &other.ladder.sides[SIDE_BID], worst_bid_raw, most)
    _side(found, SIDE_ASK, &book.ladder.sides[SIDE_ASK], &other.ladder.sides[SIDE_ASK],
          -worst_ask_raw if worst_ask_raw != INT64_MIN else INT64_MAX, most)
    return found


cdef int _side(list found, int side, const BookSide* mine, const BookSide* theirs, int64_t worst_key,
               int most) except -1:
    """Walk both from the best level on, as a merge does."""
    cdef int64_t i = <int64_t>mine.count - 1
    cdef int64_t j = <int64_t>theirs.count - 1
    cdef const Level* a
    cdef const Level* b
    cdef Level none
    cdef int listed = 0
    none.price_raw = INT64_MIN
    none.qty_raw = 0
    while listed < most:
        a = mine.levels + mine.head + i if i >= 0 else &none
        b = theirs.levels + theirs.head + j if j >= 0 else &none
        if i >= 0 and a.price_raw < worst_key:
            i = -1
        if j >= 0 and b.price_raw < worst_key:
            j = -1
        if i < 0 and j < 0:
            break
        if i >= 0 and j >= 0 and a.price_raw == b.price_raw:
            if a.qty_raw != b.qty_raw:
                found.append((side, key_of(side, a.price_raw), a.qty_raw, b.qty_raw))
                listed += 1
            i -= 1
            j -= 1
        elif j < 0 or (i >= 0 and a.price_raw > b.price_raw):
            found.append((side, key_of(side, a.price_raw), a.qty_raw, 0))
            listed += 1
            i -= 1
        else:
            found.append((side, key_of(side, b.price_raw), 0, b.qty_raw))
            listed += 1
            j -= 1
    return 0

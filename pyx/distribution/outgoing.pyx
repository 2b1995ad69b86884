from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from engine.base.units cimport put_digits
from engine.distribution.entrytext cimport EntryWriter
from engine.schema.busentry cimport RecordSource
from engine.schema.market cimport Level
from engine.schema.record cimport (NUMBER_TOLD, RECORD_BREAK, RECORD_DELTAS, RECORD_DEPTH, Record, Records, body_size, event_time,
                                   record_at)

from engine.distribution.entrytext import names_text

cdef enum:
    COMMAND_CHARS = 96             # of a command, its head and entry apart
    REPEAT_NS = 60_000_000_000     # a book that does not change is told again after this


cdef class Chain:
    pass


cdef class Outgoing:
    """Turns what a source hands over into commands.

    Args:
        source: where entries come from.
        batch: most commands that go out together.
        snapshot_levels: most levels a side of a snapshot.
        snapshot_interval_ms: a book that changes is told whole this often, and
        snapshot_every: after so many changes, whichever is first.
    """

    def __init__(self, RecordSource source not None, batch: int, snapshot_levels: int, snapshot_interval_ms: int,
                 snapshot_every: int):
        self._source = source
        self._chains = []
        self._wanted = set()
        self._entry = EntryWriter()
        self._out = EntryWriter()
        self._levels = snapshot_levels
        self._cut = <Level*>malloc(2 * self._levels * sizeof(Level))
        if self._cut == NULL:
            raise MemoryError("snapshot")
        self._ends = <size_t*>malloc(batch * sizeof(size_t))
        if self._ends == NULL:
            raise MemoryError("batch")
        self._batch = batch
        self._interval_ns = snapshot_interval_ms * 1_000_000
        self._every = snapshot_every
        self._sent = []
        self.keys = set()

    def __dealloc__(self):
        free(self._cut)
        free(self._ends)

    def carry(self, place: int, venue: str, symbol: str, key: str, seq: int) -> None:
        """Write a symbol's entries to a stream; they are numbered from *seq* on, which no run before may have reached."""
        cdef Chain chain = Chain()
        cdef bytes name = key.encode()
        while len(self._chains) <= place:
            self._chains.append(None)
        chain.venue = venue
        chain.key = key
        chain.names = names_text(venue, symbol)
        chain.head = b"*8\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$5\r\nMINID\r\n$1\r\n~\r\n" % (len(name), name)
        chain.seq = seq
        self._chains[place] = chain
        self._wanted.add(place)
        self.keys.add(key)

    def want(self, place: int | None = None) -> None:
        """Write the book of a symbol whole, of all with None, as soon as it can be."""
        cdef Py_ssize_t i
        for i in range(len(self._chains)):
            if self._chains[i] is not None and (place is None or place == i):
                self._wanted.add(i)

    def take(self, now_ns: int) -> None:
        """Have the source hand over what it has, and ask it for the books that are due at a monotonic time."""
        cdef int64_t now = now_ns
        cdef int64_t since_ns
        cdef Chain chain
        cdef Py_ssize_t i
        cdef list wanted = list(self._wanted)
        self._wanted.clear()
        for i in range(len(self._chains)):
            chain = self._chains[i]
            if chain is None or not chain.has_book:
                continue
            since_ns = now - chain.snapshot_ns
            if since_ns >= REPEAT_NS or (chain.is_changed and (since_ns >= self._interval_ns or chain.deltas >= self._every)):
                # Not again before it has come: counted from now on.
                chain.snapshot_ns = now
                chain.deltas = 0
                wanted.append(i)
        self._records = self._source.hand_over(wanted)
        self._at = 0

    def fill(self, oldest_ms: int, now_ns: int) -> bytes:
        """The next commands, at most a batch of them, b"" = there are no more until the next taking.

        Args:
            oldest_ms: entries of before may be trimmed.
            now_ns: monotonic time.
        """
        cdef bytes trim = b"%d-0" % oldest_ms
        cdef Record record
        cdef Chain chain
        trim = b"$%d\r\n%s\r\n$1\r\n*\r\n$4\r\ndata\r\n" % (len(trim), trim)
        self._out.length = 0
        self._sent = []
        self.count = 0
        while self._records != NULL and self._at < self._records.used and self.count < self._batch:
            self._at = record_at(self._records, self._at, &record)
            chain = self._chains[record.instrument_id] if record.instrument_id < <uint32_t>len(self._chains) else None
            if chain is None:
                continue
            if record.kind == RECORD_BREAK:
                chain.is_broken = True
                chain.has_book = False
                continue
            self._write(chain, &record, trim, now_ns)
        return PyBytes_FromStringAndSize(self._out.text, self._out.length) if self.count else b""

    cdef int _write(self, Chain chain, const Record* source, bytes trim, int64_t now_ns) except -1:
        cdef Record record = source[0]
        cdef EntryWriter out = self._out
        self._number(chain, &record)
        if record.kind == RECORD_DEPTH:
            self._snapshot(chain, &record, now_ns)
        elif record.kind == RECORD_DELTAS:
            chain.deltas += 1
            chain.is_changed = True
            chain.book_event_ns = max(chain.book_event_ns, event_time(&record))
        record.ts_recv_ns = max(record.ts_recv_ns, chain.last_recv_ns)
        chain.last_recv_ns = record.ts_recv_ns
        self._entry.length = 0
        self._entry.put(chain.names, len(chain.names), &record)
        out.reserve(self._entry.length + len(chain.head) + len(trim) + COMMAND_CHARS)
        memcpy(out.text + out.length, <const char*>chain.head, len(chain.head))
        out.length += len(chain.head)
        memcpy(out.text + out.length, <const char*>trim, len(trim))
        out.length += len(trim)
        out.text[out.length] = c'$'
        out.length += 1
        out.length += put_digits(out.text + out.length, self._entry.length)
        memcpy(out.text + out.length, b"\r\n", 2)
        out.length += 2
        memcpy(out.text + out.length, self._entry.text, self._entry.length)
        out.length += self._entry.length
        memcpy(out.text + out.length, b"\r\n", 2)
        out.length += 2
        self._sent.append(chain)
        self._ends[self.count] = out.length
        self.count += 1
        chain.written += 1
        return 0

    cdef int _number(self, Chain chain, Record* record) noexcept:
        """The next number of its chain (BUS-06, BUS-12): what is missing before it has taken one."""
        if chain.is_broken:
            chain.seq += 1
        record.numbering = NUMBER_TOLD
        record.prev_seq = chain.seq if chain.is_begun else 0
        chain.seq += 1
        record.seq = chain.seq
        chain.is_begun = True
        chain.is_broken = False
        if record.price_scale != chain.price_scale or record.qty_scale != chain.qty_scale:
            record.tells_scales = True
            chain.price_scale = record.price_scale
            chain.qty_scale = record.qty_scale
        return 0

    cdef int _snapshot(self, Chain chain, Record* record, int64_t now_ns) noexcept:
        """No more levels than there may be; one that was made for the stream is as old as its newest update (BUS-14)."""
        cdef const Level* levels = <const Level*>record.body
        cdef uint32_t bids = min(record.bid_count, self._levels)
        cdef uint32_t asks = min(record.ask_count, self._levels)
        if bids < record.bid_count or asks < record.ask_count:
            memcpy(self._cut, levels, bids * sizeof(Level))
            memcpy(self._cut + bids, levels + record.bid_count, asks * sizeof(Level))
            record.body = self._cut
            record.bid_count = bids
            record.ask_count = asks
            record.is_complete = False
        if record.folded == 0 and chain.book_event_ns:
            record.ts_venue_ns = chain.book_event_ns
            record.ts_recv_ns = chain.last_recv_ns
        chain.book_event_ns = max(chain.book_event_ns, event_time(record))
        chain.has_book = True
        chain.is_changed = False
        chain.deltas = 0
        chain.snapshot_ns = now_ns
        return 0

    def parts(self) -> list[tuple[str, int]]:
        """(key, where it ends) of each command of the last batch."""
        cdef Chain chain
        return [(chain.key, self._ends[i]) for i, chain in enumerate(self._sent)]

    def lost(self, number: int) -> None:
        """The command of that number of the last batch was refused: its chain is broken, and the book is told anew."""
        cdef Chain chain = self._sent[number]
        chain.is_broken = True
        chain.written -= 1
        self._wanted.add(self._chains.index(chain))

    def written(self) -> dict[str, int]:
        """Entries handed out, by venue."""
        found: dict[str, int] = {}
        cdef Chain chain
        for chain in self._chains:
            if chain is not None:
                found[chain.venue] = found.get(chain.venue, 0) + chain.written
        return found

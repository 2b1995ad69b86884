"""What SQLite would add to the journal from its WAL, and whether that is all that was committed (JRN-14).

SQLite reads a WAL up to the first frame that is not whole and takes it for a death in the middle of a write; whatever
follows is forgotten. A death leaves nothing behind that place. Damage does: commits that are whole.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path

from engine.base.errors import JournalError

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
"""With the lowest bit set, checksums are of big-endian words."""
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Logged:
    """What a WAL holds.

    Attributes:
        is_broken: it has whole commits behind a place where it is not whole; its last commit alone can be damaged
            without a trace.
        pages: in the database, by the last commit before such a place; 0 = there is none.
        numbers: of the pages that its commits hold.
    """

    is_broken: bool = False
    pages: int = 0
    numbers: frozenset[int] = frozenset()


def logged(path: Path) -> Logged:
    """What the WAL at *path* holds; nothing where there is none.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Logged()
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}", op="journal.open") from error
    if len(text) < _HEADER.size:
        # Killed while it was begun; nothing was in it.
        return Logged()
    magic, _, page_bytes, _, *salts, sum_1, sum_2 = _HEADER.unpack_from(text)
    is_big = bool(magic & 1)
    if magic & ~1 != _MAGIC or _sums(text[:24], (0, 0), is_big) != (sum_1, sum_2):
        return Logged(is_broken=True)
    return _read_frames(text, page_bytes, tuple(salts), (sum_1, sum_2), is_big)


def _read_frames(text: bytes, page_bytes: int, salts: tuple[int, ...], sums: tuple[int, int], is_big: bool) -> Logged:
    is_whole, is_committed = True, False
    pages, numbers, begun = 0, set[int](), set[int]()
    for start in range(_HEADER.size, len(text) - _FRAME.size - page_bytes + 1, _FRAME.size + page_bytes):
        number, committed_pages, salt_1, salt_2, *stored = _FRAME.unpack_from(text, start)
        page = text[start + _FRAME.size : start + _FRAME.size + page_bytes]
        found = _sums(text[start : start + 8] + page, sums, is_big)
        sums = stored[0], stored[1]
        is_valid = found == sums and (salt_1, salt_2) == salts
        if is_whole and is_valid:
            begun.add(number)
            if committed_pages:
                pages = committed_pages
                numbers |= begun
                begun.clear()
            continue
        if is_valid and is_committed:
            return Logged(True, pages, frozenset(numbers))
        is_whole = False
        # The salts of an earlier use of the file: what was in it then is in the journal itself.
        is_committed |= committed_pages != 0 and (is_valid or (salt_1, salt_2) == salts)
    return Logged(False, pages, frozenset(numbers))


def _sums(text: bytes, seed: tuple[int, int], is_big: bool) -> tuple[int, int]:
    words = array("I", text)
    if is_big != (sys.byteorder == "big"):
        words.byteswap()
    sum_1, sum_2 = seed
    for place in range(0, len(words), 2):
        sum_1 = (sum_1 + words[place] + sum_2) & _MASK
        sum_2 = (sum_2 + words[place + 1] + sum_1) & _MASK
    return sum_1, sum_2

"""Whether what SQLite would add to the journal from its WAL is all that was committed (JRN-14).

SQLite reads a WAL up to the first frame that is not whole and takes it for a death in the middle of a write; whatever
follows is forgotten. A death leaves nothing behind that place. Damage does: commits that are whole.
"""

from __future__ import annotations

import struct
import sys
from array import array
from pathlib import Path

from engine.base.errors import JournalError

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_MAGIC = 0x377F0682
"""With the lowest bit set, checksums are of big-endian words."""
_MASK = 0xFFFFFFFF


def lost_commits(path: Path) -> bool:
    """Whether the WAL at *path* has whole commits behind a place where it is not whole; its last commit alone can be
    damaged without a trace.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}", op="journal.open") from error
    if len(text) < _HEADER.size:
        # Killed while it was begun; nothing was in it.
        return False
    magic, _, page_bytes, _, *salts, sum_1, sum_2 = _HEADER.unpack_from(text)
    is_big = bool(magic & 1)
    if magic & ~1 != _MAGIC or _sums(text[:24], (0, 0), is_big) != (sum_1, sum_2):
        return True
    return _frames_behind_a_hole(text, page_bytes, tuple(salts), (sum_1, sum_2), is_big)


def _frames_behind_a_hole(
    text: bytes, page_bytes: int, salts: tuple[int, ...], sums: tuple[int, int], is_big: bool
) -> bool:
    is_whole, is_committed = True, False
    for start in range(_HEADER.size, len(text) - _FRAME.size - page_bytes + 1, _FRAME.size + page_bytes):
        _, committed_pages, salt_1, salt_2, *stored = _FRAME.unpack_from(text, start)
        page = text[start + _FRAME.size : start + _FRAME.size + page_bytes]
        found = _sums(text[start : start + 8] + page, sums, is_big)
        sums = stored[0], stored[1]
        is_valid = found == sums and (salt_1, salt_2) == salts
        if is_whole and is_valid:
            continue
        if is_valid and is_committed:
            return True
        is_whole = False
        # The salts of an earlier use of the file: what was in it then is in the journal itself.
        is_committed |= committed_pages != 0 and (is_valid or (salt_1, salt_2) == salts)
    return False


def _sums(text: bytes, seed: tuple[int, int], is_big: bool) -> tuple[int, int]:
    words = array("I", text)
    if is_big != (sys.byteorder == "big"):
        words.byteswap()
    sum_1, sum_2 = seed
    for place in range(0, len(words), 2):
        sum_1 = (sum_1 + words[place] + sum_2) & _MASK
        sum_2 = (sum_2 + words[place + 1] + sum_1) & _MASK
    return sum_1, sum_2

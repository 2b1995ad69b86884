"""A recorded capture as the playback server needs it: what it holds, found in one pass before it plays."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol
from urllib.parse import parse_qs, urlsplit


class CaptureRecord(Protocol):
    """One record of a capture file."""

    @property
    def ts_ns(self) -> int:
        """Receive time in ns since 1970."""

    @property
    def venue(self) -> str:
        """As the file names it."""

    @property
    def channel(self) -> str:
        """``ws`` or ``http``."""

    @property
    def conn(self) -> int:
        """Which connection of the recording."""

    @property
    def url(self) -> str | None:
        """Of the connection or the request."""

    @property
    def raw(self) -> str | bytes:
        """The exact text of the frame or body."""

    @property
    def dir(self) -> str | None:
        """``out`` where the recorder sent it."""


class Recording:
    """The received records of one venue, readable any number of times.

    *records* must be iterable again and again (a list, or an object that reopens its file): the first pass
    collects REST bodies and connections, the next one plays. Raises TypeError for a mere iterator and
    ValueError where records of several venues meet and *venue* does not say which to play.
    """

    def __init__(self, records: Iterable[CaptureRecord], venue: str | None = None) -> None:
        if iter(records) is records:
            raise TypeError("records must be readable twice: a list or a reopening iterable, no iterator")
        self._records = records
        self._venue = venue
        self.frames_count = 0
        self.last_record_of_conn: dict[int, int] = {}
        self.snapshots_left: Counter[str] = Counter()
        self._bodies: dict[str, list[tuple[int, bytes]]] = {}
        venues = set()
        for index, record in self:
            venues.add(record.venue)
            self._take(index, record)
        if len(venues) > 1 and venue is None:
            raise ValueError(f"records of several venues, say which to play: {', '.join(sorted(venues))}")

    def __iter__(self) -> Iterator[tuple[int, CaptureRecord]]:
        """Received records of the venue with their 0-based places in the whole recording."""
        for index, record in enumerate(self._records):
            if record.dir != "out" and (self._venue is None or record.venue.partition("_")[0] == self._venue):
                yield index, record

    def body(self, endpoint: str, position: int) -> bytes | None:
        """The newest recorded body of *endpoint* up to record *position*, else its first, None if none."""
        bodies = self._bodies.get(endpoint)
        if not bodies:
            return None
        passed = [body for index, body in bodies if index <= position]
        return passed[-1] if passed else bodies[0][1]

    def _take(self, index: int, record: CaptureRecord) -> None:
        if record.channel == "ws":
            self.frames_count += 1
            self.last_record_of_conn[record.conn] = index
        elif symbol := depth_symbol(record.url):
            self.snapshots_left[symbol] += 1
        elif record.url:
            self._bodies.setdefault(endpoint_of(record.url), []).append((index, frame_bytes(record)))


def endpoint_of(url: str) -> str:
    """What names a REST call whatever its host, version and query: the last part of its path."""
    return urlsplit(url).path.rpartition("/")[2]


def depth_symbol(url: str | None) -> str | None:
    """The symbol of a recorded Binance book snapshot, None for any other URL."""
    if not url or endpoint_of(url) != "depth":
        return None
    return parse_qs(urlsplit(url).query).get("symbol", [None])[0]


def frame_bytes(record: CaptureRecord) -> bytes:
    """The record's text, byte-exact."""
    return record.raw.encode() if isinstance(record.raw, str) else record.raw

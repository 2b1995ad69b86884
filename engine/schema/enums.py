"""The closed sets of the data model (model.md INS-15): fixed integers inside, lower_snake text in JSON and YAML.

Event types alone are spelled as their class (`BookUpdate`) everywhere. The integers equal the C enums of
``event.pxd`` and ``market.pxd``; a test compares them.
"""

from enum import IntEnum


class EventType(IntEnum):
    """What an event is; one class of :mod:`engine.schema` each."""

    BOOK_SNAPSHOT = 1
    BOOK_UPDATE = 2
    TRADE = 3
    TICKER = 4
    KLINE_SUMMARY = 5
    EXEC_REPORT = 6
    CONTROL_ACK = 7
    CONTROL_RESULT = 8
    INSTRUMENT_UPDATE = 9
    BALANCE_UPDATE = 10
    RISK_CONTROL = 11
    MERGED_EVENT = 12
    """Pools and streams alone tell merged events apart by it: their ``type`` is that of their fragments."""

    @property
    def class_name(self) -> str:
        """The spelling on every wire: ``BookUpdate`` for BOOK_UPDATE."""
        return _CLASS_NAMES[self]


_CLASS_NAMES = {one: "".join(part.capitalize() for part in one.name.split("_")) for one in EventType}


class EventKind(IntEnum):
    """Follows from the type; critical kinds are never dropped, coalesced, filtered or rate-limited."""

    MARKET_DATA = 1
    ACCOUNT = 2
    EXEC_REPORT = 3
    CONTROL_ACK = 4
    CONTROL_RESULT = 5


KIND_OF_TYPE: dict[EventType, EventKind] = {
    EventType.BOOK_SNAPSHOT: EventKind.MARKET_DATA,
    EventType.BOOK_UPDATE: EventKind.MARKET_DATA,
    EventType.TRADE: EventKind.MARKET_DATA,
    EventType.TICKER: EventKind.MARKET_DATA,
    EventType.KLINE_SUMMARY: EventKind.MARKET_DATA,
    EventType.EXEC_REPORT: EventKind.EXEC_REPORT,
    EventType.CONTROL_ACK: EventKind.CONTROL_ACK,
    EventType.CONTROL_RESULT: EventKind.CONTROL_RESULT,
    EventType.INSTRUMENT_UPDATE: EventKind.MARKET_DATA,
    EventType.BALANCE_UPDATE: EventKind.ACCOUNT,
    EventType.RISK_CONTROL: EventKind.CONTROL_RESULT,
    EventType.MERGED_EVENT: EventKind.MARKET_DATA,
}
MERGEABLE_TYPES = (
    EventType.BOOK_SNAPSHOT,
    EventType.BOOK_UPDATE,
    EventType.TRADE,
    EventType.TICKER,
    EventType.KLINE_SUMMARY,
)
"""What a merge rule may join (MRG-02)."""
CRITICAL_KINDS = frozenset({EventKind.EXEC_REPORT, EventKind.CONTROL_ACK, EventKind.CONTROL_RESULT})


class EventFlag(IntEnum):
    """Bits of ``event.flags``."""

    LATE = 1
    GAP_BEFORE = 2
    AFTER_RESYNC = 4
    COALESCED = 8
    SYNTHETIC = 16
    RECONCILED = 32
    OVERFLOW_ALLOC = 64


class OrderingMode(IntEnum):
    """How a stream's numbers are read (EVT-61)."""

    NONE = 0
    CONTIGUOUS = 1
    RANGE = 2
    MONOTONIC = 3


class ChecksumState(IntEnum):
    """What a book's checksum said."""

    NOT_APPLICABLE = 0
    VERIFIED = 1


class BookReason(IntEnum):
    """Why a snapshot was published, or why a book became invalid."""

    NONE = 0
    INITIAL = 1
    REFRESH = 2
    GAP = 3
    CHECKSUM = 4
    STALENESS = 5
    RECONNECT = 6
    CROSSED = 7
    DIVERGENCE = 8
    OVERFLOW = 9
    DIRTY = 10
    REQUESTED = 11


class UpdateType(IntEnum):
    """What a BookUpdate holds."""

    DELTA = 1
    FULL = 2
    INVALID = 3


class Side(IntEnum):
    """Aggressor of a trade; NONE = the venue did not say."""

    NONE = 0
    BUY = 1
    SELL = 2


class InstrumentChange(IntEnum):
    """What an InstrumentUpdate reports."""

    ADDED = 1
    CHANGED = 2
    STATUS = 3
    SCALE_WIDENED = 4
    REMOVED = 5


class BalanceCause(IntEnum):
    """Why a balance is told."""

    SNAPSHOT = 1
    TRADE = 2
    TRANSFER = 3
    ORDER = 4
    OTHER = 5


class CloseReason(IntEnum):
    """What closed a merge window."""

    TIME = 1
    COUNT = 2
    COMPLETE = 3


class Saturation(IntEnum):
    """What becomes of events of a type while their queue is saturated (EVT-09)."""

    NEVER = 0
    """Critical: stays as it is, whatever is full."""
    DROP_OLDEST = 1
    """Never coalesced; the oldest go to the dead letters when nothing else makes room."""
    BOOK = 2
    """Deltas unite level by level; a whole book replaces what is queued, invalid all of it."""
    TICKER = 3
    """Replaced field by field."""
    KLINE = 4
    """Open ones are replaced, a closed one never."""
    REPLACE = 5
    """Replaced; the newest is never dropped."""


UNDER_SATURATION: dict[EventType, Saturation] = {
    EventType.BOOK_SNAPSHOT: Saturation.BOOK,
    EventType.BOOK_UPDATE: Saturation.BOOK,
    EventType.TRADE: Saturation.DROP_OLDEST,
    EventType.TICKER: Saturation.TICKER,
    EventType.KLINE_SUMMARY: Saturation.KLINE,
    EventType.EXEC_REPORT: Saturation.NEVER,
    EventType.CONTROL_ACK: Saturation.NEVER,
    EventType.CONTROL_RESULT: Saturation.NEVER,
    EventType.INSTRUMENT_UPDATE: Saturation.REPLACE,
    EventType.BALANCE_UPDATE: Saturation.REPLACE,
    EventType.RISK_CONTROL: Saturation.NEVER,
    EventType.MERGED_EVENT: Saturation.DROP_OLDEST,
}
"""The table of EVT-09, read by mailboxes and dispatcher; a type that is not in it never coalesces."""


class OfferResult(IntEnum):
    """What a sink answers; it never blocks in secret."""

    ACCEPTED = 0
    COALESCED = 1
    FULL = 2


def by_number(kind: type[IntEnum]) -> tuple[IntEnum | None, ...]:
    """Members by number, None where there is none: a look-up at each reading of an event, where a call would search."""
    known = {int(member): member for member in kind}
    return tuple(known.get(number) for number in range(max(known) + 1))


def wire_name(member: IntEnum) -> str:
    """JSON spelling of an enum member (``n/a`` for a checksum that does not apply)."""
    if isinstance(member, EventType):
        return member.class_name
    return "n/a" if member is ChecksumState.NOT_APPLICABLE else member.name.lower()

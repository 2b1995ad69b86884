"""What can go wrong at a simulated venue on request: the names, what each acts on, and one rule of a plan.

A rule is read from a mapping (a scenario's entry, a body of the control port, a name of ``--faults``); every key that
is wrong is told at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from engine.simulator.instruments import BINANCE, COINBASE, KRAKEN, SIMULATED, VENUES


class Point(StrEnum):
    """Where a fault acts, which is also when it is decided whether it strikes."""

    FRAME = "frame"
    """A frame of market data on its way to one connection."""
    BOOK = "book"
    """A book update before it is written, the same for every connection."""
    SNAPSHOT = "snapshot"
    """A book snapshot, by REST or on a new subscription."""
    REST = "rest"
    """Any REST call."""
    UPGRADE = "upgrade"
    """A new connection."""
    SUBSCRIBE = "subscribe"
    """A subscription, for one symbol."""
    ORDER = "order"
    """A request to place or cancel an order."""
    QUERY = "query"
    """A question about orders."""
    REPORT = "report"
    """What an account is told of an order."""
    CLOCK = "clock"
    """Nothing but the market's time."""


class FaultKind(NamedTuple):
    """One fault. *params*: keys of a rule that it reads, with what they are where the rule says nothing."""

    point: Point
    meaning: str
    venues: tuple[str, ...] = VENUES
    params: Mapping[str, Any] = {}


_STREAMS = ("book", "snapshot", "trade", "ticker", "candle", "any")
_STATES = ("trading", "halted", "cancel_only")
_CALLS = ("place", "cancel", "any")
_ACCOUNTS = (BINANCE, COINBASE, KRAKEN)

FAULTS: dict[str, FaultKind] = {
    "drop": FaultKind(Point.FRAME, "a frame is not sent", params={"stream": "book"}),
    "duplicate": FaultKind(Point.FRAME, "a frame is sent twice", params={"stream": "book"}),
    "swap": FaultKind(Point.FRAME, "a frame changes places with the next one", params={"stream": "book"}),
    "half_frame": FaultKind(Point.FRAME, "a frame ends in the middle of its text", params={"stream": "book"}),
    "torn_frame": FaultKind(
        Point.FRAME, "the socket is cut in the middle of a frame", params={"stream": "book"}
    ),
    "silence": FaultKind(
        Point.FRAME, "the connection stays open and nothing is sent on it", params={"stream": "any", "for_s": 60.0}
    ),
    "disconnect": FaultKind(
        Point.FRAME, "the connection ends; code 1006: without a close frame", params={"stream": "any", "code": 1006}
    ),
    "corrupt_level": FaultKind(Point.BOOK, "one level of an update has a quantity that the book has not"),
    "corrupt_checksum": FaultKind(
        Point.BOOK, "an update's checksum is wrong, its levels are right", (KRAKEN, SIMULATED)
    ),
    "crossed": FaultKind(Point.BOOK, "an update brings a bid above the best ask; the book has none"),
    "delay_snapshot": FaultKind(Point.SNAPSHOT, "a snapshot comes late", params={"for_s": 2.0}),
    "stale_snapshot": FaultKind(Point.SNAPSHOT, "a snapshot of an earlier moment", (BINANCE, KRAKEN, SIMULATED)),
    "snapshot_error": FaultKind(Point.SNAPSHOT, "a REST snapshot fails", (BINANCE,), {"status": 500}),
    "rate_limited": FaultKind(
        Point.REST, "429, and every call until the time told is refused", params={"retry_after_s": 5.0}
    ),
    "banned": FaultKind(
        Point.REST, "418, and every call until the time told is refused", (BINANCE,), {"retry_after_s": 120.0}
    ),
    "refuse": FaultKind(Point.UPGRADE, "a connection is refused at the upgrade", params={"status": 503}),
    "refuse_subscription": FaultKind(
        Point.SUBSCRIBE, "a subscription is not granted", (COINBASE, KRAKEN), {"stream": "book"}
    ),
    "lost_request": FaultKind(
        Point.ORDER, "a request about an order never comes to the venue; it is not answered", _ACCOUNTS,
        {"call": "place"},
    ),
    "lost_reply": FaultKind(Point.ORDER, "a request is done and not answered", _ACCOUNTS, {"call": "place"}),
    "late_reply": FaultKind(
        Point.ORDER, "a request is done and answered late", _ACCOUNTS, {"call": "place", "for_s": 1.0}
    ),
    "failed_reply": FaultKind(
        Point.ORDER, "a request is done, and the answer says that nobody knows", _ACCOUNTS,
        {"call": "place", "status": 503},
    ),
    "disconnect_after_accept": FaultKind(
        Point.ORDER, "a request is done, and the connection cut in place of the answer", _ACCOUNTS, {"call": "place"}
    ),
    "reject_order": FaultKind(Point.ORDER, "an order is refused for no reason of its own", _ACCOUNTS),
    "partial_fill": FaultKind(Point.ORDER, "an order that would wait is half filled at once", _ACCOUNTS),
    "cancel_race": FaultKind(Point.ORDER, "an order is filled just before its cancel comes", _ACCOUNTS),
    "hidden_order": FaultKind(Point.QUERY, "a query does not find an order that is there", _ACCOUNTS),
    "delay_open_orders": FaultKind(
        Point.QUERY, "the list of open orders comes late", _ACCOUNTS, {"for_s": 2.0}
    ),
    "late_fill": FaultKind(Point.REPORT, "a fill is reported late, after what came later", _ACCOUNTS, {"for_s": 2.0}),
    "duplicate_report": FaultKind(Point.REPORT, "a report comes twice", _ACCOUNTS),
    "swap_reports": FaultKind(Point.REPORT, "a report changes places with the account's next", _ACCOUNTS),
    "lost_report": FaultKind(Point.REPORT, "a report is not sent", _ACCOUNTS),
    "shutdown": FaultKind(
        Point.CLOCK, "a notice where the venue has one, then every connection of that time ends",
        params={"for_s": 10.0},
    ),
    "clock_offset": FaultKind(Point.CLOCK, "the venue's clock is off", params={"offset_ms": 2000}),
    "tick_size": FaultKind(Point.CLOCK, "an instrument has another tick", params={"symbol": "", "tick": ""}),
    "instrument_status": FaultKind(
        Point.CLOCK, "an instrument changes its status", params={"symbol": "", "state": "halted"}
    ),
    "divergence": FaultKind(
        Point.CLOCK, "a level of the venue's book changes and nobody is told", params={"symbol": "", "rank": 0}
    ),
    "quiet": FaultKind(Point.CLOCK, "nothing happens in a symbol", params={"symbol": "", "for_s": 60.0}),
    "trade_elsewhere": FaultKind(
        Point.CLOCK, "an order of somebody else is filled on every account", _ACCOUNTS, {"symbol": ""}
    ),
}


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a fault plan.

    Attributes:
        fault: a name of :data:`FAULTS`.
        venue: one venue; empty = each of those that know the fault, each on its own.
        symbol: one symbol in any spelling; empty = any (faults of the clock: one drawn anew each time).
        at_s: not before this time of the market, in seconds from its start.
        every_s: at least this long between two strikes.
        count: how often; 0 = without end.
        probability: of striking at each chance.
        stream: which frames: book (updates), snapshot, trade, ticker, candle or any.
        for_s: how long it lasts; silence and quiet: 0 = for ever.
        status: HTTP status.
        retry_after_s: what the refusal says.
        code: WebSocket close code; 1006 = none is sent.
        offset_ms: of the venue's clock to the true time.
        tick: new tick as decimal text; empty = ten times the present one.
        state: trading, halted or cancel_only.
        rank: how many levels behind the best; 0 = behind what the venue's checks cover.
        call: which requests: place, cancel or any.
    """

    fault: str
    venue: str = ""
    symbol: str = ""
    at_s: float = 0.0
    every_s: float = 0.0
    count: int = 1
    probability: float = 1.0
    stream: str = ""
    for_s: float = 0.0
    status: int = 0
    retry_after_s: float = 0.0
    code: int = 0
    offset_ms: int = 0
    tick: str = ""
    state: str = ""
    rank: int = 0
    call: str = ""

    @property
    def kind(self) -> FaultKind:
        """What its name stands for."""
        return FAULTS[self.fault]


class KeyFault(NamedTuple):
    """What is wrong with one key of a rule; *key* is empty where the whole is."""

    key: str
    constraint: str


_NUMBERS: dict[str, tuple[float, float]] = {
    "at_s": (0, 1e9), "every_s": (0, 1e9), "count": (0, 10**9), "probability": (0, 1), "for_s": (0, 1e9),
    "status": (400, 599), "retry_after_s": (0, 259_200), "code": (1000, 4999), "offset_ms": (-86_400_000, 86_400_000),
    "rank": (0, 10_000),
}  # fmt: skip
_WHOLE = ("count", "status", "code", "offset_ms", "rank")
_NAMED_EVERY_S = 15
# Short enough that each strike is over before the next.
_NAMED_PARAMS: dict[str, dict[str, Any]] = {
    "banned": {"retry_after_s": 5}, "quiet": {"for_s": 5}, "shutdown": {"for_s": 5},
}  # fmt: skip
_COMMON = ("fault", "venue", "symbol", "at_s", "every_s", "count", "probability")


def read_rule(entry: object) -> tuple[FaultRule | None, list[KeyFault]]:
    """A rule from plain values, complete with what its fault has by itself; None where anything is wrong."""
    if not isinstance(entry, Mapping):
        return None, [KeyFault("", "must be a mapping with the key fault")]
    name = entry.get("fault")
    if not isinstance(name, str) or name not in FAULTS:
        return None, [KeyFault("fault", _choice(FAULTS, name))]
    kind = FAULTS[name]
    known = dict.fromkeys((*_COMMON, *kind.params))
    if kind.point in (Point.REST, Point.UPGRADE):
        del known["symbol"]
    faults = []
    values: dict[str, Any] = dict(kind.params)
    for key, value in entry.items():
        if key not in known:
            faults.append(KeyFault(str(key), f"{name} has no such key; it has {', '.join(known)}"))
        elif constraint := _constraint(kind, key, value):
            faults.append(KeyFault(key, constraint))
        else:
            values[key] = float(value) if key in _NUMBERS and key not in _WHOLE else value
    if values.get("every_s", 0) == 0 and kind.point is Point.CLOCK and values.get("count", 1) != 1:
        faults.append(KeyFault("every_s", f"{name} more than once needs a time between"))
    return (None, faults) if faults else (FaultRule(**values), [])


def named_rules(names: Iterable[str]) -> list[FaultRule]:
    """A plan of bad weather by names alone: each again and again, as long as the simulator runs.

    Raises:
        ValueError: a name that no fault has.
    """
    rules: list[FaultRule] = []
    for name in names:
        if name not in FAULTS:
            raise ValueError(_choice(FAULTS, name))
        # One after the other, then in a common rhythm, far enough apart for a client to heal in between.
        timing = {"at_s": 3 + 2 * len(rules), "every_s": _NAMED_EVERY_S, "count": 0}
        rule, _ = read_rule({"fault": name, **timing, **_NAMED_PARAMS.get(name, {})})
        assert rule is not None
        rules.append(rule)
    return rules


def _constraint(kind: FaultKind, key: str, value: object) -> str:
    """What *value* must be, empty where it is."""
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        wanted = int if key in _WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
            return f"must be a {'whole ' if key in _WHOLE else ''}number from {low:g} to {high:g}"
        return ""
    if not isinstance(value, str):
        return "must be a text"
    choices = {"venue": kind.venues, "stream": _STREAMS, "state": _STATES, "call": _CALLS}.get(key)
    if choices is not None and value not in choices:
        return _choice(choices, value)
    if key == "tick" and not _is_tick(value):
        return "must be a decimal above 0 with at most 12 decimals, in quotes"
    return ""


def _is_tick(text: str) -> bool:
    whole, _, decimals = text.partition(".")
    digits = whole + decimals
    return digits.isdecimal() and whole != "" and len(decimals) <= 12 and int(digits) > 0


def _choice(names: Iterable[str], value: object) -> str:
    listed = list(names)
    near = difflib.get_close_matches(str(value), listed, n=1, cutoff=0.0)
    return f"must be one of {', '.join(listed)}; nearest: {near[0]}"

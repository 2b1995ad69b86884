"""A trading engine: venue bytes become verified, ordered, canonical events in your strategy.

Everything public is listed in ``__all__``; nothing is configured by importing it. Modules are loaded when a name is
first used, so that ``import engine`` stays fast.
"""

from __future__ import annotations

import pkgutil
import typing

if typing.TYPE_CHECKING:
    from engine.base.errors import (
        ConfigError,
        EngineError,
        EngineErrorGroup,
        InternalError,
        MisuseError,
        UnknownSymbolError,
        UseAfterRecycleError,
        ValidationError,
        VenueError,
    )
    from engine.book.local import Book
    from engine.consumers.context import Context
    from engine.consumers.handler import Handler
    from engine.consumers.subscriptions import Subscription
    from engine.runtime.api import replay
    from engine.runtime.assembly import Engine
    from engine.runtime.replay import ReplayResult
    from engine.runtime.serve import Served, serve
    from engine.schema.account import BalanceUpdate
    from engine.schema.arrays import to_numpy
    from engine.schema.codec import from_json, to_json
    from engine.schema.command import Reply
    from engine.schema.control import ControlAck, ControlResult, InstrumentUpdate
    from engine.schema.enums import (
        BalanceCause,
        BookReason,
        ChecksumState,
        CloseReason,
        EventFlag,
        EventKind,
        EventType,
        Side,
        UpdateType,
    )
    from engine.schema.event import Event
    from engine.schema.execution import ExecReport
    from engine.schema.instrument import Instrument, OrderType, TimeInForce
    from engine.schema.market import BookSnapshot, BookUpdate, Levels, Trade
    from engine.schema.merged import MergedEvent
    from engine.schema.order import (
        Anomaly,
        Breach,
        Fee,
        Liquidity,
        OrderState,
        Reason,
        ReportKind,
        ReportSource,
        RiskControlKind,
        RiskScope,
        RiskStatus,
        SubmitReason,
        SubmitReply,
        SubmitStatus,
    )
    from engine.schema.orderrecords import OrderView
    from engine.schema.quotes import KlineSummary, Ticker
    from engine.schema.risk import RiskControl

_HOMES: dict[str, tuple[str, ...]] = {
    "engine.base.errors": (
        "ConfigError",
        "EngineError",
        "EngineErrorGroup",
        "InternalError",
        "MisuseError",
        "UnknownSymbolError",
        "UseAfterRecycleError",
        "ValidationError",
        "VenueError",
    ),
    "engine.book.local": ("Book",),
    "engine.consumers.context": ("Context",),
    "engine.consumers.handler": ("Handler",),
    "engine.consumers.subscriptions": ("Subscription",),
    "engine.runtime.api": ("replay",),
    "engine.runtime.assembly": ("Engine",),
    "engine.runtime.replay": ("ReplayResult",),
    "engine.runtime.serve": ("Served", "serve"),
    "engine.schema.account": ("BalanceUpdate",),
    "engine.schema.arrays": ("to_numpy",),
    "engine.schema.codec": ("from_json", "to_json"),
    "engine.schema.command": ("Reply",),
    "engine.schema.control": ("ControlAck", "ControlResult", "InstrumentUpdate"),
    "engine.schema.enums": (
        "BalanceCause",
        "BookReason",
        "ChecksumState",
        "CloseReason",
        "EventFlag",
        "EventKind",
        "EventType",
        "Side",
        "UpdateType",
    ),
    "engine.schema.event": ("Event",),
    "engine.schema.execution": ("ExecReport",),
    "engine.schema.instrument": ("Instrument", "OrderType", "TimeInForce"),
    "engine.schema.market": ("BookSnapshot", "BookUpdate", "Levels", "Trade"),
    "engine.schema.merged": ("MergedEvent",),
    "engine.schema.order": (
        "Anomaly",
        "Breach",
        "Fee",
        "Liquidity",
        "OrderState",
        "Reason",
        "ReportKind",
        "ReportSource",
        "RiskControlKind",
        "RiskScope",
        "RiskStatus",
        "SubmitReason",
        "SubmitReply",
        "SubmitStatus",
    ),
    "engine.schema.orderrecords": ("OrderView",),
    "engine.schema.quotes": ("KlineSummary", "Ticker"),
    "engine.schema.risk": ("RiskControl",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Anomaly",
    "BalanceCause",
    "BalanceUpdate",
    "Book",
    "BookReason",
    "BookSnapshot",
    "BookUpdate",
    "Breach",
    "ChecksumState",
    "CloseReason",
    "ConfigError",
    "Context",
    "ControlAck",
    "ControlResult",
    "Engine",
    "EngineError",
    "EngineErrorGroup",
    "Event",
    "EventFlag",
    "EventKind",
    "EventType",
    "ExecReport",
    "Fee",
    "Handler",
    "Instrument",
    "InstrumentUpdate",
    "InternalError",
    "KlineSummary",
    "Levels",
    "Liquidity",
    "MergedEvent",
    "MisuseError",
    "OrderState",
    "OrderType",
    "OrderView",
    "Reason",
    "ReplayResult",
    "Reply",
    "ReportKind",
    "ReportSource",
    "RiskControl",
    "RiskControlKind",
    "RiskScope",
    "RiskStatus",
    "Served",
    "Side",
    "SubmitReason",
    "SubmitReply",
    "SubmitStatus",
    "Subscription",
    "Ticker",
    "TimeInForce",
    "Trade",
    "UnknownSymbolError",
    "UpdateType",
    "UseAfterRecycleError",
    "ValidationError",
    "VenueError",
    "from_json",
    "replay",
    "serve",
    "to_json",
    "to_numpy",
]


def __getattr__(name: str) -> typing.Any:
    home = _HOME_OF.get(name)
    if home is not None:
        found = globals()[name] = pkgutil.resolve_name(f"{home}:{name}")
        return found  # looked for once: a callback may ask for it at each event
    if name == "__version__":
        from engine.base.version import engine_version

        return engine_version()
    raise AttributeError(f"module 'engine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

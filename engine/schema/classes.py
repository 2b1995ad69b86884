"""Every event class; importing this module makes all of them known by type."""

from engine.schema.account import BalanceUpdate
from engine.schema.control import ControlAck, ControlResult, InstrumentUpdate
from engine.schema.event import Event, class_of
from engine.schema.execution import ExecReport
from engine.schema.market import BookSnapshot, BookUpdate, Trade
from engine.schema.merged import MergedEvent
from engine.schema.quotes import KlineSummary, Ticker
from engine.schema.risk import RiskControl

__all__ = ["CLASSES", "Event", "class_of"]

CLASSES: tuple[type[Event], ...] = (
    BookSnapshot,
    BookUpdate,
    Trade,
    Ticker,
    KlineSummary,
    ExecReport,
    ControlAck,
    ControlResult,
    InstrumentUpdate,
    BalanceUpdate,
    RiskControl,
    MergedEvent,
)

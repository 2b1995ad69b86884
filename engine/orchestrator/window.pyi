from typing import final

from engine.observability.latency import LatencyHistogram
from engine.orchestrator.counts import WindowCounts
from engine.orchestrator.rules import MergeRule
from engine.schema.ports import EventPool

@final
class MergeWindow:
    """One rule's window, open or not, and what became of those before it (EVT-51).

    Args:
        rule: a MergeRule.
        pool: where fragments go back to.
    """

    rule: MergeRule
    instrument_id: int
    dwell: LatencyHistogram
    def __init__(self, rule: MergeRule, pool: EventPool) -> None: ...
    def statistics(self) -> WindowCounts:
        """Windows by what became of them, and fragments."""

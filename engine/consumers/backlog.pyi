from typing_extensions import disjoint_base

from engine.base.clock import Clock
from engine.consumers.settings import MailboxSettings
from engine.schema.ports import EventPool

@disjoint_base
class Backlog:
    """What a mailbox holds of market data; arguments as for :class:`~engine.consumers.mailbox.Mailbox`."""

    capacity: int
    offered: int
    is_saturated: bool
    coalesced_answers: int
    refused: int
    coalesced: int
    dropped: int
    saturations: int
    spilled: int
    skipped_suspended: int
    def __init__(self, pool: EventPool, clock: Clock, settings: MailboxSettings, consumer_id: str) -> None: ...
    @property
    def is_full(self) -> bool:
        """Whether no place for market data is left."""
    def keep_trades(self, instrument_id: int, on: bool) -> None:
        """From now on no trade of an instrument may be lost, or any may; what is queued is under it as well."""
    def tell_rest(self) -> None:
        """The consumer stops: what was held back for being too often is told."""
    def lost_by_stream(self) -> dict[str, tuple[int, int]]:
        """(coalesced, dropped) of every stream that lost something."""

from collections.abc import Iterable
from typing import final

from engine.base.clock import Clock
from engine.consumers.backlog import Backlog
from engine.consumers.settings import MailboxSettings
from engine.schema.ports import EventPool

@final
class Mailbox(Backlog):
    """Args:
    pool: where an event goes that does not stay.
    clock: for how often somebody is told.
    settings: see :class:`~engine.consumers.settings.MailboxSettings`.
    consumer_id: whose it is, for the hooks.
    """

    critical_reserve: int
    skipped_version: int
    skipped_dirty: int
    synthetic: int
    peak: int
    critical_overflow: int
    def __init__(
        self, pool: EventPool, clock: Clock, settings: MailboxSettings | None = None, consumer_id: str = ""
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def accepted(self) -> int:
        """Offers answered ACCEPTED."""
    def routes_changed(self, version: int, removed: Iterable[int]) -> None:
        """The consumer's routes changed with *version*; *removed*: stream indices that it has no more.

        With the version filter all market data routed before is skipped, else that of the removed routes; each entry
        as it leaves, so that a change costs the same however much is queued.
        """
    def resumed(self, instrument_id: int, epoch: int, seq: int) -> None:
        """A snapshot of the book as numbered was offered beside its stream: what is not behind it is old."""

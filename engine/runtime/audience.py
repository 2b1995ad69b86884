"""Who gets a report of an order, and who is told of risk (ORDM-22, TRD-22, RSK-11): nobody subscribes to them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping

from engine.consumers.runner import Runner
from engine.schema.event import Event
from engine.schema.execution import ExecReport


class Audience:
    """Owned by the engine, asked by its dispatcher.

    Args:
        runners: the engine's own, which come and go.
    """

    def __init__(self, runners: Mapping[str, Runner]) -> None:
        self._runners = runners
        self._takes_all: dict[str, bool] = {}
        self.on_joined: Callable[[str], None] = lambda consumer_id: None
        """Called with each consumer that joins, once events can reach it."""

    def add(self, consumer_id: str, *, takes_all: bool) -> None:
        """A consumer has joined. *takes_all*: it gets reports of the orders of others as well."""
        self._takes_all[consumer_id] = takes_all
        self.on_joined(consumer_id)

    def remove(self, consumer_id: str) -> None:
        """It has left."""
        del self._takes_all[consumer_id]

    def of(self, event: Event) -> array[int]:
        """Consumers by index, each once: of a report its owner first, then those that take all; of risk everyone."""
        if not isinstance(event, ExecReport):
            return array("H", [self._runners[name].index for name in self._takes_all])
        owner = event.consumer_id
        names = [owner] if owner in self._takes_all else []
        names += [name for name, takes_all in self._takes_all.items() if takes_all and name != owner]
        return array("H", [self._runners[name].index for name in names])

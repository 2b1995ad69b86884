"""Who obeys which command (CTL-30)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from engine.base.errors import CapacityError, NotPermittedError, UnknownSymbolError, ValidationError
from engine.consumers.runner import Runner
from engine.consumers.subscriptions import Subscription, SubscriptionDesk
from engine.consumers.switch import TradingSwitches
from engine.observability.dlq import DeadLetterQueue
from engine.observability.logs import set_level
from engine.pools.recycler import Recycler
from engine.providers.bookshelf import BookShelf
from engine.runtime.catalogue import Catalogue
from engine.runtime.merging import Merging
from engine.runtime.ordercommands import OrderCommands
from engine.schema.command import Command, Handler, Outcome, Result
from engine.schema.enums import BookReason, EventType
from engine.schema.event import Event
from engine.schema.payloads import (
    DebugRequest,
    DrainRequest,
    LogLevelRequest,
    ProviderRequest,
    SnapshotRequest,
    SubscriptionRequest,
    TradingModeRequest,
)

_BOOK_NAMES = frozenset({EventType.BOOK_SNAPSHOT.class_name, EventType.BOOK_UPDATE.class_name})


class Venues(Protocol):
    """What commands may ask of the venues; an engine that is not live has none to ask."""

    def want(self, symbol: str, providers: Sequence[str]) -> frozenset[str]:
        """Have *providers* (empty = whoever can) carry a symbol; answers those that will once their venue is there.

        Raises:
            CapacityError: what a provider lists is not known yet.
        """

    def review(self) -> None:
        """Subscriptions came or went: what nobody wants any more is let go of after a while."""

    def is_fed(self, provider: str, symbol: str) -> bool:
        """Whether a provider's connection for a symbol stands."""

    def start_provider(self, provider: str, done: Callable[[str], None]) -> None:
        """Bring a provider up that was stopped; done(state) is called once.

        Raises:
            UnknownSymbolError: there is no such provider.
        """

    def stop_provider(self, provider: str, done: Callable[[str], None]) -> None:
        """End a provider's connections; as start_provider()."""


class NoVenues:
    """Recorded or hand-fed frames: what is carried is all there is."""

    def want(self, symbol: str, providers: Sequence[str]) -> frozenset[str]:
        """Nobody will carry it later."""
        return frozenset()

    def review(self) -> None:
        """Nothing is let go of."""

    def is_fed(self, provider: str, symbol: str) -> bool:
        """What is carried is fed."""
        return True

    def start_provider(self, provider: str, done: Callable[[str], None]) -> None:
        """Refuse."""
        raise CapacityError("providers run only in a live engine", op="provider_start", provider=provider)

    def stop_provider(self, provider: str, done: Callable[[str], None]) -> None:
        """Refuse."""
        raise CapacityError("providers run only in a live engine", op="provider_stop", provider=provider)


class Commands:
    """Obeys, on the engine's loop. Owned by the engine.

    Args:
        desk, merging, catalogue, shelf, switches, recycler, dlq: the engine's.
        runners: the engine's own, which come and go.
        give_book: called as give_book(runner, instrument id, reason): hands a book to one consumer; answers its number,
            None where it is not valid.
        finish: called as finish(command, outcome) for what takes more than a moment.
        tell_result: hands a result that no command waits for to its consumer.
        version: the routing version in force.
    """

    def __init__(
        self,
        *,
        desk: SubscriptionDesk,
        merging: Merging,
        catalogue: Catalogue,
        shelf: BookShelf,
        switches: TradingSwitches,
        recycler: Recycler,
        dlq: DeadLetterQueue,
        runners: Mapping[str, Runner],
        give_book: Callable[[Runner, int, BookReason], int | None],
        finish: Callable[[Command, Outcome], None],
        tell_result: Callable[[Result], None],
        version: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._merging = merging
        self._catalogue = catalogue
        self._shelf = shelf
        self._switches = switches
        self._recycler = recycler
        self._dlq = dlq
        self._runners = runners
        self._give_book = give_book
        self._finish = finish
        self._tell_result = tell_result
        self._version = version
        self.venues: Venues = NoVenues()
        self.orders = OrderCommands(runners, finish)

    def handlers(self) -> dict[str, Handler]:
        """By type of command."""
        return {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "merged_subscribe": self._merged,
            "merged_unsubscribe": self._merged,
            "set_trading_mode": self._set_trading_mode,
            "request_snapshot": self._request_snapshot,
            "provider_start": self._provider_start,
            "provider_stop": self._provider_stop,
            "set_debug": self._set_debug,
            "set_log_level": self._set_log_level,
            "drain_dlq": self._drain_dlq,
            **self.orders.handlers(),
        }

    # -- subscriptions ------------------------------------------------------------------------------------------

    def _subscribe(self, command: Command) -> Outcome:
        content = _content(command)
        self._known(command.consumer_id)
        self._desk.check(content)
        try:
            held = self._desk.subscribe(content, self.venues.want(content.symbol, content.providers))
        finally:
            self.venues.review()
        return {"subscription_id": held.subscription_id, "first_event": self._first_event(content)}

    def _unsubscribe(self, command: Command) -> Outcome:
        self._known(command.consumer_id)
        content = _content(command)
        first = self._first_event(content)
        held = self._desk.unsubscribe(content)
        self.venues.review()
        return {"subscription_id": held.subscription_id, "first_event": first}

    def _merged(self, command: Command) -> Outcome:
        self._known(command.consumer_id)
        try:
            return self._merging.obey(command, self._desk, self.venues.want)
        finally:
            self.venues.review()

    def trades_missing(self, consumer_id: str, first: Event) -> None:
        """Not all trades of a stream could be kept: its subscriptions are suspended, each tells where it ends."""
        provider, symbol = first.provider, first.symbol or ""
        for held in self._desk.suspend(consumer_id, provider, symbol):
            gap = {"provider": provider, "symbol": symbol, "event_type": "Trade", "first_missing": first.event_id}
            self._tell_result(
                Result(
                    message_id=held.subscription_id,
                    consumer_id=consumer_id,
                    command_type="subscribe",
                    routing_version=self._version(),
                    result={"subscription_id": held.subscription_id, "suspended": True, "gap": gap},
                )
            )

    def _first_event(self, content: Subscription) -> str:
        """``live``: at hand, or comes with the next thing that happens at a venue; else ``waiting``."""
        carriers = self._catalogue.carriers(content.symbol)
        is_live = any(
            content.is_of(provider, content.symbol)
            and self.venues.is_fed(provider, content.symbol)
            and (_BOOK_NAMES.isdisjoint(content.event_types) or self._shelf.is_valid(instrument))
            for provider, instrument in carriers.items()
        )
        return "live" if is_live else "waiting"

    # -- of a consumer, or of an operator -----------------------------------------------------------------------

    def _set_trading_mode(self, command: Command) -> None:
        request = command.read(TradingModeRequest)
        own = command.consumer_id
        if own and request.consumer_id not in (None, own):
            raise NotPermittedError(f"the switch of {request.consumer_id} is not {own}'s", op=command.type)
        consumer_id = own or request.consumer_id
        if consumer_id is None:
            raise ValidationError("consumer_id is missing: whose switch?", op=command.type)
        self._switches.set(consumer_id, enabled=request.enabled, by=own or command.operator)

    def _request_snapshot(self, command: Command) -> Outcome:
        request = command.read(SnapshotRequest)
        instrument = self._catalogue.carriers(request.symbol).get(request.provider)
        if instrument is None:
            raise UnknownSymbolError(f"provider {request.provider} does not carry {request.symbol}", op=command.type,
                                     symbol=request.symbol)  # fmt: skip
        asking = [command.consumer_id] if command.consumer_id else list(self._runners)
        takers = [name for name in asking if self._known(name) and self._desk.takes_book(name, instrument)]
        if not takers:
            who = f"{command.consumer_id} does not take" if command.consumer_id else "nobody takes"
            raise UnknownSymbolError(
                f"{who} the book of {request.symbol} at {request.provider}", op=command.type, symbol=request.symbol
            )
        numbers = [self._give_book(self._runners[name], instrument, BookReason.REQUESTED) for name in takers]
        if numbers[0] is None:
            raise CapacityError("the book is not valid now; a snapshot comes with it", op=command.type,
                                provider=request.provider, symbol=request.symbol)  # fmt: skip
        return {"final_update_id": numbers[0]}

    def _known(self, consumer_id: str) -> bool:
        """Raises:
        UnknownSymbolError: there is no such consumer.
        """
        if consumer_id not in self._runners:
            raise UnknownSymbolError(f"there is no consumer {consumer_id}", op="control.handle")
        return True

    # -- of an operator -----------------------------------------------------------------------------------------

    def _provider_start(self, command: Command) -> None:
        provider = command.read(ProviderRequest).provider
        self.venues.start_provider(provider, lambda state: self._finish(command, {"state": state}))

    def _provider_stop(self, command: Command) -> None:
        provider = command.read(ProviderRequest).provider
        self.venues.stop_provider(provider, lambda state: self._finish(command, {"state": state}))

    def _set_debug(self, command: Command) -> Outcome:
        self._recycler.set_debug(command.read(DebugRequest).on)
        pools = self._recycler.statistics().pools.values()
        return {
            "on": self._recycler.debug,
            "in_use": sum(row.in_use for row in pools),
            "escaped": sum(row.escaped for row in pools),
            "refused": sum(row.refused for row in pools),
        }

    def _set_log_level(self, command: Command) -> Outcome:
        level = command.read(LogLevelRequest).level
        set_level(level)
        return {"level": level}

    def _drain_dlq(self, command: Command) -> Outcome:
        drained = self._dlq.drain(command.read(DrainRequest).limit)
        return {"drained": len(drained), "left": self._dlq.statistics().records_count}


def _content(command: Command) -> Subscription:
    request = command.read(SubscriptionRequest)
    return Subscription(
        consumer_id=command.consumer_id,
        symbol=request.symbol,
        providers=request.providers,
        event_types=request.event_types,
        never_drop_trades=request.never_drop_trades,
    )

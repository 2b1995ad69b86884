"""Who gets what: subscriptions by symbol, providers and event types, turned into routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec

from engine.base.errors import NotPermittedError, UnknownSymbolError, ValidationError
from engine.base.ids import instrument_id
from engine.schema.command import SUBSCRIBABLE_TYPES, Command
from engine.schema.enums import EventType

BALANCES = EventType.BALANCE_UPDATE.class_name
_TYPES = {event_type.class_name: event_type for event_type in EventType}


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription (CTL-01). An empty *providers* means all that carry the symbol, also later ones.

    *merged* is the name of a merge rule: its MergedEvents come, and no event of a provider.
    """

    consumer_id: str
    symbol: str
    providers: tuple[str, ...] = ()
    event_types: tuple[str, ...]
    merged: str | None = None

    def types(self) -> frozenset[EventType]:
        """The routed types: who takes book updates gets the snapshots they build on."""
        found = {_TYPES[name] for name in self.event_types}
        if EventType.BOOK_UPDATE in found:
            found.add(EventType.BOOK_SNAPSHOT)
        return frozenset(found)


class RouteBoard(Protocol):
    """Where routes are put in force; the dispatcher's routing board is one."""

    def set_routes(self, consumer: int, streams: frozenset[int]) -> int:
        """Make *streams* the routes of a consumer; returns the version then in force."""


class RuleOfDesk(Protocol):
    """What is to be known of a merge rule here."""

    @property
    def symbol(self) -> str:
        """The symbol it joins."""

    @property
    def event_type(self) -> EventType:
        """The type of its fragments."""

    @property
    def provider(self) -> str:
        """The provider of what it emits."""


class SubscriptionDesk:
    """Keeps each consumer's subscriptions and its routes in step. Owned by the runtime; engine's loop only.

    Args:
        board: where routes are put in force.
        stream_index: dense index of (instrument id, event type).
        carriers: symbol -> {provider: instrument id} of what is carried now.
        merge_rule: a merge rule by its name, None where there is none.
        accounts: provider -> instrument id of its account's stream, where it has a key.
        on_change: called as on_change(consumer_id, version, added, removed) with the stream indices of each change.
    """

    def __init__(
        self,
        board: RouteBoard,
        stream_index: Callable[[int, int], int],
        carriers: Callable[[str], dict[str, int]],
        merge_rule: Callable[[str], RuleOfDesk | None],
        accounts: Mapping[str, int] = MappingProxyType({}),
        on_change: Callable[[str, int, frozenset[int], frozenset[int]], None] | None = None,
    ) -> None:
        self._board = board
        self._on_change = on_change
        self._stream_index = stream_index
        self._carriers = carriers
        self._accounts = accounts
        self._merge_rule = merge_rule
        self._consumers: dict[str, int] = {}
        self._held: dict[str, list[Subscription]] = {}
        self._streams: dict[str, frozenset[int]] = {}

    def register(self, consumer_id: str, index: int) -> None:
        """Make a consumer known, without routes."""
        self._consumers[consumer_id] = index
        self._held[consumer_id] = []
        self._streams[consumer_id] = frozenset()

    def subscriptions(self, consumer_id: str) -> tuple[Subscription, ...]:
        """What a consumer holds."""
        return tuple(self._held[consumer_id])

    def subscribe(self, wanted: Subscription, *, is_awaited: bool = False) -> None:
        """Add a subscription; the same content again changes nothing.

        Args:
            wanted: the subscription.
            is_awaited: the symbol may come later, with a venue that is not there yet; its routes come with it.

        Raises:
            ValidationError: an event type that cannot be subscribed.
            NotPermittedError: balances where no provider that is asked has a key.
            UnknownSymbolError: no provider, or not the one named, carries the symbol.
        """
        self._check_types(wanted)
        if wanted.merged is not None:
            self._check_rule(wanted, wanted.merged)
        elif not is_awaited:
            self._check_carried(wanted)
        held = self._held[wanted.consumer_id]
        if wanted not in held:
            held.append(wanted)
        self._apply(wanted.consumer_id)

    def takes_rule(self, name: str) -> bool:
        """Whether any consumer takes what a merge rule emits."""
        return any(one.merged == name for held in self._held.values() for one in held)

    def unsubscribe(self, unwanted: Subscription) -> None:
        """Take a subscription's routes away; what another subscription also asks for stays.

        Raises:
            UnknownSymbolError: the consumer holds no such subscription.
        """
        held = self._held[unwanted.consumer_id]
        if unwanted not in held:
            raise UnknownSymbolError(f"{unwanted.consumer_id} holds no such subscription of {unwanted.symbol}",
                                     op="unsubscribe")  # fmt: skip
        held.remove(unwanted)
        self._apply(unwanted.consumer_id)

    def obey(self, command: Command) -> None:
        """Obey a subscribe or unsubscribe command.

        Raises:
            ValidationError: a payload of the wrong shape.
        """
        try:
            wanted = msgspec.convert({**command.payload, "consumer_id": command.consumer_id}, Subscription)
        except msgspec.ValidationError as error:
            raise ValidationError(str(error), op=command.type) from None
        if command.type == "subscribe":
            self.subscribe(wanted)
        else:
            self.unsubscribe(wanted)

    def refresh(self) -> None:
        """Instruments came or went: routes that name all providers follow."""
        for consumer_id in self._consumers:
            self._apply(consumer_id)

    def _check_types(self, wanted: Subscription) -> None:
        for name in wanted.event_types:
            if name not in SUBSCRIBABLE_TYPES:
                raise ValidationError(f"event type {name!r} is none of {', '.join(SUBSCRIBABLE_TYPES)}",
                                      op="subscribe")  # fmt: skip
        if not wanted.event_types:
            raise ValidationError("event_types is empty", op="subscribe")
        if BALANCES in wanted.event_types and self._accounts.keys().isdisjoint(wanted.providers or self._accounts):
            raise NotPermittedError("no provider that is asked for balances has a key", op="subscribe",
                                    symbol=wanted.symbol)  # fmt: skip

    def _check_rule(self, wanted: Subscription, name: str) -> None:
        rule = self._merge_rule(name)
        if rule is None:
            raise UnknownSymbolError(f"there is no merge rule {name}", op="subscribe", symbol=wanted.symbol)
        if (wanted.symbol, wanted.event_types) != (rule.symbol, (rule.event_type.class_name,)):
            key = f"{rule.symbol}:{rule.event_type.class_name}"
            raise ValidationError(f"merge rule {name} is of {key} alone", op="subscribe", symbol=wanted.symbol)

    def _check_carried(self, wanted: Subscription) -> None:
        carriers = self._carriers(wanted.symbol)
        for provider in wanted.providers or (None,):
            if not carriers or (provider is not None and provider not in carriers):
                who = f"provider {provider}" if provider else "no provider"
                raise UnknownSymbolError(f"{who} {'does not carry' if provider else 'carries'} {wanted.symbol}",
                                         op="subscribe", symbol=wanted.symbol)  # fmt: skip

    def _apply(self, consumer_id: str) -> None:
        streams: set[int] = set()
        for held in self._held[consumer_id]:
            rule = None if held.merged is None else self._merge_rule(held.merged)
            if rule is not None:
                instrument = instrument_id(rule.provider, rule.symbol)
                streams.add(self._stream_index(instrument, int(EventType.MERGED_EVENT)))
                continue
            for provider, instrument in self._carriers(held.symbol).items():
                if not held.providers or provider in held.providers:
                    streams.update(self._streams_of(provider, instrument, held.types()))
        before, now = self._streams[consumer_id], frozenset(streams)
        self._streams[consumer_id] = now
        version = self._board.set_routes(self._consumers[consumer_id], now)
        if now != before and self._on_change is not None:
            self._on_change(consumer_id, version, now - before, before - now)

    def _streams_of(self, provider: str, instrument: int, types: Iterable[EventType]) -> Iterator[int]:
        """Balances are of the account that the symbol is traded on, not of the symbol."""
        for event_type in types:
            if event_type is not EventType.BALANCE_UPDATE:
                yield self._stream_index(instrument, int(event_type))
            elif provider in self._accounts:
                yield self._stream_index(self._accounts[provider], int(event_type))

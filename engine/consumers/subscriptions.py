"""Who gets what: subscriptions by symbol, providers and event types, turned into routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec

from engine.base.errors import NotPermittedError, UnknownSymbolError, ValidationError
from engine.base.ids import instrument_id
from engine.schema.command import SUBSCRIBABLE_TYPES
from engine.schema.enums import EventType

BALANCES = EventType.BALANCE_UPDATE.class_name
TRADES = EventType.TRADE.class_name
_TYPES = {event_type.class_name: event_type for event_type in EventType}
_BOOK_TYPES = frozenset({EventType.BOOK_SNAPSHOT, EventType.BOOK_UPDATE})


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer asks for. An empty *providers* means all that carry the symbol, also later ones.

    *merged* is the name of a merge rule: its MergedEvents come, and no event of a provider. With *never_drop_trades*
    no trade is lost to a full mailbox: they are kept beside it, and where that is full as well the subscription is
    suspended and a ControlResult names what is missing.
    """

    consumer_id: str
    symbol: str
    providers: tuple[str, ...] = ()
    event_types: tuple[str, ...]
    merged: str | None = None
    never_drop_trades: bool = False

    def types(self) -> frozenset[EventType]:
        """The routed types: who takes book updates gets the snapshots they build on."""
        found = {_TYPES[name] for name in self.event_types}
        if EventType.BOOK_UPDATE in found:
            found.add(EventType.BOOK_SNAPSHOT)
        return frozenset(found)

    def is_of(self, provider: str, symbol: str) -> bool:
        """Whether it takes a provider's own events of a symbol."""
        return self.merged is None and self.symbol == symbol and (not self.providers or provider in self.providers)

    def asks_as(self, other: Subscription) -> bool:
        """Whether both ask for the same events, in whatever order they name them."""
        return self._request() == other._request()

    def _request(self) -> tuple[object, ...]:
        return self.consumer_id, self.symbol, self.merged, frozenset(self.providers), frozenset(self.event_types)


class HeldSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription as it is held (CTL-01).

    Attributes:
        subscription_id: unique in this engine's life.
        content: what was asked for.
        active: False while it is suspended: nothing of it is routed.
        created_ns, updated_ns: since when it is held, and since when as it is.
    """

    subscription_id: str
    content: Subscription
    active: bool
    created_ns: int
    updated_ns: int


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
    def providers(self) -> tuple[str, ...]:
        """Those whose events it joins."""

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
        clock_ns: now.
        accounts: provider -> instrument id of its account's stream, where it has a key.
        on_change: called as on_change(consumer_id, version, added, removed) with the stream indices of each change.
        on_keep: called as on_keep(consumer_id, instrument id, on): whether trades of an instrument may be lost.
    """

    def __init__(
        self,
        board: RouteBoard,
        stream_index: Callable[[int, int], int],
        carriers: Callable[[str], dict[str, int]],
        merge_rule: Callable[[str], RuleOfDesk | None],
        clock_ns: Callable[[], int],
        accounts: Mapping[str, int] = MappingProxyType({}),
        on_change: Callable[[str, int, frozenset[int], frozenset[int]], None] | None = None,
        on_keep: Callable[[str, int, bool], None] | None = None,
    ) -> None:
        self._board = board
        self._on_change = on_change
        self._on_keep = on_keep
        self._stream_index = stream_index
        self._carriers = carriers
        self._accounts = accounts
        self._merge_rule = merge_rule
        self._clock_ns = clock_ns
        self._consumers: dict[str, int] = {}
        self._held: dict[str, list[HeldSubscription]] = {}
        self._streams: dict[str, frozenset[int]] = {}
        self._kept: dict[str, frozenset[int]] = {}
        self._numbered = 0

    def register(self, consumer_id: str, index: int) -> None:
        """Make a consumer known, without routes."""
        self._consumers[consumer_id] = index
        self._held[consumer_id] = []
        self._streams[consumer_id] = self._kept[consumer_id] = frozenset()

    def unregister(self, consumer_id: str) -> tuple[Subscription, ...]:
        """A consumer leaves: its routes go, in one change; returns what it held."""
        held = tuple(row.content for row in self._held[consumer_id])
        self._held[consumer_id] = []
        self._apply(consumer_id)
        del self._consumers[consumer_id], self._held[consumer_id], self._streams[consumer_id]
        del self._kept[consumer_id]
        return held

    def subscriptions(self, consumer_id: str) -> tuple[HeldSubscription, ...]:
        """What a consumer holds."""
        return tuple(self._held[consumer_id])

    def streams(self, consumer_id: str) -> frozenset[int]:
        """Stream indices that are routed to a consumer."""
        return self._streams[consumer_id]

    def subscribe(self, wanted: Subscription, awaited: frozenset[str] = frozenset()) -> HeldSubscription:
        """Add a subscription; the same content again changes nothing, unless it was suspended.

        Args:
            wanted: the subscription.
            awaited: providers that will carry the symbol, once their venue is there; its routes come with it.

        Raises:
            ValidationError: an event type that cannot be subscribed; trades to be kept that are not asked for.
            NotPermittedError: balances where no provider that is asked has a key.
            UnknownSymbolError: no provider, or not the one named, carries the symbol.
        """
        self.check(wanted)
        if wanted.merged is None:
            self._check_carried(wanted, awaited)
        held, now_ns = self._held[wanted.consumer_id], self._clock_ns()
        for place, row in enumerate(held):
            if row.content.asks_as(wanted) and row.content.never_drop_trades == wanted.never_drop_trades:
                if not row.active:
                    held[place] = msgspec.structs.replace(row, active=True, updated_ns=now_ns)
                    self._apply(wanted.consumer_id)
                return held[place]
        self._numbered += 1
        row = HeldSubscription(
            subscription_id=f"s{self._numbered}", content=wanted, active=True, created_ns=now_ns, updated_ns=now_ns
        )
        held.append(row)
        self._apply(wanted.consumer_id)
        return row

    def check(self, wanted: Subscription) -> None:
        """Refuse what cannot be, whoever carries the symbol; as subscribe()."""
        self._check_types(wanted)
        if wanted.merged is not None:
            self._check_rule(wanted, wanted.merged)

    def takes_rule(self, name: str) -> bool:
        """Whether any consumer takes what a merge rule emits."""
        return any(row.content.merged == name for held in self._held.values() for row in held)

    def is_wanted(self, provider: str, symbol: str) -> bool:
        """Whether any consumer takes a provider's events of a symbol, by themselves or merged."""
        return any(
            row.content.is_of(provider, symbol) or self._is_merged_from(row.content.merged, provider, symbol)
            for held in self._held.values()
            for row in held
        )

    def takes_book(self, consumer_id: str, instrument: int) -> bool:
        """Whether a consumer's routes bring it a book."""
        return any(self._stream_index(instrument, int(kind)) in self._streams[consumer_id] for kind in _BOOK_TYPES)

    def unsubscribe(self, unwanted: Subscription) -> HeldSubscription:
        """Take a subscription's routes away; what another subscription also asks for stays.

        Raises:
            UnknownSymbolError: the consumer holds no such subscription.
        """
        held = self._held[unwanted.consumer_id]
        gone = [row for row in held if row.content.asks_as(unwanted)]
        if not gone:
            raise UnknownSymbolError(f"{unwanted.consumer_id} holds no such subscription of {unwanted.symbol}",
                                     op="unsubscribe")  # fmt: skip
        self._held[unwanted.consumer_id] = [row for row in held if row not in gone]
        self._apply(unwanted.consumer_id)
        return gone[0]

    def suspend(self, consumer_id: str, provider: str, symbol: str) -> tuple[HeldSubscription, ...]:
        """Route nothing more of the subscriptions that were to keep every trade of a symbol; answers them.

        What is queued already stays: it is all there was up to now.
        """
        held, ended = self._held[consumer_id], []
        for place, row in enumerate(held):
            if row.active and row.content.never_drop_trades and row.content.is_of(provider, symbol):
                held[place] = msgspec.structs.replace(row, active=False, updated_ns=self._clock_ns())
                ended.append(held[place])
        # The mailbox knows already, and nothing that is queued is to be judged anew: nobody is told.
        self._streams[consumer_id], self._kept[consumer_id] = self._streams_held(consumer_id)
        self._board.set_routes(self._consumers[consumer_id], self._streams[consumer_id])
        return tuple(ended)

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

        if wanted.never_drop_trades and (wanted.merged is not None or TRADES not in wanted.event_types):
            raise ValidationError("never_drop_trades is for subscriptions with Trade of a provider's own",
                                  op="subscribe", symbol=wanted.symbol)  # fmt: skip

    def _is_merged_from(self, name: str | None, provider: str, symbol: str) -> bool:
        rule = None if name is None else self._merge_rule(name)
        return rule is not None and rule.symbol == symbol and provider in rule.providers

    def _check_rule(self, wanted: Subscription, name: str) -> None:
        rule = self._merge_rule(name)
        if rule is None:
            raise UnknownSymbolError(f"there is no merge rule {name}", op="subscribe", symbol=wanted.symbol)
        if (wanted.symbol, wanted.event_types) != (rule.symbol, (rule.event_type.class_name,)):
            key = f"{rule.symbol}:{rule.event_type.class_name}"
            raise ValidationError(f"merge rule {name} is of {key} alone", op="subscribe", symbol=wanted.symbol)

    def _check_carried(self, wanted: Subscription, awaited: frozenset[str]) -> None:
        carriers = self._carriers(wanted.symbol).keys() | awaited
        for provider in wanted.providers or (None,):
            if not carriers or (provider is not None and provider not in carriers):
                who = f"provider {provider}" if provider else "no provider"
                raise UnknownSymbolError(f"{who} {'does not carry' if provider else 'carries'} {wanted.symbol}",
                                         op="subscribe", symbol=wanted.symbol)  # fmt: skip

    def _apply(self, consumer_id: str) -> None:
        now, kept = self._streams_held(consumer_id)
        before, self._streams[consumer_id] = self._streams[consumer_id], now
        kept_before, self._kept[consumer_id] = self._kept[consumer_id], kept
        if self._on_keep is not None:
            for instrument in kept ^ kept_before:
                self._on_keep(consumer_id, instrument, instrument in kept)
        version = self._board.set_routes(self._consumers[consumer_id], now)
        if now != before and self._on_change is not None:
            self._on_change(consumer_id, version, now - before, before - now)

    def _streams_held(self, consumer_id: str) -> tuple[frozenset[int], frozenset[int]]:
        """Stream indices that a consumer's active subscriptions take, and instruments whose trades may not be lost."""
        streams: set[int] = set()
        kept: set[int] = set()
        for row in self._held[consumer_id]:
            held = row.content
            if not row.active:
                continue
            rule = None if held.merged is None else self._merge_rule(held.merged)
            if rule is not None:
                instrument = instrument_id(rule.provider, rule.symbol)
                streams.add(self._stream_index(instrument, int(EventType.MERGED_EVENT)))
                continue
            for provider, instrument in self._carriers(held.symbol).items():
                if not held.providers or provider in held.providers:
                    streams.update(self._streams_of(provider, instrument, held.types()))
                    if held.never_drop_trades:
                        kept.add(instrument)
        return frozenset(streams), frozenset(kept)

    def _streams_of(self, provider: str, instrument: int, types: Iterable[EventType]) -> Iterator[int]:
        """Balances are of the account that the symbol is traded on, not of the symbol."""
        for event_type in types:
            if event_type is not EventType.BALANCE_UPDATE:
                yield self._stream_index(instrument, int(event_type))
            elif provider in self._accounts:
                yield self._stream_index(self._accounts[provider], int(event_type))

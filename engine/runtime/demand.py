"""Symbols that come and go at the venues as consumers ask for them (SUB-09), and providers that stop and start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from engine.base.build import planted
from engine.base.errors import CapacityError, UnknownSymbolError
from engine.consumers.subscriptions import SubscriptionDesk
from engine.providers.feed import Feed
from engine.providers.session import Session
from engine.runtime.catalogue import Catalogue
from engine.schema.instrument import Instrument

LINGER_S = 60.0
"""How long a symbol that nobody asks for any more stays subscribed at its venue."""
TOGETHER_S = 0.02
"""How long a symbol waits for others before its venue is asked for it."""


class LiveVenues:
    """What commands may ask of the venues. Owned by the live engine; on its loop.

    Symbols of the configuration are always carried; the others as long as somebody asks for them, and a while longer.

    Args:
        sessions: by provider; the live engine's own, in which others may take their place.
        catalogue, desk: the engine's.
        carry: called as carry(feed, instrument): makes a provider carry an instrument.
        start, stop: called as start(provider, done), stop(provider, done), with done(state).
    """

    def __init__(
        self,
        sessions: Mapping[str, Session],
        catalogue: Catalogue,
        desk: SubscriptionDesk,
        carry: Callable[[Feed, Instrument], object],
        start: Callable[[str, Callable[[str], None]], None],
        stop: Callable[[str, Callable[[str], None]], None],
    ) -> None:
        self._sessions = sessions
        self._catalogue = catalogue
        self._desk = desk
        self._carry = carry
        self._start = start
        self._stop = stop
        self._on_demand: dict[tuple[str, str], asyncio.TimerHandle | None] = {}
        self._asking: dict[str, list[str]] = {}

    def close(self) -> None:
        """Let go of nothing any more."""
        for timer in self._on_demand.values():
            if timer is not None:
                timer.cancel()

    def want(self, symbol: str, providers: Sequence[str]) -> frozenset[str]:
        """Have *providers* carry a symbol; none named = those that do already, else everyone who lists it.

        Raises:
            CapacityError: what a provider lists is not known yet.
        """
        carriers = self._catalogue.carriers(symbol)
        if carriers and not providers:
            return frozenset()
        awaited, listing, unknown = set(), [], []
        for name in providers or self._sessions:
            session = self._sessions.get(name)
            if name in carriers:
                continue
            if session is None or (session.listed is not None and symbol not in session.listed):
                if providers:
                    return frozenset()  # whoever asked is told that this one does not carry it
            elif session.listed is not None:
                listing.append(name)
            elif symbol in session.settings.symbols:
                awaited.add(name)
            else:
                unknown.append(name)
        if unknown and (providers or not (awaited or listing)):
            raise CapacityError(
                "what the venue lists is not known now", op="subscribe", provider=unknown[0], symbol=symbol
            )
        for name in listing:
            self._on_demand[name, symbol] = None
            session = self._sessions[name]
            self._carry(session.feed, (session.listed or {})[symbol])
            self._ask_soon(name, symbol)
        return frozenset(awaited)

    def _ask_soon(self, provider: str, symbol: str) -> None:
        """Venues count requests: symbols that are asked for together go there in one."""
        waiting = self._asking.setdefault(provider, [])
        if not waiting:
            asyncio.get_running_loop().call_later(TOGETHER_S, self._ask, provider)
        waiting.append(symbol)

    def _ask(self, provider: str) -> None:
        symbols = self._asking.pop(provider)
        session = self._sessions[provider]
        if session.listed is not None:  # else it was stopped meanwhile, and asks for all it carries when it comes back
            session.subscribe(symbols)

    def review(self) -> None:
        """Subscriptions came or went: what nobody asks for any more is let go of after a while."""
        for (provider, symbol), timer in list(self._on_demand.items()):
            if self._desk.is_wanted(provider, symbol):
                if timer is not None:
                    timer.cancel()
                    self._on_demand[provider, symbol] = None
            elif timer is None:
                loop = asyncio.get_running_loop()
                self._on_demand[provider, symbol] = loop.call_later(LINGER_S, self._let_go, provider, symbol)

    def is_fed(self, provider: str, symbol: str) -> bool:
        """Whether a provider's connection for a symbol stands."""
        session = self._sessions.get(provider)
        if session is None or session.listed is None or symbol not in session.listed:
            return False
        index = session.feed.stream.index_of(session.listed[symbol].venue_symbol.encode())
        return index >= 0 and session.fleet.is_fed(index)

    def start_provider(self, provider: str, done: Callable[[str], None]) -> None:
        """Bring a provider up that was stopped; done(state) is called later, once."""
        self._known(provider, "provider_start")
        self._start(provider, done)

    def stop_provider(self, provider: str, done: Callable[[str], None]) -> None:
        """End a provider's connections; as start_provider()."""
        self._known(provider, "provider_stop")
        self._stop(provider, done)

    def _known(self, provider: str, op: str) -> None:
        if provider not in self._sessions:
            raise UnknownSymbolError(f"there is no provider {provider}", op=op, provider=provider)

    def _let_go(self, provider: str, symbol: str) -> None:
        if planted("demand.never_let_go"):
            return
        del self._on_demand[provider, symbol]
        self._sessions[provider].unsubscribe([symbol])
        self._catalogue.rest(provider, symbol)
        self._desk.refresh()

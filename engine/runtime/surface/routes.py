"""Every route of the surface, in one table: who may ask, what may be asked, who answers (API-10)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec

from engine.runtime.surface import answers as a
from engine.runtime.surface import control, orders, views
from engine.runtime.surface import orderanswers as o
from engine.runtime.surface import requests as r
from engine.runtime.surface.calls import Answer, Call
from engine.runtime.surface.tokens import Caller

Handler = Callable[[Call], Awaitable[Answer]]


class Access(IntEnum):
    """Who may ask."""

    OPEN = 1
    """Anybody on this machine."""
    ANY = 2
    """Whoever holds a token."""
    READ = 3
    """Operators, also those with the read-only token."""
    OWN_READ = 4
    """As READ, and a consumer for what is its own."""
    OWN = 5
    """Operators with the full token, and a consumer for itself."""
    FULL = 6
    """Operators with the full token."""

    def admits(self, caller: Caller) -> bool:
        """Whether this caller may; whose a resource is stays to be asked."""
        if self is Access.OPEN:
            return True
        if self is Access.ANY:
            return caller.is_known
        if self is Access.READ:
            return caller.may_read
        if self is Access.OWN_READ:
            return caller.may_read or bool(caller.consumer_id)
        return caller.may_write or (self is Access.OWN and bool(caller.consumer_id))


@dataclass(frozen=True)
class Route:
    """A row of the table.

    Attributes:
        method, path: of HTTP; ``{name}`` stands for a part.
        access: who may ask.
        handler: answers, on the engine's loop.
        answer: the shape of the body of success; of 503 as well where *says_why*.
        query, body: what may be asked; None = no body is read.
        done: the statuses of success.
        refusals: further statuses, beside those that every route has.
    """

    method: str
    path: str
    access: Access
    handler: Handler
    answer: Any
    query: type[msgspec.Struct] = r.Query
    body: type[msgspec.Struct] | None = None
    done: tuple[int, ...] = (200,)
    refusals: tuple[int, ...] = ()
    says_why: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the parts of the path."""
        return re.findall(r"{(\w+)}", self.path)

    def convert_query(self, given: dict[str, str]) -> Any:
        """The query, checked.

        Raises:
            msgspec.ValidationError: a key that is unknown or of the wrong kind.
        """
        return msgspec.convert(given, self.query, strict=False)


_PAGE, _OWN_PAGE = r.PageQuery, r.ConsumerQuery
ROUTES: tuple[Route, ...] = (
    Route("GET", "/health", Access.OPEN, views.health, a.Health, refusals=(503,)),
    Route("GET", "/ready", Access.OPEN, views.ready, a.Ready, refusals=(503,), says_why=True),
    Route("GET", "/subscriptions", Access.OWN_READ, views.subscriptions, a.SubscriptionPage, _OWN_PAGE),
    Route("POST", "/control/subscribe", Access.OWN, control.subscribe, a.Acknowledged, body=r.SubscribeBody),
    Route("POST", "/control/unsubscribe", Access.OWN, control.unsubscribe, a.Acknowledged, body=r.SubscribeBody),
    Route("POST", "/control/merged-subscribe", Access.OWN, control.merged_subscribe, a.Acknowledged, body=r.MergedBody),
    Route("POST", "/control/set-trading-mode", Access.OWN, control.set_trading_mode, a.Acknowledged,
          body=r.TradingBody),
    Route("GET", "/consumers", Access.READ, views.consumers, a.ConsumerPage, _PAGE),
    Route("GET", "/consumers/{consumer_id}", Access.OWN_READ, views.consumer, a.ConsumerView),
    Route("GET", "/positions", Access.OWN_READ, orders.positions, o.PositionPage, _OWN_PAGE),
    Route("GET", "/orders", Access.OWN_READ, orders.orders, o.OrderPage, r.OrdersQuery),
    Route("POST", "/orders", Access.OWN, orders.submit, o.SubmitAnswer, body=r.OrderBody, done=(200, 202)),
    Route("POST", "/orders/cancel-all", Access.OWN, orders.cancel_all, o.CancelsAsked, body=r.CancelAllBody,
          done=(202,)),
    Route("GET", "/orders/{consumer_id}/{client_order_id}", Access.OWN_READ, orders.order, o.OrderRow),
    Route("DELETE", "/orders/{consumer_id}/{client_order_id}", Access.OWN, orders.cancel, o.OrderRow, done=(202,)),
    Route("GET", "/providers", Access.READ, views.providers, a.ProviderPage, _PAGE),
    Route("GET", "/providers/{provider}", Access.READ, views.provider, a.ProviderRow),
    Route("POST", "/providers/{provider}/start", Access.FULL, control.start_provider, a.Acknowledged, body=r.Body,
          done=(202,)),
    Route("POST", "/providers/{provider}/stop", Access.FULL, control.stop_provider, a.Acknowledged, body=r.Body,
          done=(202,)),
    Route("GET", "/providers/{provider}/balances", Access.READ, views.balances, a.Balances),
    Route("GET", "/instruments", Access.ANY, views.instruments, a.InstrumentPage, r.InstrumentsQuery),
    Route("GET", "/books/{provider}/{symbol}", Access.ANY, views.book, a.BookView, r.BookQuery),
    Route("GET", "/risk/limits", Access.READ, orders.limits, o.RiskView),
    Route("PUT", "/risk/limits", Access.FULL, orders.set_limits, o.LimitsInForce, body=r.LimitsBody, refusals=(422,)),
    Route("PUT", "/risk/kill-switch", Access.FULL, orders.kill, o.KillSet, body=r.KillBody),
    Route("POST", "/risk/clear", Access.FULL, orders.clear, o.Cleared, body=r.ClearBody),
    Route("GET", "/telemetry", Access.READ, views.telemetry, a.TelemetryPage, r.TelemetryQuery),
    Route("GET", "/dlq", Access.READ, views.dead_letters, a.LetterPage, _PAGE),
    Route("DELETE", "/dlq", Access.FULL, control.drain, a.Drained, r.DrainQuery),
    Route("GET", "/pools", Access.READ, views.pools, a.PoolsView, _PAGE),
    Route("PUT", "/pools/debug", Access.FULL, control.set_debug, a.DebugSet, body=r.DebugBody),
    Route("PUT", "/log-level", Access.FULL, control.set_log_level, a.LevelSet, body=r.LogLevelBody),
    Route("POST", "/shutdown", Access.FULL, control.shutdown, a.Stopping, body=r.Body, done=(202,)),
    Route("GET", "/routing", Access.READ, views.routing, a.RoutingView),
    Route("GET", "/config", Access.READ, views.configuration, a.ConfigView),
)  # fmt: skip
OPENAPI_PATH = "/openapi.json"
"""Told by the surface itself; whoever holds a token may read it."""

"""The control port of a simulator: its books, its counts, its faults; freeze it, thaw it, add a fault.

Loopback HTTP with JSON bodies, documented in docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from engine.simulator.fault_rules import FaultRule, KeyFault, read_rule
from engine.simulator.messages import decoded

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Controlled(Protocol):
    """What the control port acts on."""

    def pause(self) -> None:
        """Freeze every market with all its frames sent."""

    def resume(self) -> None:
        """Let the markets go on."""

    def books(self, venue: str, symbol: str) -> dict[str, Any]:
        """Books by venue and symbol; empty texts mean all."""

    def trades(self, venue: str, symbol: str) -> dict[str, Any]:
        """The newest trades by venue and symbol; empty texts mean all."""

    def subscriptions(self) -> dict[str, Any]:
        """Listeners of each stream by venue."""

    def counts(self) -> dict[str, Any]:
        """Counts by venue."""

    def symbols(self) -> dict[str, Any]:
        """Instruments by venue."""

    def lateness(self) -> dict[str, Any]:
        """How late what was due came."""

    def writes(self) -> dict[str, Any]:
        """By venue: up to which time of its market all was written, and when."""

    def time(self) -> dict[str, int]:
        """The market's time and the machine's clock at one instant."""

    def orders(self, venue: str, account: str) -> dict[str, Any]:
        """Every order by venue and account; empty texts mean all."""

    def fills(self, venue: str, account: str) -> dict[str, Any]:
        """Every fill by venue and account; empty texts mean all."""

    def balances(self, venue: str, account: str) -> dict[str, Any]:
        """What there is by venue, account and asset; empty texts mean all."""

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        """Place an order of somebody else on an account; the order."""

    def act(self, body: dict[str, Any]) -> dict[str, Any]:
        """Fill, cancel or expire an order; the order."""

    def arm(self, rules: Sequence[FaultRule]) -> list[int]:
        """Add rules to the plan; returns their numbers."""

    def disarm(self) -> None:
        """Take every rule out of the plan."""

    def faults(self, since: dict[str, int]) -> dict[str, Any]:
        """Armed rules, counts, and what struck after the given number of each venue."""


def control_application(target: Controlled) -> web.Application:
    """The control port's application."""

    async def books(request: web.Request) -> web.Response:
        return _json(target.books(request.query.get("venue", ""), request.query.get("symbol", "")))

    async def trades(request: web.Request) -> web.Response:
        return _json(target.trades(request.query.get("venue", ""), request.query.get("symbol", "")))

    async def subscriptions(_: web.Request) -> web.Response:
        return _json(target.subscriptions())

    async def counts(_: web.Request) -> web.Response:
        return _json(target.counts())

    async def symbols(_: web.Request) -> web.Response:
        return _json(target.symbols())

    async def lateness(_: web.Request) -> web.Response:
        return _json(target.lateness())

    async def writes(_: web.Request) -> web.Response:
        return _json(target.writes())

    async def time(_: web.Request) -> web.Response:
        return _json(target.time())

    def by_account(told: Callable[[str, str], dict[str, Any]]) -> Handler:
        async def tell(request: web.Request) -> web.Response:
            return _json(told(request.query.get("venue", ""), request.query.get("account", "")))

        return tell

    def with_body(act: Callable[[dict[str, Any]], dict[str, Any]]) -> Handler:
        async def do(request: web.Request) -> web.Response:
            body = decoded(await request.read())
            return _json({"error": ["not a JSON object"]}, 400) if body is None else _json(act(body))

        return do

    async def pause(_: web.Request) -> web.Response:
        target.pause()
        return _json({"paused": True})

    async def resume(_: web.Request) -> web.Response:
        target.resume()
        return _json({"paused": False})

    async def faults(request: web.Request) -> web.Response:
        since = {venue: int(number) for venue, number in request.query.items() if number.isdecimal()}
        return _json(target.faults(since))

    async def arm(request: web.Request) -> web.Response:
        rules, wrong = read_rules(await request.read())
        if wrong:
            return _json({"error": wrong}, 400)
        return _json({"rules": target.arm(rules)})

    async def disarm(_: web.Request) -> web.Response:
        target.disarm()
        return _json({"rules": []})

    application = web.Application()
    for path, handler in (
        ("/books", books), ("/trades", trades), ("/subscriptions", subscriptions), ("/counts", counts),
        ("/symbols", symbols), ("/lateness", lateness), ("/writes", writes), ("/time", time), ("/faults", faults),
        ("/orders", by_account(target.orders)), ("/fills", by_account(target.fills)),
        ("/balances", by_account(target.balances)),
    ):  # fmt: skip
        application.router.add_get(path, _telling(handler))
    for path, handler in (
        ("/pause", pause), ("/resume", resume), ("/faults", arm), ("/orders", with_body(target.place)),
        ("/orders/act", with_body(target.act)),
    ):  # fmt: skip
        application.router.add_post(path, _telling(handler))
    application.router.add_delete("/faults", _telling(disarm))
    return application


def read_rules(body: bytes) -> tuple[list[FaultRule], list[str]]:
    """One rule or a list of rules from a JSON body, and what is wrong with them."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return [], [f"not JSON: {error}"]
    rules, wrong = [], []
    for index, entry in enumerate(decoded if isinstance(decoded, list) else [decoded]):
        rule, faults = read_rule(entry)
        wrong += [_fault_text(index, fault) for fault in faults]
        if rule is not None:
            rules.append(rule)
    return rules, wrong


def _fault_text(index: int, fault: KeyFault) -> str:
    return f"[{index}]{'.' if fault.key else ''}{fault.key}: {fault.constraint}"


def _telling(handler: Handler) -> Handler:
    """A handler that answers what it cannot do with 400 and the reason."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ValueError as error:
            return _json({"error": [str(error)]}, 400)

    return answer


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")

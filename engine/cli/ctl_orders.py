"""``engine-run ctl trading``, ``orders`` and ``risk``."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from engine.cli.common import one_of
from engine.cli.ctl_words import ConsumerFlag, Ctl, ProviderFlag, SymbolFlag, YesFlag, group, sure, word
from engine.cli.exit_codes import ExitCode

_SIDES = ("buy", "sell")
_TIFS = ("gtc", "ioc", "fok")
_COLUMNS = (
    "consumer_id", "client_order_id", "provider", "symbol", "side", "order_type", "price", "qty", "filled_qty", "state",
)  # fmt: skip
_REFUSED = ("rejected", "suppressed")
ConsumerArgument = Annotated[str, typer.Argument(metavar="CONSUMER")]
OrderArgument = Annotated[str, typer.Argument(metavar="CLIENT_ORDER_ID")]


def register(ctl: typer.Typer) -> None:
    """Add the words."""
    _trading(group(ctl, "trading", "Trading switches of consumers."))
    _orders(group(ctl, "orders", "Orders of consumers."))
    _risk(group(ctl, "risk", "What holds orders back."))


def _trading(app: typer.Typer) -> None:
    def switch(ctl: Ctl, consumer: str, *, enabled: bool) -> None:
        body = {"consumer_id": consumer, "enabled": enabled}
        answer = ctl.engine.ask("POST", "/control/set-trading-mode", body=body)
        ctl.tell(f"trading of {consumer} is {'on' if enabled else 'off'}", answer)

    @word(app, "on")
    def on(ctl: Ctl, consumer: ConsumerArgument) -> None:
        """A consumer may trade."""
        switch(ctl, consumer, enabled=True)

    @word(app, "off")
    def off(ctl: Ctl, consumer: ConsumerArgument) -> None:
        """A consumer may not trade; that counts from the answer on."""
        switch(ctl, consumer, enabled=False)


def _orders(app: typer.Typer) -> None:
    @word(app, "list")
    def listed(
        ctl: Ctl,
        consumer: ConsumerFlag = None,
        symbol: SymbolFlag = None,
        state: Annotated[str | None, typer.Option("--state", metavar="STATE", help="In this state alone.")] = None,
        limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=500)] = 100,
    ) -> None:
        """Orders that are known."""
        query = {"consumer_id": consumer, "symbol": symbol, "state": state, "limit": limit}
        ctl.rows("orders", _COLUMNS, ctl.engine.ask("GET", "/orders", query))

    @word(app, "show")
    def show(ctl: Ctl, consumer: ConsumerArgument, order: OrderArgument) -> None:
        """One order, as its venue has it."""
        ctl.print(ctl.engine.ask("GET", _path(consumer, order)))

    @word(app, "submit")
    def submit(
        ctl: Ctl,
        consumer: ConsumerArgument,
        order: OrderArgument,
        symbol: Annotated[str, typer.Option("--symbol", metavar="BASE-QUOTE")],
        side: Annotated[str, typer.Option("--side", metavar="buy|sell", callback=one_of(_SIDES))],
        qty: Annotated[str, typer.Option("--qty", metavar="DECIMAL")],
        price: Annotated[str | None, typer.Option("--price", metavar="DECIMAL", help="None: a market order.")] = None,
        provider: Annotated[
            str | None, typer.Option("--provider", metavar="NAME", help="Where several take orders of the symbol.")
        ] = None,
        tif: Annotated[str | None, typer.Option("--tif", metavar="gtc|ioc|fok", callback=one_of(_TIFS))] = None,
        post_only: Annotated[bool, typer.Option("--post-only")] = False,
    ) -> None:
        """Submit an order of a consumer; exit code 6 where it is rejected."""
        kind = "market" if price is None else "limit"
        body = {"consumer_id": consumer, "client_order_id": order, "provider": provider, "symbol": symbol, "side": side,
                "order_type": kind, "qty": qty, "price": price, "tif": tif, "post_only": post_only}  # fmt: skip
        answer = ctl.engine.ask("POST", "/orders", body=body)
        ctl.print(answer)
        if answer.get("status") in _REFUSED or answer.get("body_matches") is False:
            raise typer.Exit(ExitCode.REFUSED)

    @word(app, "cancel")
    def cancel(ctl: Ctl, consumer: ConsumerArgument, order: OrderArgument) -> None:
        """Ask for the end of one order, which comes as a report."""
        ctl.print(ctl.engine.ask("DELETE", _path(consumer, order)))

    @word(app, "cancel-all")
    def cancel_all(
        ctl: Ctl, consumer: ConsumerFlag = None, provider: ProviderFlag = None, symbol: SymbolFlag = None,
        yes: YesFlag = False,
    ) -> None:
        """Ask for the end of every open order."""
        sure("cancel-all", yes)
        body = {"consumer_id": consumer, "provider": provider, "symbol": symbol}
        ctl.print(ctl.engine.ask("POST", "/orders/cancel-all", body=body))


def _path(consumer: str, order: str) -> str:
    return f"/orders/{quote(consumer, safe='')}/{quote(order, safe='')}"


def _risk(app: typer.Typer) -> None:
    @word(app, "show")
    def show(ctl: Ctl) -> None:
        """Limits in force."""
        ctl.print(ctl.engine.ask("GET", "/risk/limits"))

    @word(app, "set")
    def set_limits(
        ctl: Ctl,
        limits: Annotated[list[str], typer.Argument(metavar="NAME=VALUE..")],
        consumer: ConsumerFlag = None,
        provider: ProviderFlag = None,
        symbol: SymbolFlag = None,
    ) -> None:
        """Change limits; those that are not named stay."""
        body = {"limits": dict(map(_limit, limits)), "consumer_id": consumer, "provider": provider, "symbol": symbol}
        ctl.print(ctl.engine.ask("PUT", "/risk/limits", body=body))

    @word(app, "kill")
    def kill(
        ctl: Ctl,
        off: Annotated[bool, typer.Option("--off", help="Release it.")] = False,
        text: Annotated[str, typer.Option("--text", metavar="WHY", help="Why, for all who are told.")] = "",
        yes: YesFlag = False,
    ) -> None:
        """Throw the kill switch: no new order is taken."""
        sure("kill", yes)
        ctl.print(ctl.engine.ask("PUT", "/risk/kill-switch", body={"on": not off, "text": text}))

    @word(app, "clear")
    def clear(
        ctl: Ctl,
        consumer: Annotated[str | None, typer.Argument(metavar="[CONSUMER]")] = None,
        provider: Annotated[
            str | None, typer.Option("--provider", metavar="NAME", help="Whose orders are not reconciled in time.")
        ] = None,
    ) -> None:
        """Close a consumer's circuit breaker before its time, or release a provider that is held for too long."""
        if (consumer is None) == (provider is None):
            raise typer.BadParameter("one of CONSUMER and --provider NAME; nearest valid: risk clear CONSUMER")
        ctl.print(ctl.engine.ask("POST", "/risk/clear", body={"consumer_id": consumer, "provider": provider}))


def _limit(text: str) -> tuple[str, Any]:
    """``orders_per_s=5``, ``position="1.5"``: a number, true or false as JSON has it; everything else is a text."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE; nearest valid: {name or 'orders_per_s'}=VALUE")
    try:
        found = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
    # Money is a text: what was written, never a float of it.
    return name, value if isinstance(found, float) else found

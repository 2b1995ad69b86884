"""The demo's market maker: quotes one symbol at one simulated venue, and ends flat."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.book.local import Book
from engine.config.sections import EngineConfig
from engine.config.sections_providers import CredentialsConfig, ProviderConfig, ProviderOrdersConfig
from engine.consumers.context import Context
from engine.consumers.subscriptions import Subscription
from engine.runtime.assembly import Engine
from engine.schema.control import ControlResult
from engine.schema.enums import Side
from engine.schema.execution import ExecReport
from engine.schema.market import BookEvent

MAKER = "maker"
VENUE, SYMBOL = "binance", "BTC-USDT"
QTY = Decimal("0.05")
REQUOTE_NS = 700_000_000
"""So that two quotes at a time stay below the default limit of five orders a second."""
_KEY_ENV, _SECRET_ENV = "ENGINE_DEMO_API_KEY", "ENGINE_DEMO_API_SECRET"


def trading(provider: ProviderConfig) -> ProviderConfig:
    """The provider with the simulated venue's own key, and orders enabled.

    The key is public and good for nothing but that venue; it goes the way of every key, through the environment.
    """
    from engine.simulator.keys import KEYS

    key = KEYS[VENUE][0]
    os.environ[_KEY_ENV], os.environ[_SECRET_ENV] = key.api_key, key.secret
    credentials = CredentialsConfig(api_key_env=_KEY_ENV, api_secret_env=_SECRET_ENV, key_type="hmac")
    orders = ProviderOrdersConfig(enabled=True, on_stop="cancel")
    return provider.model_copy(update={"credentials": credentials, "orders": orders})


def with_journal(config: EngineConfig, folder: Path) -> EngineConfig:
    """The configuration with a journal of its own in *folder*."""
    return config.model_copy(update={"engine": config.engine.model_copy(update={"state_dir": str(folder)})})


class MarketMaker:
    """Rests one buy and one sell order, each a step better than the best of its side where there is room.

    Both are taken back and placed anew now and then. What it made is counted from its reports alone, in exact decimals.
    """

    def __init__(self) -> None:
        self.book = Book()
        self.orders = self.fills = 0
        self.position = Decimal(0)
        self.cash = Decimal(0)
        """What fills brought less what they cost, in the quote asset, before fees."""
        self.bought = self.sold = Decimal(0)
        self.fees: dict[str, Decimal] = defaultdict(Decimal)
        self.refused: dict[str, int] = defaultdict(int)
        self._open: dict[str, bool] = {}
        """Orders that have not ended, and whether their end was asked for."""
        self._quoted_ns = 0
        self._is_closing = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is open and nothing is held, once it was told to close."""
        return self._is_closing and not self._open and self.position == 0

    def close(self) -> None:
        """From the next event on: take every order back, then sell or buy back what is held."""
        self._is_closing = True

    def on_batch(self, events: list[Any], ctx: Context) -> None:
        """Reports and answers first come first served; then quote, where it is time."""
        for event in events:
            if isinstance(event, ExecReport):
                self._take(event)
            elif isinstance(event, ControlResult):
                self._answered(event.result)
            elif isinstance(event, BookEvent):
                self.book.apply(event)
        if self._is_closing:
            self._flatten(ctx)
        elif ctx.now_ns() - self._quoted_ns >= REQUOTE_NS and self.book.is_valid:
            self._quote(ctx)

    def _take(self, report: ExecReport) -> None:
        if not report.is_open:
            self._open.pop(report.client_order_id, None)
        if report.last_qty_raw and report.last_price_raw is not None:
            qty = Decimal(report.last_qty_raw).scaleb(-report.qty_scale)
            cost = qty * Decimal(report.last_price_raw).scaleb(-report.price_scale)
            self.fills += 1
            if report.side is Side.BUY:
                self.position, self.cash, self.bought = self.position + qty, self.cash - cost, self.bought + qty
            else:
                self.position, self.cash, self.sold = self.position - qty, self.cash + cost, self.sold + qty
        for fee in report.fees:
            self.fees[fee.asset] += fee.amount

    def _answered(self, result: dict[str, Any]) -> None:
        """What a submit came to; one that sent nothing leaves nothing open."""
        if "status" in result and result["status"] != "submitted":
            self._open.pop(result["client_order_id"], None)
            self.refused[result["reason"]["breach"]] += 1

    def _quote(self, ctx: Context) -> None:
        self._quoted_ns = ctx.now_ns()
        if self._open:
            self._take_back(ctx)
            return
        if self.book.best_bid is None or self.book.best_ask is None:
            return
        bid, ask = self.book.best_bid[0], self.book.best_ask[0]
        step = Decimal(1).scaleb(-self.book.price_scale)
        if ask - bid > 2 * step:
            bid, ask = bid + step, ask - step
        self._submit(ctx, "buy", QTY, bid)
        self._submit(ctx, "sell", QTY, ask)

    def _take_back(self, ctx: Context) -> None:
        for client_order_id, is_asked in self._open.items():
            if not is_asked:
                self._open[client_order_id] = True
                ctx.cancel(client_order_id)

    def _flatten(self, ctx: Context) -> None:
        self._take_back(ctx)
        if not self._open and self.position:
            side = "sell" if self.position > 0 else "buy"
            self._submit(ctx, side, abs(self.position), None)

    def _submit(self, ctx: Context, side: str, qty: Decimal, price: Decimal | None) -> None:
        self.orders += 1
        client_order_id = f"maker-{self.orders}"
        self._open[client_order_id] = False
        order_type, limit = ("market", None) if price is None else ("limit", str(price))
        ctx.submit(client_order_id, SYMBOL, side=side, qty=str(qty), order_type=order_type, price=limit)

    def difference(self, orders: Sequence[Mapping[str, Any]]) -> str:
        """How the venue's own record of the orders differs from what reports told; empty = not at all."""
        theirs = {side: [order for order in orders if order["side"] == side] for side in ("buy", "sell")}
        filled = {side: sum(Decimal(order["filled"]) for order in rows) for side, rows in theirs.items()}
        cost = {side: sum(Decimal(order["cost"]) for order in rows) for side, rows in theirs.items()}
        ours = (self.orders - sum(self.refused.values()), self.bought, self.sold, self.cash)
        told = (len(orders), filled["buy"], filled["sell"], cost["sell"] - cost["buy"])
        names = ("orders", "bought", "sold", "cash")
        return ", ".join(
            f"{name} {own}, at the venue {other}"
            for name, own, other in zip(names, ours, told, strict=True)
            if own != other
        )

    def findings(self) -> list[str]:
        """What it did, and what it made: exact."""
        base, _, quote = SYMBOL.partition("-")
        mid = Decimal(0)
        if self.book.is_valid and self.book.best_bid and self.book.best_ask:
            mid = (self.book.best_bid[0] + self.book.best_ask[0]) / 2
        profit = self.cash + self.position * mid
        fees = ", ".join(f"{_text(amount)} {asset}" for asset, amount in self.fees.items()) or "none"
        refused = "".join(f"; refused: {breach} {count}" for breach, count in self.refused.items())
        return [
            f"{VENUE} {SYMBOL}: {self.orders} orders, {self.fills} fills, "
            f"bought {_text(self.bought)} and sold {_text(self.sold)} {base}{refused}",
            f"position {_text(self.position)} {base}, profit {_text(profit)} {quote} before fees; fees {fees}",
        ]


def _text(number: Decimal) -> str:
    return f"{number.normalize() + 0:f}"


def add_maker(engine: Engine) -> MarketMaker:
    """Connect it, with its trading switch on."""
    maker = MarketMaker()
    engine.add_consumer(MAKER, maker, may_trade=True)
    engine.desk.subscribe(
        Subscription(consumer_id=MAKER, symbol=SYMBOL, providers=(VENUE,), event_types=("BookUpdate",))
    )
    return maker

"""One symbol fed by hand, in seconds and decimal texts; the plain twin gets the same, and every report must be its bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec

from engine.reports.analytics import SymbolAnalytics
from engine.reports.compose import Composer
from engine.reports.settings import ReportSettings
from tests.twins.report_twin import ReportTwin

EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
NS = 1_000_000
SIDES = {"none": 0, "buy": 1, "sell": 2}
SLOW_MS = 2000
Levels = list[tuple[Any, Any]]


class Symbol:
    """Times are seconds after EPOCH_MS, as numbers or texts; slow ticks run by themselves, before what came after them."""

    def __init__(
        self, tick: str = "0.01", price_scale: int = 2, qty_scale: int = 8, settings: ReportSettings | None = None
    ) -> None:
        self.scales = (price_scale, qty_scale)
        self.core = SymbolAnalytics(
            "binance", "BTC-USDT", price_scale, qty_scale, int(Fraction(tick) * 10**price_scale), settings or ReportSettings()
        )
        self.composer = Composer(self.core, settings or ReportSettings())
        self.twin = ReportTwin("binance", "BTC-USDT", Fraction(tick), price_scale, qty_scale)
        self.seq = 0
        self.trade_id = 0
        self.due_ms = EPOCH_MS + SLOW_MS

    # -- entries ----------------------------------------------------------------------------------------------

    def trade(self, at: Any, side: str, price: Any, qty: Any, *, trade_id: int | None = None, **entry: Any) -> bool:
        self.trade_id += 1
        number = self.trade_id if trade_id is None else trade_id
        given = self._entry("trade", at, entry, price=Fraction(str(price)), qty=Fraction(str(qty)), side=side, id=number)
        return self.core.trade(
            given["seq"], given["prev"], given["event_ns"], given["recv_ns"], self.price(price), self.qty(qty), SIDES[side], number
        )

    def depth(self, at: Any, bids: Levels, asks: Levels, *, complete: bool = True, n: int = 0, **entry: Any) -> bool:
        given = self._entry("depth", at, entry, n=n, bids=exact(bids), asks=exact(asks), complete=complete)
        return self.core.depth(*self._head(given), self.levels(bids), self.levels(asks), complete)

    def deltas(self, at: Any, bids: Levels = [], asks: Levels = [], *, n: int = 1, **entry: Any) -> bool:  # noqa: B006
        given = self._entry("deltas", at, entry, n=n, bids=exact(bids), asks=exact(asks))
        return self.core.deltas(*self._head(given), self.levels(bids), self.levels(asks))

    def ticker(self, at: Any, values: list[Any], bid: Any = None, ask: Any = None, **entry: Any) -> bool:
        pairs = [None if level is None else exact([level])[0] for level in (bid, ask)]
        given = self._entry("ticker", at, entry, values=[Fraction(str(v)) for v in values], bid=pairs[0], ask=pairs[1])
        raws: list[int | None] = [*(self.price(value) for value in values[:4]), self.qty(values[4])]
        for level in (bid, ask):
            raws += [None, None] if level is None else [self.price(level[0]), self.qty(level[1])]
        return self.core.ticker_24h(given["seq"], given["prev"], given["event_ns"], given["recv_ns"], raws)

    def again(self, entry: dict[str, Any]) -> None:
        """An entry once more, to the core alone."""
        if entry["kind"] == "trade":
            self.core.trade(
                entry["seq"], entry["prev"], entry["event_ns"], entry["recv_ns"],
                self.price(entry["price"]), self.qty(entry["qty"]), SIDES[entry["side"]], entry["id"],
            )  # fmt: skip
        else:
            take = self.core.depth if entry["kind"] == "depth" else self.core.deltas
            take(*self._head(entry), self.levels(entry["bids"]), self.levels(entry["asks"]))

    def _entry(self, kind: str, at: Any, entry: dict[str, Any], **own: Any) -> dict[str, Any]:
        event_ns = at_ns(at)
        recv_ns = at_ns(entry["recv"]) if "recv" in entry else event_ns
        while recv_ns > self.due_ms * NS:
            self._slow()
        prev = entry.get("prev", self.seq)
        self.seq = entry.get("seq", self.seq + 1)
        given = {"kind": kind, "seq": self.seq, "prev": prev, "event_ns": event_ns, "recv_ns": recv_ns, **own}
        self.twin.take(given)
        self.last = given
        return given

    def _head(self, given: dict[str, Any]) -> tuple[int, int, int, int, int]:
        return given["seq"], given["prev"], given["n"], given["event_ns"], given["recv_ns"]

    # -- reports ----------------------------------------------------------------------------------------------

    def _slow(self) -> None:
        self.composer.tick_slow(self.due_ms)
        self.twin.slow(self.due_ms)
        self.due_ms += SLOW_MS

    def text(self, at: Any) -> str:
        """The report, which is the twin's to the byte."""
        now_ms = at_ns(at) // NS
        while self.due_ms <= now_ms:
            self._slow()
        text = self.composer.report(now_ms).decode()
        assert text == self.twin.report(now_ms)
        return text

    def report(self, at: Any) -> dict[str, Any]:
        """The report, numbers as the texts they are."""
        return decoded(self.text(at))

    # -- units ------------------------------------------------------------------------------------------------

    def price(self, value: Any) -> int:
        return raw(value, self.scales[0])

    def qty(self, value: Any) -> int:
        return raw(value, self.scales[1])

    def levels(self, levels: Levels) -> list[tuple[int, int]]:
        return [(self.price(price), self.qty(qty)) for price, qty in levels]


def at_ns(at: Any) -> int:
    return EPOCH_MS * NS + int(Fraction(str(at)) * 10**9)


def raw(value: Any, scale: int) -> int:
    scaled = Fraction(str(value)) * 10**scale
    assert scaled.denominator == 1, (value, scale)
    return int(scaled)


def exact(levels: Levels) -> list[tuple[Fraction, Fraction]]:
    return [(Fraction(str(price)), Fraction(str(qty))) for price, qty in levels]


def decoded(text: str) -> Any:
    """JSON with floats as their texts."""
    return msgspec.json.Decoder(float_hook=str).decode(text)

"""A plain report of one symbol: lists, fractions and whole scans, written from the definitions; imports nothing of the engine.

An entry is a dict: ``kind`` (trade, depth, deltas, ticker), ``seq``, ``prev``, ``event_ns``, ``recv_ns``, and by kind ``n``,
``price``, ``qty``, ``side`` (buy, sell, none), ``id``; ``bids``, ``asks`` as (price, qty), ``complete``; ``values`` of a ticker
(last, open, high, low, volume) with ``bid``, ``ask`` as (price, qty) or None. Numbers are fractions.
"""

from __future__ import annotations

import bisect
import json
from collections import defaultdict, deque
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

MS = 1_000_000
DAY = 86_400_000
POINTS = {"low": Fraction(2, 10), "medium": Fraction(5, 10), "high": Fraction(1)}


def canonical(value: Any) -> str:
    """JSON with sorted keys; strings that begin with # are number texts."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str) and value.startswith("#"):
        return value[1:]
    return json.dumps(value)


def plain(value: Fraction, places: int) -> str:
    """Rounded half to even, without trailing zeros."""
    whole = round(value * 10**places)
    sign, digits = ("-" if whole < 0 else ""), str(abs(whole)).rjust(places + 1, "0")
    text = digits[: len(digits) - places] + "." + digits[len(digits) - places :]
    return sign + text.rstrip("0").rstrip(".")


def num(value: Fraction | int | None, places: int) -> str | None:
    return None if value is None else "#" + plain(Fraction(value), places)


def stamp(ms: int | None) -> str | None:
    if ms is None:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


class ReportTwin:
    """One symbol; ``take`` entries in order with ``slow`` ticks between, as the caller times them."""

    def __init__(self, venue: str, symbol: str, tick: Fraction, price_decimals: int, qty_decimals: int) -> None:
        self.venue, self.symbol, self.tick = venue, symbol, tick
        self.derived = max(8, price_decimals + 2)
        self.quantity = max(8, qty_decimals)
        self.book: dict[str, dict[Fraction, Fraction]] | None = None
        self.covered: dict[str, Fraction | None] | None = None
        self.was_loaded = False
        self.seq = 0
        self.first_ms: int | None = None
        self.update_ms: int | None = None
        self.trades: list[dict[str, Any]] = []
        self.updates: list[tuple[int, int]] = []
        self.tickers: list[dict[str, Any]] = []
        self.seen_ids: list[tuple[int, int]] = []
        self.sample: deque[tuple[int, Fraction]] = deque()
        self.values: list[Fraction] = []  # of the sample, sorted
        self.open: dict[tuple[str, Fraction], dict[str, Any]] = {}
        self.closed: list[dict[str, Any]] = []
        self.opened = 0
        self.threshold: Fraction | None = None
        self.spreads: list[tuple[int, Fraction]] = []
        self.flows: list[Fraction] = []
        self.section: dict[str, Any] | None = None
        self.counts = defaultdict(int)

    # -- entries ----------------------------------------------------------------------------------------------

    def take(self, entry: dict[str, Any]) -> None:
        is_book = entry["kind"] in ("depth", "deltas")
        if entry["seq"]:
            if entry["seq"] <= self.seq:
                self.counts["repeated"] += 1
                return
            if self.seq and entry["prev"] != self.seq:
                self.counts["gaps"] += 1
                self.book = None
            self.seq = entry["seq"]
        if entry["event_ns"] > entry["recv_ns"] + 5_000_000_000:
            self.counts["future"] += 1
            if is_book:
                self.book = None
            return
        ms = entry["event_ns"] // MS
        if entry["kind"] == "trade":
            if any(one == entry["id"] and entry["recv_ns"] // 10**9 - second <= 1800 for one, second in self.seen_ids):
                self.counts["repeated"] += 1
                return
            self.seen_ids.append((entry["id"], entry["recv_ns"] // 10**9))
        if self.first_ms is None:
            self.first_ms = ms
        seen = min(entry["event_ns"], entry["recv_ns"]) // MS
        self.update_ms = seen if self.update_ms is None else max(self.update_ms, seen)
        {"trade": self._trade, "depth": self._book, "deltas": self._book, "ticker": self._ticker}[entry["kind"]](entry, ms)

    def _trade(self, entry: dict[str, Any], ms: int) -> None:
        rest = {"buy": "ask", "sell": "bid", "none": None}[entry["side"]]
        visible = self.book[rest].get(entry["price"], Fraction(0)) if rest and self.book is not None else Fraction(0)
        self.trades.append({**entry, "ms": ms, "rest": rest, "visible": visible})
        if rest is None:
            return
        fits = [
            one
            for one in [*self.closed, *self.open.values()]
            if one["side"] == rest and one["price"] == entry["price"] and one["from"] <= ms
            and (ms <= one["to"] if one["to"] is not None else ms <= one["from"] + 300_000) and not one["verdict"]
        ]  # fmt: skip
        if fits:
            min(fits, key=lambda one: one["number"])["prints"].append((ms, entry["qty"]))

    def _ticker(self, entry: dict[str, Any], ms: int) -> None:
        self.tickers.append({**entry, "ms": ms})

    def _book(self, entry: dict[str, Any], ms: int) -> None:
        self.updates.append((ms, entry["n"]))
        lists = {"bid": entry["bids"], "ask": entry["asks"]}
        is_snapshot = entry["kind"] == "depth"
        if self.book is None:
            if not is_snapshot:
                return
            self.open.clear()
            self.was_loaded = True
            self.book = {side: dict(levels) for side, levels in lists.items()}
            complete = entry["complete"]
            self.covered = None if complete else {side: levels[-1][0] if levels else None for side, levels in lists.items()}
            before = {side: dict(levels) for side, levels in self.book.items()}
        else:
            before = {side: dict(levels) for side, levels in self.book.items()}
            for side, levels in lists.items():
                if is_snapshot:
                    self._replace(side, levels, entry["complete"])
                else:
                    for price, qty in levels:
                        self.book[side][price] = qty
                        if qty == 0:
                            del self.book[side][price]
            if is_snapshot and entry["complete"]:
                self.covered = None
        self._episodes(before, ms)
        if self.state() == "crossed":
            self.counts["crossed"] += 1

    def _replace(self, side: str, levels: list[tuple[Fraction, Fraction]], complete: bool) -> None:
        assert self.book is not None
        if complete:
            self.book[side] = dict(levels)
            return
        if not levels:
            return
        worst = levels[-1][0]
        beyond = {p: q for p, q in self.book[side].items() if (p < worst if side == "bid" else p > worst)}
        self.book[side] = {**dict(levels), **beyond}
        if self.covered is not None:
            known = self.covered[side]
            self.covered[side] = worst if known is None else min(known, worst) if side == "bid" else max(known, worst)

    def _episodes(self, before: dict[str, dict[Fraction, Fraction]], ms: int) -> None:
        assert self.book is not None
        is_paired = self.state() in ("normal", "locked")
        bid, ask = self.top("bid"), self.top("ask")

        def far(price: Fraction) -> bool:
            return abs(price - (bid[0][0] + ask[0][0]) / 2) > 3 * (ask[0][0] - bid[0][0])

        for side in ("bid", "ask"):
            for price in sorted(before[side].keys() | self.book[side].keys()):
                old, new = before[side].get(price, Fraction(0)), self.book[side].get(price, Fraction(0))
                if old == new:
                    continue
                one = self.open.get((side, price))
                if one is not None:
                    if ms - one["from"] > 300_000:
                        del self.open[side, price]
                    elif new < one["threshold"]:
                        del self.open[side, price]
                        one["to"], one["reduction"] = ms, one["peak"] - new
                        one["prints"] = [done for done in one["prints"] if done[0] <= ms]
                        self.closed.append(one)
                        continue
                    else:
                        one["peak"] = max(one["peak"], new)
                        continue
                if self.threshold is not None and old < self.threshold <= new and is_paired and far(price):
                    self.opened += 1
                    self.open[side, price] = {
                        "side": side, "price": price, "from": ms, "to": None, "threshold": self.threshold, "peak": new,
                        "prints": [], "number": self.opened, "verdict": None,
                    }  # fmt: skip
        if is_paired:
            self.open = {key: one for key, one in self.open.items() if far(key[1])}

    # -- reading ----------------------------------------------------------------------------------------------

    def top(self, side: str) -> list[tuple[Fraction, Fraction]]:
        assert self.book is not None
        return sorted(self.book[side].items(), reverse=side == "bid")[:20]

    def state(self) -> str:
        if self.book is None:
            return "resyncing"
        bids, asks = self.top("bid"), self.top("ask")
        if not bids or not asks:
            return "one_sided" if bids or asks else "empty"
        return "normal" if bids[0][0] < asks[0][0] else "locked" if bids[0][0] == asks[0][0] else "crossed"

    def l1(self) -> tuple[Any, Any, str | None]:
        if self.book is not None:
            bids, asks = self.top("bid"), self.top("ask")
            return (bids or [None])[0], (asks or [None])[0], "book"
        if self.was_loaded or not self.tickers:
            return None, None, None
        bid, ask = self.tickers[-1]["bid"], self.tickers[-1]["ask"]
        return bid, ask, "ticker" if bid or ask else None

    def spread(self) -> Fraction | None:
        bid, ask, _ = self.l1()
        if bid is None or ask is None or bid[0] > ask[0]:
            return None
        return Fraction(round((ask[0] - bid[0]) / bid[0] * 10_000 * 10**4), 10**4)

    def within(self, now: int, span: int) -> list[dict[str, Any]]:
        return [trade for trade in self.trades if now - span < trade["ms"] <= now]

    def volumes(self, now: int) -> dict[str, Fraction]:
        return {
            side: sum((trade["qty"] for trade in self.within(now, 30_000) if trade["side"] == side), Fraction(0))
            for side in ("buy", "sell", "none")
        }

    # -- the slow tick ----------------------------------------------------------------------------------------

    def slow(self, now: int) -> None:
        state = self.state()
        levels = {"bid": [], "ask": []} if state in ("resyncing", "crossed") else {s: self.top(s) for s in ("bid", "ask")}
        for _, qty in (*levels["bid"], *levels["ask"]):
            self.sample.append((now, qty))
            bisect.insort(self.values, qty)
        while self.sample and (len(self.sample) > 10_000 or now - self.sample[0][0] > 900_000):
            del self.values[bisect.bisect_left(self.values, self.sample.popleft()[1])]
        values = self.values
        basis: dict[str, Any] = {"n": len(values), "p10": None, "p95": None, "threshold": None}
        walls = vacuums = None
        self.threshold = None
        if len(values) >= 20:
            low, high = percentile(values, 10), percentile(values, 95)
            self.threshold = high * 3 / 2
            basis.update(p10=num(low, self.quantity), p95=num(high, self.quantity), threshold=num(self.threshold, self.quantity))
            if state not in ("resyncing", "crossed"):
                walls = self._walls(levels)
                vacuums = self._vacuums(levels, low)
        anomalies = self._spoofing(now) + self._icebergs(now)
        crash = self._crash(now, vacuums or [])
        if crash:
            anomalies.append(crash)
        for anomaly in anomalies:
            anomaly["detected_at"] = stamp(now)
        liquidity = {"walls": walls, "vacuums": vacuums, "basis": basis, "profile": self._profile(now)}
        self.section = {"as_of": stamp(now), "liquidity": liquidity, "anomalies": anomalies}

    def _walls(self, levels: dict[str, Any]) -> list[Any]:
        assert self.threshold is not None
        return [
            {
                "price": num(price, self.derived), "qty": num(qty, self.quantity), "side": side,
                "severity": "high" if qty >= 3 * self.threshold else "medium" if qty >= 2 * self.threshold else "low",
            }
            for side in ("bid", "ask") for price, qty in levels[side] if qty >= self.threshold
        ]  # fmt: skip

    def _vacuums(self, levels: dict[str, Any], low: Fraction) -> list[Any]:
        found = []
        for side in ("bid", "ask"):
            marks = "".join("x" if qty < low else "." for _, qty in levels[side]) + "."
            at = 0
            while at < len(marks):
                length = len(marks[at:]) - len(marks[at:].lstrip("x"))
                if length >= 3:
                    prices = [price for price, _ in levels[side][at : at + length]]
                    severity = "low" if length <= 5 else "medium" if length <= 9 else "high"
                    found.append({"from": num(min(prices), self.derived), "to": num(max(prices), self.derived), "side": side,
                                  "levels": length, "severity": severity})  # fmt: skip
                at += max(1, length)
        return found

    def _profile(self, now: int) -> dict[str, Any] | None:
        trades = self.within(now, 1_800_000)
        if len(trades) < 10:
            return None
        bins: dict[int, Fraction] = defaultdict(Fraction)
        for trade in trades:
            bins[trade["price"] // (5 * self.tick)] += trade["qty"]
        order = sorted(bins)
        total = sum(bins.values())
        poc = min(order, key=lambda one: (-bins[one], one))
        low = high = order.index(poc)
        while sum(bins[one] for one in order[low : high + 1]) * 10 < 7 * total:
            below = bins[order[low - 1]] if low else None
            above = bins[order[high + 1]] if high + 1 < len(order) else None
            if above is None or (below is not None and below >= above):
                low -= 1
            else:
                high += 1
        width = 5 * self.tick
        return {
            "poc": num((poc + Fraction(1, 2)) * width, self.derived), "val": num(order[low] * width, self.derived),
            "vah": num((order[high] + 1) * width, self.derived), "window_sec": 1800, "trade_count": len(trades),
            "coverage_sec": num(Fraction(min(1_800_000, max(0, now - self.trades[0]["ms"])), 1000), 3),
        }  # fmt: skip

    def _spoofing(self, now: int) -> list[Any]:
        for one in self.closed:
            if one["verdict"] is None and one["to"] <= now:
                left = one["reduction"] - sum(qty for _, qty in one["prints"])
                one["verdict"] = "cancel" if left >= one["reduction"] / 2 else "fill"
        found = []
        for side in ("bid", "ask"):
            ranked = []
            recent = [one for one in self.closed if one["side"] == side and one["verdict"] and now - 30_000 < one["to"] <= now]
            for price in {one["price"] for one in recent}:
                verdicts = [one["verdict"] for one in recent if one["price"] == price]
                cancels, rate = verdicts.count("cancel"), Fraction(verdicts.count("cancel"), len(verdicts))
                for rank, severity, least_rate, least in ((3, "high", 9, 5), (2, "medium", 8, 3), (1, "low", 7, 2)):
                    if rate >= Fraction(least_rate, 10) and cancels >= least:
                        near = price if side == "bid" else -price
                        ranked.append((rank, cancels, rate, near, severity, price))
                        break
            if ranked:
                _, cancels, rate, _, severity, price = max(ranked)
                note = f"price={plain(price, self.derived)} cancels={cancels} rate={plain(rate, 4)}"
                found.append({"type": "spoofing", "severity": severity, "side": side, "price": num(price, self.derived), "note": note})
        return found

    def _icebergs(self, now: int) -> list[Any]:
        found = []
        for side in ("bid", "ask"):
            hits = [trade for trade in self.within(now, 300_000) if trade["rest"] == side and trade["visible"]]
            for price in sorted({trade["price"] for trade in hits}):
                here = [trade for trade in hits if trade["price"] == price]
                seen = [trade["visible"] for trade in here]
                mean, filled = sum(seen) / Fraction(len(seen)), sum(trade["qty"] for trade in here)
                if len(here) >= 5 and max(abs(v - mean) for v in seen) / mean <= Fraction(1, 10) and filled >= max(seen) * 3 / 2:
                    note = (f"price={plain(price, self.derived)} fills={len(here)} filled={plain(filled, self.quantity)} "
                            f"visible={plain(max(seen), self.quantity)}")  # fmt: skip
                    found.append({"type": "iceberg", "severity": "medium", "side": side, "price": num(price, self.derived), "note": note})
        return found

    def _crash(self, now: int, vacuums: list[Any]) -> dict[str, Any] | None:
        spread, volumes = self.spread(), self.volumes(now)
        before = self.spreads[-10:]
        signals = []
        if spread is not None:
            if len(before) == 10 and now - before[0][0] <= 900_000 and spread > 2 * sum(s for _, s in before) / 10:
                signals.append("spread")
            self.spreads.append((now, spread))
        if len(vacuums) >= 3:
            signals.append("vacuums")
        self.flows.append(volumes["buy"] - volumes["sell"])
        last = self.flows[-5:]
        is_selling = len(last) == 5 and max(last) < 0 and last == sorted(last, reverse=True)
        if is_selling and last[4] - last[0] <= -sum(volumes.values()) / 2:
            signals.append("net_flow")
        if len(signals) < 2:
            return None
        severity = "high" if len(signals) == 3 else "medium" if any(one["severity"] == "high" for one in vacuums) else "low"
        return {"type": "flash_crash_risk", "severity": severity, "side": None, "price": None, "note": f"signals={','.join(signals)}"}

    # -- the report -------------------------------------------------------------------------------------------

    def report(self, now: int) -> str:
        """The canonical text of the report at *now*, ms."""
        state, (bid, ask, source), spread = self.state(), self.l1(), self.spread()
        age = None if self.update_ms is None else max(0, now - self.update_ms)
        status = "down" if age is None or age > 5000 else "degraded" if age > 1000 or state not in ("normal", "locked") else "ok"
        section = self.section or {
            "as_of": None, "anomalies": [],
            "liquidity": {"walls": None, "vacuums": None, "profile": None, "basis": {"n": 0, "p10": None, "p95": None, "threshold": None}},
        }  # fmt: skip
        mid = micro = None
        if spread is not None:
            mid = (bid[0] + ask[0]) / 2
            both = bid[1] + ask[1]
            micro = (ask[0] * bid[1] + bid[0] * ask[1]) / both if both else mid
        last = max(self.trades, key=lambda one: one["seq"])["price"] if self.trades else None
        if last is None and self.tickers:
            last = self.tickers[-1]["values"][0]
        depth, parts = self._depth()
        flow, rate = self._flow(now)
        health = self._health(state, spread, parts, rate, section["anomalies"], age, status)
        return canonical({
            "symbol": self.symbol, "venue": self.venue, "generated_at": stamp(now), "data_age_ms": age, "report_version": "1.0.0",
            "schema_version": "1.0", "writer": {"node_id": "local", "token": 1},
            "ingestion": {"status": status, "fresh": age is not None and age <= 1000, "last_update": stamp(self.update_ms)},
            "last_price": num(last, self.derived), **self._day(now),
            "best_bid": self._level(bid), "best_ask": self._level(ask), "spread_bps": num(spread, 4),
            "mid_price": num(mid, self.derived), "micro_price": num(micro, self.derived), "l1_source": source, "book_state": state,
            "depth": depth, "liquidity": section["liquidity"], "flow": flow, "anomalies": section["anomalies"],
            "slow_as_of": section["as_of"], "health": health,
        })  # fmt: skip

    def _level(self, level: tuple[Fraction, Fraction] | None) -> dict[str, Any] | None:
        return None if level is None else {"price": num(level[0], self.derived), "qty": num(level[1], self.quantity)}

    def _depth(self) -> tuple[dict[str, Any], dict[str, Fraction]]:
        if self.book is None:
            names = ("top20_bid", "top20_ask", "sum_bid", "sum_ask", "notional_bid", "notional_ask", "imbalance", "truncated")
            return dict.fromkeys(names), {}
        tops = {side: self.top(side) for side in ("bid", "ask")}
        sums = {side: sum((qty for _, qty in tops[side]), Fraction(0)) for side in tops}
        notionals = {side: sum((price * qty for price, qty in tops[side]), Fraction(0)) for side in tops}
        both = sums["bid"] + sums["ask"]
        imbalance = (sums["bid"] - sums["ask"]) / both if both else Fraction(0)
        truncated = False
        if self.covered is not None:
            for side, deepest in self.covered.items():
                known = [p for p in self.book[side] if deepest is not None and (p >= deepest if side == "bid" else p <= deepest)]
                truncated = truncated or len(known) < 20
        rounded = {
            "imbalance": Fraction(round(imbalance * 10**6), 10**6),
            "notional": min(Fraction(round(value * 10**8), 10**8) for value in notionals.values()),
        }
        found: dict[str, Any] = {"imbalance": num(imbalance, 6), "truncated": truncated}
        for side in tops:
            found[f"top20_{side}"] = [self._level(level) for level in tops[side]]
            found[f"sum_{side}"] = num(sums[side], self.quantity)
            found[f"notional_{side}"] = num(notionals[side], 8)
        return found, rounded

    def _flow(self, now: int) -> tuple[dict[str, Any], Fraction]:
        trades = len(self.within(now, 10_000))
        books = sum(n for ms, n in self.updates if now - 10_000 < ms <= now)
        volumes = self.volumes(now)
        covered = 0 if self.first_ms is None else min(30_000, max(0, now - self.first_ms))
        rate = Fraction(trades + books, 10)
        return {
            "orders_per_sec": num(rate, 4), "trades_per_sec": num(Fraction(trades, 10), 4),
            "book_updates_per_sec": num(Fraction(books, 10), 4), "net_flow": num(volumes["buy"] - volumes["sell"], self.quantity),
            "buy_volume": num(volumes["buy"], self.quantity), "sell_volume": num(volumes["sell"], self.quantity),
            "unknown_volume": num(volumes["none"], self.quantity), "coverage_sec": num(Fraction(covered, 1000), 3),
        }, rate  # fmt: skip

    def _day(self, now: int) -> dict[str, Any]:
        past = [trade for trade in self.trades if trade["ms"] <= now]
        stats: dict[str, Any] = {"source": None, "coverage_sec": None, "as_of": None}
        none = {"change_24h_pct": None, "high_24h": None, "low_24h": None, "volume_24h": None, "stats_24h": stats}
        if self.tickers:
            newest = self.tickers[-1]
            last, first, high, low, volume = newest["values"]
            stats.update(source="ticker", coverage_sec=86400, as_of=stamp(newest["ms"]))
        elif past:
            stats.update(
                source="trades", coverage_sec=num(Fraction(min(DAY, max(0, now - self.trades[0]["ms"])), 1000), 3),
                as_of=stamp(max(trade["ms"] for trade in past)),
            )  # fmt: skip
            recent = [trade for trade in past if trade["ms"] // 60_000 * 60_000 > now - DAY]
            if not recent:
                return {**none, "volume_24h": 0}
            order = sorted(recent, key=lambda trade: (trade["ms"], self.trades.index(trade)))
            first, last = order[0]["price"], order[-1]["price"]
            high, low = max(trade["price"] for trade in recent), min(trade["price"] for trade in recent)
            volume = sum(trade["qty"] for trade in recent)
        else:
            return none
        return {
            "change_24h_pct": num((last - first) / first * 100, 4), "high_24h": num(high, self.derived),
            "low_24h": num(low, self.derived), "volume_24h": num(volume, self.quantity), "stats_24h": stats,
        }  # fmt: skip

    def _health(
        self, state: str, spread: Fraction | None, parts: dict[str, Fraction], rate: Fraction, anomalies: list[Any],
        age: int | None, status: str,
    ) -> dict[str, Any]:  # fmt: skip
        shares = dict.fromkeys(("spread", "depth", "balance", "flow", "anomalies", "freshness"), Fraction(0))
        if state in ("normal", "locked"):
            assert spread is not None
            shares["spread"] = (50 - spread) / 48
            shares["depth"] = parts["notional"] / 100_000
            shares["balance"] = 1 - abs(parts["imbalance"])
        shares["flow"] = rate / 10
        shares["anomalies"] = 1 - sum(POINTS[anomaly["severity"]] for anomaly in anomalies)
        if age is not None:
            shares["freshness"] = Fraction(5000 - age, 4000)
        weights = {"spread": 20, "depth": 25, "balance": 15, "flow": 15, "anomalies": 15, "freshness": 10}
        points = {name: Fraction(round(weights[name] * min(max(share, 0), 1) * 100), 100) for name, share in shares.items()}
        total = sum(points.values())
        score = min(round(Fraction(total)), {"ok": 100, "degraded": 69, "down": 29}[status])
        return {"score": score, "score_raw": num(total, 2), "components": {name: num(value, 2) for name, value in points.items()}}


def percentile(values: list[Fraction], percent: int) -> Fraction:
    place = Fraction(percent * (len(values) - 1), 100)
    below = place.__floor__()
    if below == place:
        return values[below]
    return values[below] + (place - below) * (values[below + 1] - values[below])

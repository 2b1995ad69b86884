"""An engine that trades at three simulated venues and is killed at any moment; what is known of its orders afterwards."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from tests.system.test_account_cli import KEYS, control
from tests.system.test_control import pass_s

VENUES = ("binance", "coinbase", "kraken")
STORM = '''
import json
import os
import pathlib
import random
import time

import engine


SYMBOLS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}


class Storm:
    """Takes, rests, cancels and asks again at each venue, a few times a second; notes every id before it is asked for,
    and all it is told before it returns. With a file `finish` it asks for each id once more and cancels what is open."""

    def __init__(self):
        self.told = os.open("told.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.asked = os.open("asked.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.ids = [line.split() for line in pathlib.Path("asked.txt").read_text().splitlines()]
        self.random = random.Random(int(pathlib.Path("seed.txt").read_text()))
        self.books, self.free, self.open, self.next_s, self.left = {}, set(), {}, {}, None

    def on_batch(self, events, ctx):
        for event in events:
            if event.is_critical:
                self.note(event)
            else:
                self.books.setdefault(event.provider, engine.Book()).apply(event)
        if os.path.exists("finish"):
            self.finish(ctx)
            return
        now_s = time.monotonic()
        for provider in self.free:
            book = self.books.get(provider)
            if book is not None and book.is_valid and now_s >= self.next_s.get(provider, 0):
                self.next_s[provider] = now_s + self.random.uniform(0.01, 0.12)
                self.act(ctx, provider, book)

    def note(self, event):
        os.write(self.told, engine.to_json(event) + b"\\n")
        kind = type(event).__name__
        if kind == "RiskControl" and event.scope.provider:
            (self.free.add if event.status is engine.RiskStatus.CLEARED else self.free.discard)(event.scope.provider)
        elif kind == "ExecReport" and event.is_open:
            self.open[event.client_order_id] = event.provider
        elif kind == "ExecReport":
            self.open.pop(event.client_order_id, None)

    def act(self, ctx, provider, book):
        pathlib.Path("begun").touch()
        what = self.random.choices(("take", "rest", "cancel", "again"), (5, 4, 3, 1))[0]
        mine = sorted(id for id, where in self.open.items() if where == provider)
        if what == "cancel" and mine:
            ctx.cancel(self.random.choice(mine))
            return
        old = [id for where, id in self.ids[-9:] if where == provider]
        id = self.random.choice(old) if what == "again" and old else f"{provider[0]}{len(self.ids)}"
        os.write(self.asked, f"{provider} {id}\\n".encode())
        self.ids.append((provider, id))
        is_buy = self.random.random() < 0.5
        near, far = (book.best_bid, book.best_ask) if is_buy else (book.best_ask, book.best_bid)
        price = (far if what == "take" else near)[0]
        ctx.submit(id, SYMBOLS[provider], provider=provider, side="buy" if is_buy else "sell", qty="0.02", price=str(price),
                   tif="ioc" if what == "take" else "gtc", timeout_ms=1000)

    def finish(self, ctx):
        if len(self.free) < 3 or not all(book.is_valid for book in self.books.values()) or len(self.books) < 3:
            return
        if self.left is None:
            self.left = json.loads(pathlib.Path("finish").read_text())
        for provider, id in self.left[:20]:
            book = self.books[provider]
            ctx.submit(id, SYMBOLS[provider], provider=provider, side="buy", qty="0.02", price=str(book.best_bid[0]))
        self.left = self.left[20:]
        if not self.left and time.monotonic() > self.next_s.get("", 0):
            self.next_s[""] = time.monotonic() + 1
            ctx.cancel_all()
'''
PROVIDER = """
  - name: {venue}
    venue: {venue}
    symbols: [{symbol}]
    streams: [book]
    ws_endpoint: {ws}
    ws_private_endpoint: {ws_private}
    rest_endpoint: {rest}
    credentials: {{api_key_env: {upper}_API_KEY, api_secret_env: {upper}_API_SECRET, key_type: {key_type}}}
    orders: {{enabled: true}}"""
CONFIG = """
schema_version: 1
engine: {{state_dir: state}}
api: {{enabled: false}}
mcp: {{enabled: false}}
reports: {{enabled: false}}
dlq: {{path: dead.jsonl}}
risk: {{limits: {{orders_per_s: 100000, orders_burst: 100000, max_open_orders_per_symbol: 1000, price_band: null}}}}
providers:{providers}
consumers:
  - consumer_id: mm1
    mode: inline
    handler: storm:Storm
    trading_switch: enabled
    subscriptions: [{{symbol: BTC-USDT, event_types: [BookUpdate]}}, {{symbol: BTC-USD, event_types: [BookUpdate]}}]
"""
FAULTS = ("", "", "", "partial_fill", "duplicate_report", "swap_reports", "late_reply", "lost_reply", "failed_reply", "cancel_race")
"""What a venue does meanwhile, by chance."""


@dataclass
class Orders:
    """Every order of a run of many lives: as its owner was told, as the journal has it, as the venues have it."""

    told: list[dict[str, Any]]
    intents: list[tuple[str, str, str]]
    """Provider, owner's id, wire id without hyphens."""
    ended: set[str]
    """Wire ids of those that the journal knows to have ended."""
    at_venue: dict[str, list[dict[str, Any]]]
    counts: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """At most once at the venue, none forgotten, every fill told once, and the sums are the venue's."""
        reports = self._once()
        venue_of = {}
        for venue, rows in self.at_venue.items():
            for order in rows:
                key = (venue, order["client_id"].replace("-", ""))
                assert key not in venue_of, f"{key} is at the venue twice"
                venue_of[key] = order
                assert order["status"] not in ("open", "new", "partially_filled"), order
        intended = {(provider, wire) for provider, _, wire in self.intents}
        assert venue_of.keys() <= intended, "at the venue without an intent"
        for provider, name, wire in self.intents:
            assert wire in self.ended, f"{name} at {provider} is journaled and has no end"
            mine = reports[provider, name]
            assert [row["order_report_seq"] for row in mine] == list(range(1, len(mine) + 1)), name
            last, placed = mine[-1], venue_of.get((provider, wire))
            assert not last["is_open"]
            filled = Decimal(0 if placed is None else placed["filled"])
            assert sum(Decimal(row["last_qty"]) for row in mine) == Decimal(last["filled_qty"]) == filled, (name, placed, mine)
            fills = [row["exec_id"] for row in mine if row["exec_id"]]
            assert len(set(fills)) == len(fills)
            assert placed is None or set(fills) <= set(placed["fills"])
            self.counts.update(orders=1, placed=placed is not None, filled=filled > 0, fills=0 if placed is None else len(placed["fills"]),
                               not_placed=placed is None, reconciled=any("reconciled" in row["flags"] for row in mine))  # fmt: skip

    def _once(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Reports by order, each once: what came again after a crash is what had come."""
        seen: dict[str, dict[str, Any]] = {}
        found = defaultdict(list)
        for row in self.told:
            if row["type"] != "ExecReport":
                continue
            first = seen.setdefault(row["event_id"], row)
            if first is not row:
                self.counts["repeated"] += 1
                for name in ("order_state", "filled_qty", "last_qty", "exec_id", "order_report_seq", "client_order_id"):
                    assert first[name] == row[name], (first, row)
                continue
            found[row["provider"], row["client_order_id"]].append(row)
        return {key: sorted(rows, key=lambda row: row["order_report_seq"]) for key, rows in found.items()}


class Lives:
    """One engine's lives on one state folder.

    Args:
        folder: where it runs.
        addresses: of the simulated venues.
        seed: of the moments, the faults and the strategy.
    """

    def __init__(self, folder: Path, addresses: dict[str, Any], seed: int) -> None:
        self.folder, self.addresses, self.random = folder, addresses, Random(seed)
        self.moments: Counter[str] = Counter()
        (folder / "storm.py").write_text(STORM)
        rows = [
            PROVIDER.format(venue=venue, upper=venue.upper(), symbol="BTC-USDT" if venue == "binance" else "BTC-USD",
                            key_type="hmac" if venue == "kraken" else "ed25519", **{"ws_private": "null", **addresses[venue]})
            for venue in VENUES
        ]  # fmt: skip
        (folder / "engine.yaml").write_text(CONFIG.format(providers="".join(rows)))

    def _begin(self) -> subprocess.Popen[bytes]:
        (self.folder / "begun").unlink(missing_ok=True)
        (self.folder / "seed.txt").write_text(str(self.random.randrange(2**30)))
        command = [sys.executable, "-m", "engine", "run", "--log-level", "error"]
        with (self.folder / "err.txt").open("ab") as err:
            return subprocess.Popen(command, cwd=self.folder, env=os.environ | KEYS, stdout=subprocess.DEVNULL, stderr=err)

    def kill(self) -> None:
        """One life: up to two seconds from its first breath, or up to one from its first order."""
        fault = self.random.choice(FAULTS)
        if fault:
            more = {"for_s": 0.3} if fault == "late_reply" else {}
            for venue in VENUES:
                control(self.addresses, "/faults", {"fault": fault, "venue": venue, **more})
        process = self._begin()
        try:
            if self.random.random() < 0.3:
                moment = "starting"
                pass_s(self.random.uniform(0.5, 2.0))
            else:
                moment = "trading"
                self._until((self.folder / "begun").exists, process)
                pass_s(self.random.uniform(0.0, 1.0))
            self.moments[moment] += 1
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    @staticmethod
    def _until(look: Any, process: subprocess.Popen[bytes], within_s: float = 40.0) -> Any:
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            found = look()
            if found:
                return found
            assert process.poll() is None, "the engine has ended"
            pass_s(0.02)
        raise AssertionError("it did not come")

    def end(self) -> Orders:
        """The last life: every id that is journaled is asked for again, nothing new is, and everything open is cancelled."""
        intents = self._journaled()
        before = {venue: len(rows) for venue, rows in self._at_venue().items()}
        (self.folder / "finish").write_text(json.dumps([intent[:2] for intent in intents]))
        process = self._begin()
        told = len(self._told())

        def duplicates() -> int:
            return sum(row["type"] == "ControlResult" and row["command_type"] == "submit_order" for row in self._told()[told:])

        try:
            self._until(lambda: duplicates() >= len(intents), process)
            statuses = Counter(
                row["result"]["status"] for row in self._told()[told:]
                if row["type"] == "ControlResult" and row["command_type"] == "submit_order"
            )  # fmt: skip
            assert statuses == {"duplicate": len(intents)}, statuses
            self._until(lambda: self._is_over(intents), process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        assert process.returncode == 0
        assert "consumer.error" not in (self.folder / "err.txt").read_text()
        assert {venue: len(rows) for venue, rows in self._at_venue().items()} == before
        found = Orders(self._told(), self._journaled(), self._ended(), self._at_venue())
        found.counts["duplicates refused"] = len(intents)
        return found

    def _is_over(self, intents: list[tuple[str, str, str]]) -> bool:
        last = {(row["provider"], row["client_order_id"]): row["is_open"] for row in self._told() if row["type"] == "ExecReport"}
        return all(last.get((provider, name)) is False for provider, name, _ in intents)

    def _told(self) -> list[dict[str, Any]]:
        """Whole lines alone: a life may have ended in the middle of one."""
        path = self.folder / "told.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def _at_venue(self) -> dict[str, list[dict[str, Any]]]:
        told = control(self.addresses, "/orders")
        return {venue: [row for rows in told[venue].values() for row in rows if not row["foreign"]] for venue in VENUES}

    def _rows(self, query: str) -> list[Any]:
        with sqlite3.connect(f"file:{self.folder / 'state' / 'orders.db'}?mode=ro", uri=True) as journal:
            return journal.execute(query).fetchall()

    def _journaled(self) -> list[tuple[str, str, str]]:
        rows = self._rows("SELECT provider, client_order_id, wire_id FROM intent ORDER BY order_no")
        return [(provider, name, wire.replace("-", "")) for provider, name, wire in rows]

    def _ended(self) -> set[str]:
        return {wire.replace("-", "") for (wire,) in self._rows("SELECT wire_id FROM intent JOIN terminal USING (order_no)")}

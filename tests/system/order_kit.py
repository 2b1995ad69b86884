"""An engine at a simulated venue, a strategy that does what it is asked to, and what it was told: for tests of orders."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.system.test_account_cli import KEYS, control
from tests.system.test_control import pass_s
from tests.system.test_run_cli import running, simulator

SYMBOLS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}
DESK = '''
import ctypes
import json
import os
import pathlib
import time

import engine


class Driven:
    """Does what the lines of a file say, once its provider is reconciled, and notes all it is told."""

    def __init__(self, notes, todo):
        self.book, self.out, self.todo, self.done = engine.Book(), open(notes, "a"), pathlib.Path(todo), 0
        self.lags_ns = []

    def on_batch(self, events, ctx):
        for event in events:
            if event.is_critical:
                self.out.write(engine.to_json(event).decode() + chr(10))
                self.out.flush()
            elif self.book.apply(event):
                self.symbol = event.symbol
                self.lags_ns.append(event.lag_ns)
        if self.book.is_valid and self.todo.exists():
            lines = self.todo.read_text().splitlines()
            for line in lines[self.done:]:
                getattr(self, "do_" + json.loads(line).pop("do"))(ctx, **{k: v for k, v in json.loads(line).items() if k != "do"})
            self.done = len(lines)

    def on_stop(self, ctx):
        self.out.close()

    def do_take(self, ctx, id, **more):
        # Past the best one: on a machine that is slow the market may have gone on by when it comes there.
        price = (self.book.best_ask[0] * 201 / 200).quantize(self.book.best_ask[0])
        ctx.submit(id, self.symbol, side="buy", qty="0.01", price=str(price), **more)

    def do_rest(self, ctx, id, **more):
        price = (self.book.best_bid[0] * 199 / 200).quantize(self.book.best_bid[0])
        ctx.submit(id, self.symbol, side="buy", qty="0.01", price=str(price), **more)

    def do_large(self, ctx, id):
        ctx.submit(id, self.symbol, side="buy", qty="0.1", price=str(self.book.best_bid[0]))

    def do_storm(self, ctx, ids, each="rest", then_sleep_s=0):
        for id in ids:
            getattr(self, "do_" + each)(ctx, id)
        time.sleep(then_sleep_s)

    def do_flip(self, ctx, count):
        for number in range(count):
            self.do_rest(ctx, f"flip{number}")
        ctx.set_trading_mode(False)

    def do_disk(self, ctx, kind, delay_us=0):
        ctypes.CDLL(os.environ["LD_PRELOAD"]).fault_set(kind, 0, delay_us)
        self.lags_ns = []

    def do_lags(self, ctx):
        self.out.write(json.dumps({"type": "Lags", "lags_ns": self.lags_ns}) + chr(10))
        self.out.flush()

    def do_cancel(self, ctx, id):
        ctx.cancel(id)

    def do_query(self, ctx, id):
        ctx.query(id)

    def do_cancel_all(self, ctx):
        ctx.cancel_all()

    def do_switch(self, ctx, on):
        ctx.set_trading_mode(on)
'''
CONFIG = """
schema_version: 1
engine: {{state_dir: state}}
providers:
  - name: {venue}
    venue: {venue}
    symbols: [{symbol}]
    streams: [book]
    ws_endpoint: {ws}
    ws_private_endpoint: {ws_private}
    rest_endpoint: {rest}
    credentials: {{api_key_env: {upper}_API_KEY, api_secret_env: {upper}_API_SECRET, key_type: {key_type}}}
    orders: {{enabled: true, on_stop: {on_stop}}}
risk: {{limits: {{orders_per_s: 100, orders_burst: 100, max_open_orders_per_symbol: 100}}}}
consumers:
  - consumer_id: mm1
    mode: {mode}
    handler: desk:Driven
    trading_switch: {switch}
    params: {{notes: told.jsonl, todo: todo.jsonl}}
    subscriptions: [{{symbol: {symbol}, event_types: [BookUpdate]}}]
"""


def written(folder: Path, venue: str, addresses: dict[str, Any], mode: str = "inline", switch: str = "enabled", on_stop: str = "leave") -> Path:
    (folder / "desk.py").write_text(DESK)
    path = folder / "engine.yaml"
    kind = "hmac" if venue == "kraken" else "ed25519"
    told_of = {"ws_private": "null", **addresses[venue]}
    path.write_text(CONFIG.format(venue=venue, upper=venue.upper(), symbol=SYMBOLS[venue], mode=mode, switch=switch, on_stop=on_stop,
                                  key_type=kind, **told_of))  # fmt: skip
    return path


class Trading:
    """An engine at a simulated venue, what its strategy is asked to do, and what it was told."""

    def __init__(self, folder: Path, process: Any, addresses: dict[str, Any], venue: str) -> None:
        self.folder, self.process, self.addresses, self.venue = folder, process, addresses, venue

    def do(self, what: str, **more: Any) -> None:
        with (self.folder / "todo.jsonl").open("a") as out:
            out.write(json.dumps({"do": what, **more}) + "\n")

    def told(self, kind: str = "ExecReport", client_order_id: str | None = None) -> list[dict[str, Any]]:
        path = self.folder / "told.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [row for row in rows if row["type"] == kind and client_order_id in (None, row.get("client_order_id"))]

    def states(self, client_order_id: str) -> list[str]:
        return [row["order_state"] for row in self.told("ExecReport", client_order_id)]

    def results(self, kind: str) -> list[dict[str, Any]]:
        return [row["result"] for row in self.told("ControlResult") if row["command_type"] == kind]

    def at_venue(self) -> list[dict[str, Any]]:
        """Every order of ours that the venue has."""
        accounts = control(self.addresses, "/orders")[self.venue]
        return [order for rows in accounts.values() for order in rows if not order["foreign"]]

    def until(self, look: Any, within_s: float = 25.0) -> Any:
        """What *look* finds once it finds something."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            found = look()
            if found:
                return found
            pass_s(0.02)
        raise AssertionError(f"it did not come: {self.told()[-3:]} {self.told('ControlAck')[-2:]} {self.told('RiskControl')[-2:]}")

    def reconciled(self, count: int = 1) -> None:
        """Until orders may be sent, for the *count*-th time."""
        self.until(lambda: sum(row["status"] == "cleared" for row in self.told("RiskControl")) >= count)


@contextmanager
def engine_at(
    folder: Path, addresses: dict[str, Any], venue: str, sets: Sequence[str] = (), flags: Sequence[str] = (),
    env: Mapping[str, str] = MappingProxyType({}), **options: Any,
) -> Iterator[Trading]:
    path = written(folder, venue, addresses, **options)
    more = [word for text in ("dlq.path=dead.jsonl", *sets) for word in ("--set", text)]
    with running(path, "--json", *flags, *more, cwd=folder, **KEYS, **env) as (process, ready):
        assert '"ready"' in ready, process.stderr.read() if process.stderr else ""
        yield Trading(folder, process, addresses, venue)


@contextmanager
def trading(folder: Path, venue: str = "binance", **options: Any) -> Iterator[Trading]:
    with simulator("--venues", venue) as addresses, engine_at(folder, addresses, venue, **options) as it:
        it.reconciled()
        yield it

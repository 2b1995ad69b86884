"""`engine-run report --from-file` as a user runs it (CLI-21): the twin's report of the recorded events, wrong input, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.twins.capture_io import read_records
from tests.twins.report_twin import ReportTwin

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

BTCUSDT = "binance_spot_btcusdt_20240809"
SPOT = "binance_spot_2021_4pairs"
KRAKEN = "kraken_v2_btc_eth_d10_20260707"
COINBASE = "coinbase_advanced_derived_2021_10pairs"
NS = 10**9


def run(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=80, check=False)


def nanoseconds(text: str) -> int:
    whole = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * NS + int(text[20:29])


def entries(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of one symbol as bus entries (BUS-11)."""
    made: list[dict[str, Any]] = []
    last = 0
    is_broken = False
    for event in events:
        if event.get("update_type") == "invalid":
            is_broken = True
            continue
        seq = last + 1 + is_broken
        recv_ns = max(nanoseconds(event["ts_recv"]), made[-1]["recv_ns"] if made else 0)
        entry: dict[str, Any] = {"seq": seq, "prev": seq - 1, "recv_ns": recv_ns, "event_ns": recv_ns}
        if event["ts_venue"] is not None:
            entry["event_ns"] = nanoseconds(event["ts_venue"])
        if event["type"] == "Trade":
            entry |= {"kind": "trade", "price": Fraction(event["price"]), "qty": Fraction(event["qty"])}
            entry |= {"side": event["side"] or "none", "id": int(event["trade_id"])}
        else:
            sides = {side: [(Fraction(p), Fraction(q)) for p, q in event[side]] for side in ("bids", "asks")}
            is_snapshot = event["type"] == "BookSnapshot"
            depth = event.get("depth_levels", 0)
            complete = depth == 0 or all(len(levels) < depth for levels in sides.values())
            entry |= {"kind": "depth" if is_snapshot else "deltas", "n": event["folded_count"], "complete": complete, **sides}
        made.append(entry)
        last, is_broken = seq, False
    return made


def by_twin(events: list[dict[str, Any]], first_ns: int, now_ms: int, tick: str) -> str:
    """The report at *now_ms*, of all that was received until then."""
    venue, symbol = events[0]["provider"], events[0]["symbol"]
    twin = ReportTwin(venue, symbol, Fraction(tick), events[-1]["price_scale"], events[-1]["qty_scale"])
    due_ms = (first_ns // 10**6 // 2000 + 1) * 2000
    for entry in entries(events):
        if entry["recv_ns"] > now_ms * 10**6:
            break
        while entry["recv_ns"] > due_ms * 10**6:
            twin.slow(due_ms)
            due_ms += 2000
        twin.take(entry)
    while due_ms <= now_ms:
        twin.slow(due_ms)
        due_ms += 2000
    return twin.report(now_ms)


@pytest.mark.parametrize(
    ("name", "symbol", "tick"),
    [(KRAKEN, "BTC-USD", "0.1"), (KRAKEN, "ETH-USD", "0.01"), (SPOT, "RUNE-EUR", "0.001"), (COINBASE, "YFI-BTC", "0.0001")],
)
def test_cli_21_the_report_is_the_twins_of_the_recorded_events(
    name: str, symbol: str, tick: str, captures: Path, tmp_path: Path
) -> None:
    """CHK-08, CHK-41, D17: early, in the middle and at the end, to the byte."""
    path = captures / f"{name}.jsonl.gz"
    assert run("replay", path, "--out", "events.jsonl", cwd=tmp_path).returncode == 0
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    events = [one for one in events if one["symbol"] == symbol and one["type"] in ("BookSnapshot", "BookUpdate", "Trade")]
    records = read_records(path)
    first_ns, last_ns = (json.loads(json.dumps(records[at]["ts_ns"])) for at in (0, -1))
    end_ms = -(-last_ns // (250 * 10**6)) * 250
    first_ms = -(-first_ns // (250 * 10**6)) * 250
    for now_ms in (first_ms + 750, (first_ms + end_ms) // 500 * 250, end_ms):
        at = datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{now_ms % 1000 + 17:03d}Z"
        found = run("report", symbol, "--from-file", path, *([] if now_ms == end_ms else ["--at", at]), "--format", "json", cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert found.stdout.rstrip("\n") == by_twin(events, first_ns, now_ms, tick)


def test_two_runs_are_equal_to_the_byte_and_fit_the_schema(captures: Path, tmp_path: Path, project_root: Path) -> None:
    """D17, CHK-08, RPT-07."""
    command = ("report", "BTC-USDT", "--from-file", captures / f"{BTCUSDT}.jsonl.gz", "--json")
    one, two = run(*command, cwd=tmp_path), run(*command, cwd=tmp_path)
    assert (one.returncode, one.stdout) == (0, two.stdout)
    found = json.loads(one.stdout)
    Draft202012Validator(json.loads((project_root / "docs" / "schemas" / "report.json").read_text())).validate(found)
    assert (found["venue"], found["generated_at"], found["book_state"]) == ("binance", "2024-08-09T00:05:04.750Z", "normal")


def test_the_table_shows_depth_walls_and_flow(captures: Path, tmp_path: Path) -> None:
    done = run("report", "binance:BTC-USDT", "--from-file", captures / f"{BTCUSDT}.jsonl.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "binance BTC-USDT" in done.stdout
    assert "61,602.01" in done.stdout
    assert "wall medium" in done.stdout
    assert "█" * 10 in done.stdout
    assert "HIGH spoofing bid price=60927.2 cancels=6 rate=1" in done.stdout
    assert "flow 30 s" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("XRP-USD",), "there is no report of XRP-USD (code: not_found)"),
        (("kraken:BTC-USDT",), "there is no report of kraken:BTC-USDT (code: not_found)"),
        (("btc-usd",), "'btc-usd' is not [venue:]BASE-QUOTE (code: invalid_request)"),
        (("BTC-USD", "--at", "yesterday"), "'yesterday' is not a time in RFC 3339"),
        (("BTC-USD", "--at", "2020-01-01T00:00:00Z"), "2020-01-01T00:00:00.000000000Z lies outside the recording"),
        (("BTC-USD", "--at", "2026-07-08T00:00:00Z"), "2026-07-08T00:00:00.000000000Z lies outside the recording"),
        (("BTC-USD", "--format", "yaml"), "'yaml' is none of table, json"),
    ],
)
def test_cli_30_what_cannot_be_is_refused_with_2(args: tuple[str, ...], why: str, captures: Path, tmp_path: Path) -> None:
    done = run("report", *args, "--from-file", captures / f"{KRAKEN}.jsonl.gz", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


def test_cli_30_a_wrong_file_is_refused_with_2(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.jsonl").write_text("not a capture\n")
    for path, why in (("missing.jsonl.gz", "missing.jsonl.gz"), ("junk.jsonl", "junk.jsonl"), (captures / "facts.json", "facts.json")):
        done = run("report", "BTC-USD", "--from-file", path, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert why in done.stderr
        assert "Traceback" not in done.stderr
    for more in (("--at", "2030-01-02T03:04:05Z"), ("--from-file", "junk.jsonl", "--watch"), ("--from-file", "junk.jsonl", "--url", "http://h")):
        done = run("report", "BTC-USD", *more, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "leave --watch and --url out" in done.stderr or "give --from-file CAPTURE as well" in done.stderr


def test_mcp_06_a_joined_spelling_is_resolved(captures: Path, tmp_path: Path) -> None:
    plain = run("report", "BTC-USD", "--from-file", captures / f"{KRAKEN}.jsonl.gz", "--json", cwd=tmp_path)
    joined = run("report", "kraken:BTCUSD", "--from-file", captures / f"{KRAKEN}.jsonl.gz", "--json", cwd=tmp_path)
    assert (joined.returncode, joined.stdout) == (0, plain.stdout)

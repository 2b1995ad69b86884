"""`engine-run demo` as a user runs it: the summary, signals, a venue that fails, a book that differs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

DEMO = (sys.executable, "-m", "engine", "demo")


def run(*args: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [*DEMO, *map(str, args)]
    environment = os.environ | env
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=50, check=False)


@contextmanager
def running(cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo without an end, past its first line of progress."""
    with subprocess.Popen(
        (*DEMO, "--seconds", "0", "--rate", "500"),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("demo: 1 s")
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def child_of(process: subprocess.Popen[str]) -> int:
    """The simulated venues of a running demo."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def in_child_only(folder: Path, code: str) -> dict[str, str]:
    """Environment in which the simulated venues run *code* first."""
    (folder / "sitecustomize.py").write_text(f"import sys\nif 'engine.simulator' in sys.orig_argv:\n    {code}\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


def test_two_seconds_end_with_a_balanced_summary_CLI_10(tmp_path: Path) -> None:
    done = run("--seconds", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.match(r"demo: 2\.\d s, [\d,]+ frames, [\d,]+ events; first event after \d+\.\d\d s", lines[0])
    assert lines[-1].endswith("9 of 9 books equal the venue's own")
    for venue in ("binance", "coinbase", "kraken"):
        assert re.search(rf"^{venue} +\d+ +\d+ +\d+  3 of 3 equal", done.stdout, re.MULTILINE)
    progress = [line for line in done.stderr.splitlines() if line.startswith("demo: ")]
    assert [line[:9] for line in progress] == ["demo: 1 s", "demo: 2 s"]
    assert "kraken" in progress[0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_same_name_where_it_is_started_is_left_alone_QA_07(tmp_path: Path) -> None:
    # A fresh clone has such a folder, without compiled modules; the installed command has its own program's folder on
    # the path, not the working one.
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise ImportError('not the installed engine')\n")
    program = Path(sys.executable).with_name("engine-run")
    done = subprocess.run(
        (program, "demo", "--seconds", "1"), cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr


def test_faults_at_the_venues_are_told_and_every_book_heals_BOOK_20(tmp_path: Path) -> None:
    done = run("--seconds", 7, "--faults", "drop,corrupt_checksum,disconnect", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    struck, resyncs = result["struck"], result["resyncs"]
    for venue in ("binance", "coinbase", "kraken"):
        assert struck[venue]["drop"] >= 1
        assert struck[venue]["disconnect"] >= 1
        assert resyncs[venue]["gap" if venue != "kraken" else "checksum"] >= 1
        assert resyncs[venue]["reconnect"] >= 1
    assert struck["kraken"]["corrupt_checksum"] >= 1
    assert result["books_equal"]
    assert result["balanced"]


def test_the_equations_of_the_summary_hold_EVT_08(tmp_path: Path) -> None:
    done = run("--seconds", 1, "--seed", 7, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    counts = result["pipeline"]
    taken = ("routed", "unrouted", "merged", "duplicates", "late_dropped", "held")
    assert counts["received"] == sum(counts[name] for name in taken) > 500
    for row in counts["consumers"].values():
        assert (
            row["offered"] == sum(row[name] for name in ("delivered", "coalesced", "skipped", "dropped", "queued")) > 0
        )
    assert counts["pools_out"] == {}
    assert counts["rejected_frames"] == {}
    assert (result["balanced"], result["books_equal"]) == (True, True)
    assert [book["difference"] for book in result["books"]] == [""] * 9
    assert all(book["bid_levels"] > 100 for book in result["books"])
    assert set(result["stages"]) == {"wire", "book", "orchestrator", "dispatcher", "mailbox"}
    assert set(result["delivery"]) == {"spread", "tape", "balance", "across", "slow", "maker"}


def test_the_slow_consumers_books_equal_the_venues_and_venues_are_merged_BP_05(tmp_path: Path) -> None:
    done = run("--seconds", 2, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert [(book["difference"], book["bid_levels"] > 100) for book in result["slow_books"]] == [("", True)] * 3
    consumers = result["pipeline"]["consumers"]
    assert consumers["slow"]["coalesced"] > 100
    assert consumers["slow"]["delivered"] < consumers["slow"]["offered"] / 2
    for name in ("spread", "tape", "balance"):
        assert consumers[name]["coalesced"] == consumers[name]["dropped"] == 0
    windows = result["pipeline"]["windows"]["across"]
    symbol, seen = result["findings"]["across"][0].split()[:2]
    assert (symbol, int(seen)) == ("BTC-USD:", windows["emitted"])
    assert windows["emitted"] > 2


def test_the_market_maker_trades_and_ends_flat_ORDM_33(tmp_path: Path) -> None:
    done = run("--seconds", 4, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    orders, ending = result["findings"]["maker"]
    told = re.fullmatch(r"binance BTC-USDT: (\d+) orders, (\d+) fills, bought (\S+) and sold (\S+) BTC", orders)
    assert told is not None, orders
    assert (int(told[1]) >= 4, int(told[2]) >= 2, told[3] == told[4] != "0") == (True, True, True), orders
    assert re.fullmatch(r"position 0 BTC, profit -?[\d.]+ USDT before fees; fees .*USDT.*", ending)
    assert result["maker_difference"] == ""
    assert result["pipeline"]["consumers"]["maker"]["delivered"] > int(told[2])
    assert "consumer.error" not in result["pipeline"]["telemetry"]


def test_an_order_that_only_the_venue_knows_exits_5(tmp_path: Path) -> None:
    lie = (
        "import engine.simulator.order_control as o; own = o.told_orders\n"
        "    def told_orders(*asked):\n"
        "        told = own(*asked)\n"
        "        for rows in told.values():\n"
        "            rows[:] = rows + rows[-1:]\n"
        "        return told\n"
        "    o.told_orders = told_orders\n"
        "    import engine.simulator.control as c; c.told_orders = told_orders"
    )
    done = run("--seconds", 2, cwd=tmp_path, **in_child_only(tmp_path, lie))
    assert done.returncode == 5, done.stderr
    assert re.search(r"FAULT: .*market maker: orders \d+, at the venue \d+", done.stdout)
    assert "balanced:" not in done.stdout


def test_a_slow_consumers_wrong_book_exits_5_and_is_named(tmp_path: Path) -> None:
    lie = (
        "import sys; from engine.cli.main import main; import engine.runtime.demo_desk as d; own = d.Slow.levels\n"
        "def levels(self, provider, symbol):\n"
        "    told = own(self, provider, symbol)\n"
        "    told['bids'].pop(2)\n"
        "    return told\n"
        "d.Slow.levels = levels; sys.exit(main())"
    )
    command = [sys.executable, "-c", lie, "demo", "--seconds", "0.5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=25, check=False)
    assert done.returncode == 5, done.stderr
    assert re.search(r"FAULT: kraken \(slow\) BTC-USD is not the venue's book: bids level 3: ", done.stdout)
    assert "balanced:" not in done.stdout


@pytest.mark.serial
def test_the_first_event_comes_within_two_seconds_G13(tmp_path: Path) -> None:
    results = (json.loads(run("--seconds", 0.2, "--json", cwd=tmp_path).stdout) for _ in range(3))
    assert min(result["first_event_ms"] for result in results) <= 2000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_summary_CLI_30(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path) as process:
        child = child_of(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert "balanced: every count adds up" in out
        assert not Path(f"/proc/{child}").exists()


def test_a_second_signal_ends_what_does_not_stop_CLI_30(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        os.kill(child_of(process), signal.SIGSTOP)  # it will not answer when asked for its books
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "ended by a second signal" in err
        assert out == ""


def test_venues_that_end_on_the_way_exit_4(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        os.kill(child_of(process), signal.SIGKILL)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 4
        assert "the simulated venues have ended, exit code -9" in err


def test_venues_that_cannot_start_exit_4(tmp_path: Path) -> None:
    done = run("--seconds", 1, cwd=tmp_path, **in_child_only(tmp_path, "raise SystemExit(3)"))
    assert done.returncode == 4
    assert "the simulated venues did not start" in done.stderr
    assert done.stdout == ""


def test_a_book_that_is_not_the_venues_exits_5_and_is_named(tmp_path: Path) -> None:
    lie = (
        "import engine.simulator.venue as v; own = v.Venue.books\n"
        "    def books(self, *asked):\n"
        "        told = own(self, *asked)\n"
        "        if self.name == 'kraken':\n"
        "            told['ETH/USD']['asks'][3][1] = '123.5'\n"
        "        return told\n"
        "    v.Venue.books = books"
    )
    done = run("--seconds", 0.5, cwd=tmp_path, **in_child_only(tmp_path, lie))
    assert done.returncode == 5, done.stderr
    fault = r"FAULT: kraken ETH-USD is not the venue's book: asks level 4: .* x 123\.5 at the venue"
    assert re.search(fault, done.stdout)
    assert "balanced:" not in done.stdout


def test_with_reports_each_symbol_has_one_that_fits_the_schema_CLI_10(tmp_path: Path, project_root: Path) -> None:
    """SLO-10: seconds after the start; the books and counts of the demo hold as they do without."""
    done = run("--seconds", 5, "--rate", 600, "--reports", "--json", "--set", "mcp.port=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["reports"]) == len(found["books"]) == 9
    check = Draft202012Validator(json.loads((project_root / "docs" / "schemas" / "report.json").read_text()))
    for name, report in found["reports"].items():
        check.validate(report)
        assert name == f"{report['venue']}:{report['symbol']}"
        assert report["book_state"] == "normal"
        assert report["resolved"]["rule"] == "exact"
    assert sum(report["ingestion"]["status"] == "ok" for report in found["reports"].values()) >= 6
    assert any(report["flow"]["trades_per_sec"] for report in found["reports"].values())
    plain = run("--seconds", 2, "--rate", 300, "--reports", "--set", "mcp.enabled=false", cwd=tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert re.search(r"^kraken BTC-USD +(ok|degraded) ", plain.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--faults", "dorp"), "nearest: drop"),
        (("--web",), "not built yet: the live page"),
        (("--seconds", "-1"), "must be 0..86400"),
        (("--rate", "0"), "must be 1..200000"),
        (("--sede", "1"), "nearest valid: --seed"),
    ],
)
def test_what_is_refused_says_why_CLI_02(args: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""


def test_help_names_every_flag(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0
    for flag in ("--seconds", "--rate", "--seed", "--faults", "--reports", "--web", "--json", "--log-level", "--set"):
        assert flag in done.stdout

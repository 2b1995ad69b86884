"""OBS-12 and the log section: lines with fields, secrets masked, nothing global until asked."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from engine.base.errors import NetworkError
from engine.base.secrets import forget_secrets, register_secret
from engine.observability.logs import Log, set_common, set_level, start_logging, stop_logging
from tests.unit.observability.clocks import HandClock

NOW = "2023-11-14T22:13:20.000000000Z"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    stop_logging()
    forget_secrets()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def json_lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_logger_message_and_fields(stream: io.StringIO) -> None:
    start_logging(stream=stream, clock_ns=HandClock())
    Log("book").info("book resync", provider="kraken", took_ms=12, levels=[1, 2])
    assert json_lines(stream) == [
        {
            "ts": NOW,
            "level": "info",
            "logger": "engine.book",
            "message": "book resync",
            "provider": "kraken",
            "took_ms": 12,
            "levels": [1, 2],
        }
    ]


def test_what_every_line_carries_stands_until_logging_starts_anew(stream: io.StringIO) -> None:
    set_common({"node_id": "nobody"})
    start_logging(stream=stream, clock_ns=HandClock())
    Log("worker").info("one")
    set_common({"node_id": "node-1"})
    Log("worker").info("two", symbol="x")
    Log("worker").info("three", node_id="another")
    start_logging(stream=stream, clock_ns=HandClock())
    Log("worker").info("four")
    told = [(line["message"], line.get("node_id"), line.get("symbol")) for line in json_lines(stream)]
    assert told == [("one", None, None), ("two", "node-1", "x"), ("three", "another", None), ("four", None, None)]


def test_a_text_line(stream: io.StringIO) -> None:
    start_logging(format="text", stream=stream, clock_ns=HandClock())
    Log("book").warning("two\nlines", provider="kraken", why="no room", count=3, empty="")
    assert stream.getvalue() == (
        f'{NOW} WARNING engine.book: two\\nlines provider=kraken why="no room" count=3 empty=""\n'
    )


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(stream: io.StringIO, level: str, shown: list[str]) -> None:
    start_logging(level, stream=stream)
    log = Log("x")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("m")
    assert [line["level"] for line in json_lines(stream)] == shown


def test_the_level_can_change_while_running(stream: io.StringIO) -> None:
    start_logging("error", stream=stream)
    log = Log("x")
    log.debug("no")
    set_level("debug")
    log.debug("yes")
    assert [line["message"] for line in json_lines(stream)] == ["yes"]


def test_an_error_of_ours_brings_its_fields_and_no_stack(stream: io.StringIO) -> None:
    start_logging(stream=stream)
    Log("feed").error("feed down", NetworkError("reset", op="feed.read", provider="kraken", symbol="BTC-USD"))
    (line,) = json_lines(stream)
    assert "stack" not in line
    error = line["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["provider"], error["symbol"]) == ("network", "kraken", "BTC-USD")


def test_another_error_brings_its_stack(stream: io.StringIO) -> None:
    start_logging(stream=stream)
    try:
        raise KeyError("lost")
    except KeyError as error:
        Log("feed").error("bug", error)
    (line,) = json_lines(stream)
    assert "KeyError: 'lost'" in str(line["stack"])


@pytest.mark.parametrize("format", ["json", "text"])
def test_secrets_are_masked(stream: io.StringIO, format: str) -> None:
    register_secret('quo"ted-secret')
    start_logging(format=format, stream=stream)  # type: ignore[arg-type]
    Log("x").info(
        'key quo"ted-secret',
        url="wss://h/?signature=abc123",
        nested={"api_secret": "abc123", "list": ['quo"ted-secret']},
    )
    assert "abc123" not in stream.getvalue()
    assert "ted-secret" not in stream.getvalue()


def test_a_field_cannot_pass_itself_off_as_a_part_of_the_line(stream: io.StringIO) -> None:
    start_logging(stream=stream, clock_ns=HandClock())
    Log("x").info("m", ts="forged", level="error")
    (line,) = json_lines(stream)
    assert (line["ts"], line["level"], line["ts_"], line["level_"]) == (NOW, "info", "forged", "error")


def test_starting_again_replaces_and_stopping_leaves_no_trace(stream: io.StringIO) -> None:
    logger = logging.getLogger("engine")
    before = (list(logger.handlers), logger.level, logger.propagate)
    start_logging(stream=io.StringIO())
    start_logging(stream=stream)
    Log("x").info("once")
    assert len(json_lines(stream)) == 1
    stop_logging()
    assert (list(logger.handlers), logger.level, logger.propagate) == before


def test_the_root_logger_gets_nothing(stream: io.StringIO) -> None:
    heard: list[logging.LogRecord] = []
    root = logging.getLogger()
    handler = logging.Handler()
    handler.emit = heard.append  # type: ignore[method-assign]
    root.addHandler(handler)
    try:
        start_logging(stream=stream)
        Log("x").error("m")
    finally:
        root.removeHandler(handler)
    assert heard == []


def test_obs_12_importing_configures_nothing() -> None:
    code = (
        "import logging, signal\n"
        "before = {s: signal.getsignal(s) for s in signal.valid_signals()}\n"
        "import engine.observability.logs, engine.observability.telemetry, engine.observability.dlq\n"
        "import engine.config.load\n"
        "root, own = logging.getLogger(), logging.getLogger('engine')\n"
        "assert (root.handlers, root.level) == ([], logging.WARNING)\n"
        "assert (own.handlers, own.level, own.propagate) == ([], logging.NOTSET, True)\n"
        "assert before == {s: signal.getsignal(s) for s in signal.valid_signals()}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

"""CLI-01: what each word of `engine-run ctl` and `status` prints with --json fits its published schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.cli.main import main
from engine.observability.logs import stop_logging
from tests.system.surface_kit import TOKENS, Desk, desk
from tests.system.test_account_cli import KEYS
from tests.system.test_ctl_cli import WORDS
from tests.system.test_ctl_orders import TRADING, resting, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
Said = Callable[..., Any]
said_words: set[str] = set()
STREAM = ("BTC-USDT", "BookUpdate", "--provider", "binance")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk"), config=TRADING, **KEYS) as found:
        until(lambda: found.ask("GET", "/ready").status == 200)
        yield found


@pytest.fixture
def said(running: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project_root: Path) -> Iterator[Said]:
    """The command in this process, as its own would run it: what it printed, checked against the schema of its words."""
    for name, value in {**TOKENS, **KEYS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(running.folder)
    schemas = {name: json.loads((project_root / "docs" / "schemas" / f"{name}.json").read_text("utf-8")) for name in ("ctl", "status")}

    def say(words: str, *more: str, code: int = 0, verb: str = "ctl") -> Any:
        assert main([verb, *words.split(), *more, "--json"]) == code, words
        documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        schema = schemas[verb] if verb == "status" else {**schemas["ctl"], "anyOf": [{"$ref": f"#/$defs/{words.replace(' ', '-')}"}]}
        check = Draft202012Validator(schema)
        for document in documents:
            assert [f"{list(one.absolute_path)}: {one.message[:200]}" for one in check.iter_errors(document)] == []
            assert not check.is_valid({**document, "more": 1}), words
            for key in document:
                assert not check.is_valid({name: value for name, value in document.items() if name != key}), (words, key)
        said_words.add(words)
        return documents

    yield say
    stop_logging()


def test_cli_01_ctl_each_word_prints_what_its_schema_says(running: Desk, said: Said) -> None:
    price = ("--price", resting(running), "--qty", "0.01", "--side", "buy", "--symbol", "BTC-USDT")
    said("subscribe", "other", *STREAM)
    said("unsubscribe", "other", *STREAM)
    said("trading off", "tape")
    said("orders submit", "tape", "d-0", *price, code=6)                          # suppressed, with its reason
    said("trading on", "tape")
    said("orders submit", "tape", "d-1", *price)
    said("orders submit", "tape", "d-1", *price)                                  # a duplicate
    said("orders submit", "tape", "d-2", *price[:2], "--qty", "900000", *price[4:], code=6)
    until(lambda: running.ask("GET", "/orders/tape/d-1").body["state"] == "acked")
    (listed,) = said("orders list", "--consumer", "tape")
    assert [row["client_order_id"] for row in listed["orders"]] == ["d-1"]
    said("orders show", "tape", "d-1")
    said("orders cancel", "tape", "d-1")
    until(lambda: running.ask("GET", "/orders/tape/d-1").body["state"] == "cancelled")
    said("orders cancel-all", "--consumer", "tape", "--yes")
    said("risk set", "max_position=2.5", "--consumer", "other")
    said("risk kill", "--text", "a test", "--yes")
    (shown,) = said("risk show")
    assert shown["kill_switch"]["is_on"]
    assert shown["overrides"] == [{"consumer_id": "other", "max_position": "2.5"}]
    said("risk kill", "--off", "--yes")
    said("risk clear", "tape")
    said("providers list")
    said("dlq list")
    said("dlq drain", "--limit", "1")
    said("pools show")
    said("pools outstanding")
    said("pools debug", "off")
    assert said("telemetry tail", "--once")
    said("log-level", "info")
    (status,) = said("", verb="status")
    assert status["orders"]["risk"]["overrides"] == shown["overrides"]
    assert not status["orders"]["risk"]["kill_switch"]["is_on"]
    said("providers stop", "binance")
    said("providers start", "binance")
    said("shutdown", "--yes")
    assert said_words - {""} == {f"{name} {below}".strip() for name, words in WORDS.items() for below in words or ("",)}

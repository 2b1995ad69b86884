"""CFG-01 to CFG-06, ARC-28: one door, all faults at once, precedence, secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.base.errors import ConfigError
from engine.base.secrets import forget_secrets, mask_text
from engine.config.effective import effective
from engine.config.load import default_config, json_schema, load_config
from tests.unit.config.configs import CONSUMER, faults_with, load

RIGHT = """\
schema_version: 1
profile: service
log: {level: warning, format: text}
providers:
  - name: kraken
    venue: kraken
    symbols: [BTC-USD, ETH-USD]
    streams: [book, trade, ticker, kline]
    kline_intervals: [1m, 15d]
    book: {depth_levels: 10}
  - {name: bn, venue: binance, symbols: [BTC-USDT], enabled: false}
consumers:
  - consumer_id: mm1
    mode: inline
    handler: desk.strategies:MarketMaker
    params: {size: 3}
    subscriptions:
      - {symbol: BTC-USD, providers: [kraken], event_types: [BookUpdate, Trade]}
      - {symbol: BTC-USDT, event_types: [Ticker]}
"""

WRONG = """\
schema_version: 2
profle: x
log: {level: loud}
providers:
  - name: kraken
    venue: kraken
    symbols: [btc/usd]
    streams: [book, kline]
    kline_intervals: [3m]
    book: {depth_levels: 7, emit: delta, emit: full}
    credentials: {api_key_env: NO_SUCH_KEY, api_secret_env: "hunter2 hunter2"}
    api_key: hunter2
  - name: kraken
    venue: coinbase
    symbols: []
    streams: [kline]
dispatcher: {quantum_events: "8"}
consumers:
  - consumer_id: c1
    handler: m:C
    subscriptions: [{symbol: ETH-USD, providers: [nope], event_types: [Trade]}]
  - consumer_id: c1
    mode: inline
    params: {api_secret: hunter2}
risk: {limits: {max_position: 5}}
"""
WRONG_LINES = [
    "1: schema_version: must be exactly 1 (is 2)",
    '2: profle: unknown key; did you mean profile? (is "x")',
    "3: log.level: must be 'debug', 'info', 'warning' or 'error' (is \"loud\")",
    '7: providers[0].symbols[0]: must be BASE-QUOTE in upper case, as BTC-USD (is "btc/usd")',
    '9: providers[0].kline_intervals: kraken offers 1m, 5m, 15m, 30m, 1h, 4h, 1d, 1w, 15d (is "3m")',
    "10: providers[0].book.depth_levels: kraken offers 10, 25, 100, 500, 1000 (is 7)",
    "10: providers[0].book.emit: repeated key; first on line 10",
    "11: providers[0].credentials.api_key_env: the environment variable NO_SUCH_KEY is not set",
    "11: providers[0].credentials.api_secret_env: must be the NAME of an environment variable;"
    " a secret itself never stands here (is ***)",
    "12: providers[0].api_key: unknown key (is ***)",
    '13: providers[1].kline_intervals: coinbase offers 5m (is "1m")',
    '13: providers[1].name: must be unique among providers (is "kraken")',
    "15: providers[1].symbols: must have 1..1000 items (is [])",
    '17: dispatcher.quantum_events: must be an integer 1..4096 (is "8")',
    '21: consumers[0].subscriptions[0].providers: names no provider of this file (is "nope")',
    '21: consumers[0].subscriptions[0].symbol: no provider it asks carries this symbol (is "ETH-USD")',
    '22: consumers[1].consumer_id: must be unique among consumers (is "c1")',
    "22: consumers[1].handler: required with mode inline: module:class",
    "24: consumers[1].params.api_secret: a secret must not stand here; name its variable in api_secret_env",
    "25: risk.limits.max_position: must be a decimal above 0, of at most 40 characters, in quotes,"
    ' as "0.01" (is 5)',
]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "engine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_in(path: Path, *sets: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, sets, env or {})
    return [str(fault) for fault in caught.value.faults]


def test_a_right_file(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, RIGHT), (), {})
    kraken, binance = config.providers
    assert (kraken.symbols, kraken.book.depth_levels) == (("BTC-USD", "ETH-USD"), 10)
    assert binance.enabled is False
    assert (config.log.level, config.log.format) == ("warning", "text")
    (consumer,) = config.consumers
    assert (consumer.mode, consumer.params, consumer.mailbox_capacity) == ("inline", {"size": 3}, 256)
    assert consumer.subscriptions[0].event_types == ("BookUpdate", "Trade")


def test_all_faults_are_told_at_once_each_with_line_path_value_and_constraint(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    assert faults_in(path) == [f"{path}:{line}" for line in WRONG_LINES]


def test_the_error_text_lists_every_fault_and_no_secret(tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    with pytest.raises(ConfigError) as caught:
        load_config(path, (), {})
    text = str(caught.value)
    assert text.startswith(f"[engine] config.load failed: {len(WRONG_LINES)} faults:\n")
    assert [line.strip() for line in text.splitlines()[1:-1]] == [f"{path}:{x}" for x in WRONG_LINES[:-1]]
    assert "hunter2" not in text


def test_the_loaded_configuration_is_frozen(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, RIGHT), (), {})
    with pytest.raises(ValidationError):
        config.profile = "throughput"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        config.providers[0].book.emit = "full"  # type: ignore[misc]


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    assert faults_in(missing) == [f"{missing}: cannot be read: No such file or directory"]
    assert faults_in(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"a: \xff")
    assert faults_in(binary) == [f"{binary}: must be UTF-8; byte 3 is not"]
    large = tmp_path / "l.yaml"
    large.write_bytes(b"#" * ((1 << 20) + 1))
    assert faults_in(large) == [f"{large}: must be at most 1048576 bytes (is 1048577)"]


def test_what_is_no_yaml_is_told_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "schema_version: 1\nproviders: [")
    (line,) = faults_in(path)
    assert line.startswith(f"{path}:2: not YAML")


def test_an_empty_file_lacks_what_is_required(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    assert faults_in(path) == [f"{path}: providers: required", f"{path}: schema_version: required"]


@pytest.mark.parametrize("value", [None, 5, "x", []])
def test_a_section_must_be_a_section(value: object) -> None:
    (fault,) = faults_with("log", value)
    assert (fault.path, fault.constraint) == ("log", "must be a section of keys")


def test_each_step_of_the_precedence(tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT + "dispatcher: {quantum_events: 8}\n")
    assert default_config().dispatcher.quantum_events == 64
    assert load_config(path, (), {}).dispatcher.quantum_events == 8
    assert load_config(path, ["dispatcher.quantum_events=9"], {}).dispatcher.quantum_events == 9
    twice = ["dispatcher.quantum_events=9", "dispatcher.quantum_events=10"]
    assert load_config(path, twice, {}).dispatcher.quantum_events == 10
    assert load_config(path, ["profile=throughput"], {}).consumers[0].mailbox_capacity == 16384


@pytest.mark.parametrize(("value", "on"), [("1", True), ("0", False), ("", False)])
def test_the_debug_switch_of_the_environment(value: str, on: bool) -> None:
    assert load_config(None, (), {"ENGINE_RECYCLER_DEBUG": value}).debug.recycler is on


def test_the_debug_switch_takes_only_0_and_1() -> None:
    with pytest.raises(ConfigError, match="ENGINE_RECYCLER_DEBUG must be 0 or 1"):
        load_config(None, (), {"ENGINE_RECYCLER_DEBUG": "yes"})


def test_the_file_can_switch_debug_on_without_the_environment() -> None:
    assert load(("debug.recycler", True)).debug.recycler is True


def test_no_other_variable_is_read() -> None:
    class Watched(dict[str, str]):
        asked: set[str] = set()  # noqa: RUF012

        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            self.asked.add(key)
            return super().get(key, default)  # type: ignore[call-overload]

    load_config(None, (), Watched())
    assert Watched.asked == {"ENGINE_RECYCLER_DEBUG"}


def test_a_secret_named_by_the_file_is_masked_from_then_on() -> None:
    try:
        load(("providers[0].credentials.api_key_env", "KEY"), env={"KEY": "hunter2-very-secret"})
        assert mask_text("hunter2-very-secret") == "***"
    finally:
        forget_secrets()


def test_an_unset_variable_of_a_provider_that_is_off_is_no_fault() -> None:
    paths = [
        fault.path
        for fault in faults_with(
            "providers[0]",
            {
                "name": "kraken_2",
                "venue": "kraken",
                "symbols": ["BTC-USD"],
                "enabled": False,
                "credentials": {"api_key_env": "NO_SUCH_KEY"},
            },
        )
    ]
    assert paths == []


def test_effective_names_every_value_with_its_origin(tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT)
    sets = ["log.level=debug", "pools={Trade: {capacity: 9}}", "profile=throughput"]
    values = effective(load_config(path, sets, {"ENGINE_RECYCLER_DEBUG": "1"}))
    assert values["schema_version"] == ("1", f"{path}:1")
    assert values["providers[0].symbols"] == ('["BTC-USD", "ETH-USD"]', f"{path}:7")
    assert values["consumers[0].params.size"] == ("3", f"{path}:16")
    assert values["log.level"] == ('"debug"', "--set")
    assert values["log.format"] == ('"text"', f"{path}:3")
    assert values["pools.Trade.capacity"] == ("9", "--set")
    assert values["pools.Ticker.capacity"] == ('"auto"', "default")
    assert values["consumers[0].mailbox_capacity"] == ("16384", "profile throughput")
    assert values["dispatcher.backpressure.token_rate_per_stream"] == ('"unlimited"', "profile throughput")
    assert values["debug.recycler"] == ("true", "environment ENGINE_RECYCLER_DEBUG")
    assert values["consumers[0].name"] == ("null", "default")


def test_a_replaced_section_forgets_its_lines(tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT)
    values = effective(load_config(path, ["log={level: error}"], {}))
    assert values["log.level"] == ('"error"', "--set")
    assert values["log.format"] == ('"json"', "default")


def test_a_value_below_a_secret_name_is_not_shown() -> None:
    params = {"token_env": "MY_TOKEN", "n": 1}
    config = load(("consumers", [CONSUMER | {"params": params}]), env={"MY_TOKEN": "x"})
    values = effective(config)
    assert values["consumers[0].params.n"] == ("1", "--set")
    assert values["consumers[0].params.token_env"] == ("***", "--set")


def test_the_json_schema_tells_ranges_and_words() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert {"schema_version", "providers"} == set(schema["required"])
    definitions = schema["$defs"]
    quantum = definitions["DispatcherConfig"]["properties"]["quantum_events"]
    assert (quantum["minimum"], quantum["maximum"], quantum["default"]) == (1, 4096, 64)
    assert definitions["LogConfig"]["properties"]["format"]["enum"] == ["json", "text"]
    symbols = definitions["ProviderConfig"]["properties"]["symbols"]
    assert (symbols["minItems"], symbols["maxItems"]) == (1, 1000)
    assert symbols["items"]["pattern"] == "^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$"
    assert "BookUpdate" in definitions["PoolsConfig"]["properties"]


@pytest.mark.parametrize(("asks", "is_right"), [([], True), (["keyed"], True), (["bare"], False)])
def test_balances_are_of_a_provider_with_a_key_EVT_21(asks: list[str], is_right: bool) -> None:
    providers: list[dict[str, Any]] = [
        {"name": name, "venue": "kraken", "symbols": ["BTC-USD"]} for name in ("bare", "keyed")
    ]
    providers[1]["credentials"] = {"api_key_env": "A_KEY", "api_secret_env": "A_SECRET"}
    wanted = {"symbol": "BTC-USD", "providers": asks, "event_types": ["Trade", "BalanceUpdate"]}
    consumer = {"consumer_id": "c", "mode": "inline", "handler": "m:C", "subscriptions": [wanted]}
    sets = [("providers", providers), ("consumers", [consumer])]
    env = {"A_KEY": "the-key", "A_SECRET": "the-secret"}
    try:
        if is_right:
            assert load(*sets, env=env).consumers[0].subscriptions[0].event_types == ("Trade", "BalanceUpdate")
        else:
            with pytest.raises(ConfigError, match="no provider it asks has credentials to tell balances"):
                load(*sets, env=env)
    finally:
        forget_secrets()


ORDERS_NEED = [
    ("kraken", {"api_key_env": "A_KEY", "api_secret_env": "A_SECRET"}, None),
    ("kraken", {}, "needs credentials"),
    ("simulated", {"api_key_env": "A_KEY", "api_secret_env": "A_SECRET"}, "simulated has no accounts to send orders of"),
]


@pytest.mark.parametrize(("venue", "credentials", "fault"), ORDERS_NEED)
def test_orders_are_sent_with_a_key_to_a_venue_that_has_accounts(
    venue: str, credentials: dict[str, str], fault: str | None
) -> None:
    provider = {"name": "a", "venue": venue, "symbols": ["BTC-USD"], "credentials": credentials, "orders": {"enabled": True}}
    told = [one for one in faults_with("providers", [provider], {"A_KEY": "a", "A_SECRET": "b"}) if "orders" in one.path]
    assert [one.constraint for one in told if not one.constraint.startswith("not built yet")] == ([fault] if fault else [])
    forget_secrets()

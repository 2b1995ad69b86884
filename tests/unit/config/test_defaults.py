"""ARC-32: sections, keys and defaults are the documented ones."""

from __future__ import annotations

from typing import Any

import pytest

from engine.config.keys import known_keys, leaf_keys
from engine.config.load import default_config
from tests.unit.config.configs import CONSUMER, load
from tests.unit.config.documented_defaults import DEFAULTS

REQUIRED = {
    "schema_version",
    "providers[].name",
    "providers[].venue",
    "providers[].symbols",
    "orchestrator.merge_rules[].name",
    "orchestrator.merge_rules[].merge_key",
    "orchestrator.merge_rules[].providers",
    "consumers[].consumer_id",
    "consumers[].subscriptions[].symbol",
    "consumers[].subscriptions[].event_types",
}


def as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    assert set(leaf_keys()) == set(DEFAULTS) | REQUIRED


@pytest.mark.parametrize("path", DEFAULTS)
def test_the_default_is_the_documented_one(path: str) -> None:
    default = as_json(known_keys()[path].field.get_default(call_default_factory=True))
    assert default == DEFAULTS[path]
    assert type(default) is type(DEFAULTS[path])


@pytest.mark.parametrize("path", sorted(REQUIRED))
def test_what_has_no_default_is_required(path: str) -> None:
    assert known_keys()[path].required


def test_without_a_file_three_venues_are_public_and_nobody_listens() -> None:
    config = default_config()
    assert [(p.name, p.venue, p.symbols) for p in config.providers] == [
        ("binance", "binance", ("BTC-USDT",)),
        ("coinbase", "coinbase", ("BTC-USD",)),
        ("kraken", "kraken", ("BTC-USD",)),
    ]
    assert config.consumers == ()
    assert config.schema_version == 1


@pytest.mark.parametrize(
    ("profile", "rate", "mailbox"), [("service", 1000, 256), ("throughput", "unlimited", 16384)]
)
def test_what_differs_by_profile(profile: str, rate: object, mailbox: int) -> None:
    config = load(("profile", profile), ("consumers", [CONSUMER]))
    assert config.dispatcher.backpressure.token_rate_per_stream == rate
    assert config.consumers[0].mailbox_capacity == mailbox


def test_the_file_stands_above_the_profile() -> None:
    config = load(("profile", "throughput"), ("consumers", [CONSUMER | {"mailbox_capacity": 64}]))
    assert config.consumers[0].mailbox_capacity == 64


def test_pool_capacities_by_type() -> None:
    config = load(("pools", {"BookUpdate": {"capacity": 5}, "Trade": {"capacity": "auto"}}))
    capacities = config.pools.capacities()
    assert capacities["BookUpdate"] == 5
    assert {capacity for name, capacity in capacities.items() if name != "BookUpdate"} == {None}

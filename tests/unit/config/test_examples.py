"""Every example configuration is right, and its handlers can be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.base.secrets import forget_secrets
from engine.config.load import load_config
from engine.runtime.handlers import load_handler

KEYS = {f"{venue}_API_{half}": "of-nobody" for venue in ("BINANCE", "COINBASE", "KRAKEN") for half in ("KEY", "SECRET")}
EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.yaml"))


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No secret of an example is masked in what other tests look at."""
    yield
    forget_secrets()


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_loads(path: Path) -> None:
    config = load_config(path, (), KEYS)
    assert config.consumers
    for consumer in config.consumers:
        assert load_handler(consumer) is not None


def test_each_venue_has_an_example_of_its_own() -> None:
    named = {path.stem: load_config(path, (), KEYS).providers for path in EXAMPLES}
    for venue in ("binance", "coinbase", "kraken", "simulated"):
        (provider,) = named[venue]
        assert (provider.venue, provider.ws_endpoint, provider.rest_endpoint) == (venue, None, None)
    assert all(provider.credentials.api_secret_env for provider in named["account"])
    assert [provider.venue for provider in named["three-venues"]] == ["binance", "coinbase", "kraken"]

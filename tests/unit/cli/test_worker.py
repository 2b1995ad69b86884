"""DST-04: what a worker is called, and what it is refused for, before anything is asked of a server."""

from __future__ import annotations

import pytest
import typer

from engine.cli.worker import node_id_of, read_node_id
from engine.config.load import load_config
from tests.unit.config.configs import assignment

PROVIDERS = assignment("providers", [{"name": "binance", "venue": "binance", "symbols": ["BTC-USDT"]}])


def test_a_node_that_shares_is_named_by_flag_or_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = load_config(None, (PROVIDERS,), {})
    shared = load_config(None, (PROVIDERS, "bus.coordination.enabled=true", "bus.coordination.node_id_env=NAME_OF_NODE"), {})
    monkeypatch.delenv("NAME_OF_NODE", raising=False)
    assert (node_id_of(alone, None), node_id_of(alone, "node-7"), node_id_of(shared, "node-7")) == ("local", "node-7", "node-7")
    with pytest.raises(typer.BadParameter, match="has no name: set NAME_OF_NODE, or --node-id"):
        node_id_of(shared, None)
    monkeypatch.setenv("NAME_OF_NODE", "node-8")
    assert (node_id_of(shared, None), node_id_of(alone, None), node_id_of(shared, "node-7")) == ("node-8", "local", "node-7")
    monkeypatch.setenv("NAME_OF_NODE", "a/b")
    with pytest.raises(typer.BadParameter, match="letters, digits"):
        node_id_of(shared, None)


@pytest.mark.parametrize("name", ["a/b", "", "a b", "x" * 65, "ä"])
def test_a_name_must_fit_the_keys_of_the_server(name: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_node_id(name)
    assert read_node_id("node-1.eu_west") == "node-1.eu_west"
    assert read_node_id(None) is None

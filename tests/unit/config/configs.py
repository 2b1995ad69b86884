"""Configurations for tests: a right one to start from, and the faults a change brings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.base.errors import ConfigError
from engine.config.faults import Fault
from engine.config.load import load_config
from engine.config.sections import EngineConfig

CONSUMER = {"consumer_id": "mm1", "mode": "inline", "handler": "desk.strategies:Maker"}
RULE = {"name": "btc", "merge_key": "BTC-USD:BookSnapshot", "providers": ["coinbase", "kraken"]}
SUBSCRIPTION = {"symbol": "BTC-USD", "event_types": ["Trade"]}
# Lists that are empty until something is in them, so that a path below their first item leads somewhere.
ITEMS: dict[str, Any] = {
    "consumers[0]": CONSUMER,
    "consumers[0].subscriptions[0]": SUBSCRIPTION,
    "orchestrator.merge_rules[0]": RULE,
    "risk.overrides[0]": {},
}


def assignment(path: str, value: Any) -> str:
    return f"{path}={json.dumps(value)}"


def needed(path: str) -> list[str]:
    """Assignments that make the lists *path* leads through."""
    sets = [assignment(item, value) for item, value in ITEMS.items() if path.startswith(f"{item}.")]
    if path.endswith(".merged"):
        sets.append(assignment("orchestrator.merge_rules[0]", {**RULE, "merge_key": "BTC-USD:Trade"}))
    return sets


def load(*assignments: tuple[str, Any], env: Mapping[str, str] | None = None) -> EngineConfig:
    sets = [assignment(path, value) for path, value in assignments]
    return load_config(None, sets, env or {})


def faults_with(path: str, value: Any, env: Mapping[str, str] | None = None) -> list[Fault]:
    """The faults of the built-in configuration with one value changed."""
    sets = needed(path)
    if path.endswith(".orders.enabled") and value is True:
        sets.append(assignment("providers[0].credentials.api_key_env", "A_KEY"))
    try:
        load_config(None, [*sets, assignment(path, value)], env or {})
    except ConfigError as error:
        return list(error.faults)  # type: ignore[arg-type]
    return []


def wrongs_at(path: str, value: Any) -> list[str]:
    """What is wrong with the value itself: the constraints told at *path*, parts not built yet aside."""
    return [
        fault.constraint
        for fault in faults_with(path, value)
        if fault.path == path and not fault.constraint.startswith("not built yet")
    ]


def is_refused(path: str, value: Any) -> bool:
    """Whether the value is refused because no built part reads it."""
    return any(
        fault.constraint.startswith("not built yet") and path.startswith(fault.path)
        for fault in faults_with(path, value)
    )

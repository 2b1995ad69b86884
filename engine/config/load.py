"""The one door to a configuration: defaults < profile < file < ``--set``, validated whole, then frozen.

Nothing starts on a faulty configuration; one :class:`~engine.base.errors.ConfigError` lists every fault with
its path, line, value and constraint.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError as SchemaError

from engine.base.secrets import register_secret
from engine.config.document import Document, apply_set, parse
from engine.config.faults import Fault, PathKey, config_error, leaves, path_text, pattern_text, shown_value
from engine.config.keys import known_keys, nearest_key
from engine.config.not_built import refused_leaves
from engine.config.rules import cross_faults, variables
from engine.config.sections import EngineConfig

RECYCLER_DEBUG_ENV = "ENGINE_RECYCLER_DEBUG"
_FILE_BYTES_MAX = 1 << 20

_THROUGHPUT_MAILBOX_EVENTS = 16384
_THROUGHPUT_TRACE_SAMPLING = 1 / 64        # reading the clock six times a frame would cost as much as the book

# What stands where no file is named: the public data of three venues.
_WITHOUT_FILE: Mapping[str, Any] = MappingProxyType({
    "schema_version": 1,
    "providers": [
        {"name": "binance", "venue": "binance", "symbols": ["BTC-USDT"]},
        {"name": "coinbase", "venue": "coinbase", "symbols": ["BTC-USD"]},
        {"name": "kraken", "venue": "kraken", "symbols": ["BTC-USD"]},
    ],
})  # fmt: skip


def load_config(
    path: str | os.PathLike[str] | None = None,
    sets: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    *,
    needs_variables: bool = True,
) -> EngineConfig:
    """Read, complete, validate and freeze a configuration.

    Args:
        path: the YAML file; None = the built-in values (three venues, no consumer).
        sets: ``PATH=VALUE`` texts of the command line, applied in order; the value is read as YAML.
        env: environment variables; None = those of the process.
        needs_variables: a variable that is named must be set; not for who only asks an engine that runs elsewhere.

    Raises:
        ConfigError: the file cannot be read, or the configuration has faults; ``faults`` holds all of them.
    """
    environment = os.environ if env is None else env
    document = _read(path)
    for assignment in sets:
        apply_set(document, assignment)
    faults = list(document.faults)
    if path is not None and faults and not document.tree:
        raise config_error(faults)
    for _, name in variables(document):
        register_secret(environment.get(name, ""))
    origins = _origins_of(document)
    tree = _with_profile(document.tree, origins)
    _apply_environment(tree, environment, origins, faults)
    config, schema_faults = _validate(tree, document)
    faults += schema_faults
    faults += cross_faults(document, environment if needs_variables else None)
    for at, row, leaf in refused_leaves(document.tree):
        value = document.at(at)
        shown = None if value is None else shown_value(at, value)
        faults.append(Fault(path_text(at), f"not built yet: {row.part}", shown, *document.place(leaf)))
    if faults or config is None:
        raise config_error(faults)
    config._origins = MappingProxyType(origins)
    return config


def default_config() -> EngineConfig:
    """The configuration that stands where no file is named, the environment left out."""
    return load_config(None, (), {})


def json_schema() -> dict[str, Any]:
    """JSON Schema of the file, as published under ``docs/``."""
    schema = EngineConfig.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _read(path: str | os.PathLike[str] | None) -> Document:
    if path is None:
        return Document("default", copy.deepcopy(dict(_WITHOUT_FILE)))
    name = os.fspath(path)
    try:
        raw = Path(path).read_bytes()
        if len(raw) > _FILE_BYTES_MAX:
            raise config_error([Fault("", f"must be at most {_FILE_BYTES_MAX} bytes", str(len(raw)), name)])
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise config_error([Fault("", f"cannot be read: {error.strerror}", None, name)]) from error
    except UnicodeDecodeError as error:
        raise config_error([Fault("", f"must be UTF-8; byte {error.start} is not", None, name)]) from error
    return parse(text, name)


def _origins_of(document: Document) -> dict[str, str]:
    origins = {path_text(path): f"{document.source}:{line}" for path, line in document.lines.items() if path}
    for path in document.set_paths:
        # What a --set replaced has lost the lines it had in the file.
        text = path_text(path)
        for below in [name for name in origins if name.startswith((f"{text}.", f"{text}["))]:
            del origins[below]
        for leaf, _ in leaves(document.at(path), path):
            origins[path_text(leaf)] = "--set"
    return origins


def _with_profile(tree: dict[str, Any], origins: dict[str, str]) -> dict[str, Any]:
    """A copy of *tree* in which the values of the profile `throughput` fill what was not set."""
    filled = copy.deepcopy(tree)
    if filled.get("profile") != "throughput":
        return filled
    _fill(filled, (), ("telemetry", "trace_sampling"), _THROUGHPUT_TRACE_SAMPLING, origins)
    _fill(filled, (), ("dispatcher", "backpressure", "token_rate_per_stream"), "unlimited", origins)
    consumers = filled.get("consumers")
    for index, consumer in enumerate(consumers if isinstance(consumers, list) else ()):
        _fill(consumer, ("consumers", index), ("mailbox_capacity",), _THROUGHPUT_MAILBOX_EVENTS, origins)
    return filled


def _fill(target: Any, at: PathKey, keys: Sequence[str], value: Any, origins: dict[str, str]) -> None:
    for key in keys[:-1]:
        target = target.setdefault(key, {}) if isinstance(target, dict) else None
        at = (*at, key)
    if isinstance(target, dict) and keys[-1] not in target:
        target[keys[-1]] = value
        origins[path_text((*at, keys[-1]))] = "profile throughput"


def _apply_environment(
    tree: dict[str, Any], env: Mapping[str, str], origins: dict[str, str], faults: list[Fault]
) -> None:
    value = env.get(RECYCLER_DEBUG_ENV, "")
    if value not in ("", "0", "1"):
        faults.append(
            Fault("", f"{RECYCLER_DEBUG_ENV} must be 0 or 1", shown_value((), value), "environment")
        )
    debug = tree.setdefault("debug", {})
    if value == "1" and isinstance(debug, dict):
        debug["recycler"] = True
        origins["debug.recycler"] = f"environment {RECYCLER_DEBUG_ENV}"


def _validate(tree: dict[str, Any], document: Document) -> tuple[EngineConfig | None, list[Fault]]:
    try:
        return EngineConfig.model_validate(tree), []
    except SchemaError as error:
        faults = []
        for item in error.errors(include_url=False):
            path = tuple(item["loc"])
            unread = item["type"] == "missing"
            value = None if unread else shown_value(path, item["input"])
            faults.append(document.fault(path, _constraint(item["type"], item["msg"], path), value))
        return None, faults


def _constraint(kind: str, message: str, path: PathKey) -> str:
    pattern = pattern_text(path)
    if kind == "extra_forbidden":
        nearest = nearest_key(pattern)
        return "unknown key" + (f"; did you mean {nearest}?" if nearest else "")
    if kind == "missing":
        return "required"
    info = known_keys().get(pattern)
    if kind in ("model_type", "model_attributes_type"):
        return "must be a section of keys"
    if kind == "tuple_type":
        return "must be a list"
    if info is not None and kind in ("int_type", "greater_than_equal", "less_than_equal", "greater_than"):
        whole = info.field.annotation is not float
        return f"must be {info.range_text('an integer' if whole else 'a number')}"
    if info is not None and kind == "float_type":
        return f"must be {info.range_text('a number')}"
    words = {"string_type": "must be a text", "bool_type": "must be true or false"}
    return words.get(kind, message.replace("Input should be", "must be"))

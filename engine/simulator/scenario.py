"""Scenario files: a fault plan on the market's time, as YAML.

::

    schema_version: 1
    faults:
      - {fault: drop, venue: kraken, symbol: BTC-USD, at_s: 5, count: 3}
      - {fault: disconnect, at_s: 20, count: 20}

The keys of an entry are those of :class:`~engine.simulator.fault_rules.FaultRule`.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.config.document import Document, parse
from engine.config.faults import Fault, config_error, shown_value
from engine.simulator.fault_rules import FaultRule, read_rule

_OP = "scenario.load"
_FILE_BYTES_MAX = 1 << 20
_VERSION = 1
_KEYS = ("schema_version", "faults")


def load_scenario(path: str | os.PathLike[str]) -> list[FaultRule]:
    """The rules of a scenario file, in its order.

    Raises:
        ConfigError: the file cannot be read, or has faults; all of them are told with line and key.
    """
    source = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise config_error([Fault("", f"cannot be read: {error.strerror}", None, source)], _OP) from error
    if len(raw) > _FILE_BYTES_MAX:
        raise config_error([Fault("", f"more than {_FILE_BYTES_MAX} bytes", None, source)], _OP)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise config_error([Fault("", "is not UTF-8 text", None, source)], _OP) from None
    document = parse(text, source)
    rules = [] if document.faults else _read(document)
    if document.faults:
        raise config_error(document.faults, _OP)
    return rules


def _read(document: Document) -> list[FaultRule]:
    """The rules of a document; what is wrong is added to its faults."""
    tree, found = document.tree, document.faults
    found += [document.fault((key,), f"no such key; there are {', '.join(_KEYS)}") for key in tree if key not in _KEYS]
    version = tree.get("schema_version")
    if version != _VERSION:
        found.append(document.fault(("schema_version",), f"must be {_VERSION}", shown_value((), version)))
    entries = tree.get("faults")
    if not isinstance(entries, list):
        found.append(document.fault(("faults",), "must be a list of rules"))
        return []
    rules = []
    for index, entry in enumerate(entries):
        rule, wrong = read_rule(entry)
        for key, constraint in wrong:
            path = ("faults", index, key) if key else ("faults", index)
            value = shown_value(path, document.at(path)) if document.at(path) is not None else None
            found.append(document.fault(path, constraint, value))
        if rule is not None:
            rules.append(rule)
    return rules

"""What the configuration knows and this version does not read yet: refused, never silently accepted (CFG-07).

One table, path to what is missing. A row covers every key below its path that has no longer row of its own.
When a part is built its rows go, and with them the refusal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engine.config.faults import PathKey, leaves, pattern_text


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A row of the table.

    Attributes:
        part: what is missing, for the message.
        off: values that ask for nothing (``false``, ``null``), which may stand in a file.
        only: where given, the values that are refused; every other one is read.
    """

    part: str
    off: tuple[Any, ...] = ()
    only: tuple[Any, ...] = ()

    def refuses(self, value: Any) -> bool:
        """Whether *value* asks for the missing part."""
        if self.only:
            return any(_same(value, refused) for refused in self.only)
        return not any(_same(value, nothing) for nothing in self.off)


def _same(value: Any, other: Any) -> bool:
    # True == 1 in Python, not in a configuration.
    return type(value) is type(other) and bool(value == other)


_PLAIN = "requests as pooled objects: they are plain values"
_STREAM = "the WebSocket of consumers elsewhere"

# None: this key is read although its section is not.
NOT_BUILT: Mapping[str, NotBuilt | None] = MappingProxyType({
    "engine.instance_id": NotBuilt("what tells several engines apart"),
    "engine.idle": NotBuilt("the choice of an idle policy"),
    "pools.escape_limit": NotBuilt("stopping a consumer for its escapes", off=(None,)),
    "pools.acquire_timeout_ms": NotBuilt("waiting for a pooled object"),
    "pools.OrderRequest": NotBuilt(_PLAIN),
    "pools.ApprovedOrder": NotBuilt(_PLAIN),
    "pools.LevelBlock": NotBuilt("the choice of this pool's size"),
    "consumers[].mode": NotBuilt("consumers outside this process", only=("process", "websocket")),
    "telemetry": NotBuilt("the metrics endpoint and traces"),
    "telemetry.trace_sampling": None,
    "telemetry.otlp_endpoint": NotBuilt("the export of traces", off=(None,)),
    "metrics": NotBuilt("the metrics endpoint"),
    "api.ws_port": NotBuilt(_STREAM),
    "api.max_ws_clients": NotBuilt(_STREAM),
})  # fmt: skip


def row_at(path: PathKey) -> tuple[PathKey, NotBuilt] | None:
    """The longest row that covers a key, with the row's own place; None where the key is read."""
    for length in range(len(path), 0, -1):
        pattern = pattern_text(path[:length])
        if pattern in NOT_BUILT:
            row = NOT_BUILT[pattern]
            return None if row is None else (path[:length], row)
    return None


def refused_leaves(tree: Mapping[str, Any]) -> Iterator[tuple[PathKey, NotBuilt, PathKey]]:
    """What *tree* sets and no built part reads: (place of the row, row, first key below it), once each."""
    seen: set[PathKey] = set()
    for path, value in leaves(tree, ()):
        found = None if value == {} else row_at(path)
        if found is not None and found[1].refuses(value) and found[0] not in seen:
            seen.add(found[0])
            yield *found, path

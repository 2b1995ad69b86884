"""``engine-run worker``: the analytics of the report bus, in a process of its own (CLI-19)."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.common import ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, flags_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.config.sections import EngineConfig

METRICS_PORT = 9101
_NODE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def read_shards(text: str | None) -> str | None:
    """``0-15,20``: numbers, and ranges of them."""
    for part in text.split(",") if text is not None else ():
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise typer.BadParameter(f"{text!r} is no list of shards; as 0-15,20")
    return text


def read_node_id(text: str | None) -> str | None:
    """A name that keys of the server may hold."""
    if text is not None and not _NODE_ID.fullmatch(text):
        raise typer.BadParameter(f"{text!r}: letters, digits, and . _ - are allowed, 64 at the most")
    return text


def node_id_of(config: EngineConfig, told: str | None) -> str:
    """The name of this node: as told, else as its variable says.

    Raises:
        BadParameter: nodes share the streams, and this one has no name, or none that can be.
    """
    coordination = config.bus.coordination
    if told is not None or not coordination.enabled:
        return told or "local"
    found = os.environ.get(coordination.node_id_env, "")
    if not found:
        raise typer.BadParameter(
            f"bus.coordination.enabled is true, and this node has no name: set {coordination.node_id_env}, or --node-id"
        )
    return str(read_node_id(found))


def shards_of(text: str, most: int) -> list[int]:
    """The shards that a text names, each once, in order.

    Raises:
        BadParameter: there are not so many.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    if max(found) >= most:
        raise typer.BadParameter(f"there is no shard {max(found)}: bus.shards is {most}")
    return sorted(found)


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("worker")
    def worker(
        ctx: typer.Context,
        node_id: Annotated[
            str | None,
            typer.Option(
                "--node-id",
                callback=read_node_id,
                help="Who writes the reports; else what the variable of bus.coordination.node_id_env says, else local.",
            ),
        ] = None,
        shards: Annotated[
            str | None,
            typer.Option(
                metavar="0-15,20",
                callback=read_shards,
                help="Of each venue; each by one worker. Else all, or those that the nodes share out.",
            ),
        ] = None,
        metrics_port: Annotated[
            int, typer.Option("--metrics-port", help="Of /health and /metrics; 0 = any.", min=0, max=65535)
        ] = METRICS_PORT,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Read the streams of the report bus, and write the reports of their symbols to the server."""
        flags = flags_of(ctx, config, sets, log_level, as_json)
        loaded = flags.load(needs_variables=False)
        chosen = None if shards is None else shards_of(shards, loaded.bus.shards)
        _work(loaded, node_id_of(loaded, node_id), chosen, metrics_port, is_json=flags.as_json)


def _work(config: EngineConfig, node_id: str, shards: Sequence[int] | None, port: int, *, is_json: bool) -> None:
    from engine.base.jsontext import encode
    from engine.runtime.live import run_on_loop
    from engine.runtime.worker import StreamWorker
    from engine.runtime.workerservice import WorkerService

    worker = StreamWorker(config, node_id, shards)

    def tell(url: str) -> None:
        told = {"node_id": node_id, "streams": len(worker.streams), "symbols": worker.symbols.count, "metrics": url}
        line = encode({"ready": told}).decode() if is_json else f"ready: {len(worker.streams)} streams, {url}/metrics"
        print(line)
        sys.stdout.flush()

    run_on_loop(WorkerService(worker, port).run(tell))

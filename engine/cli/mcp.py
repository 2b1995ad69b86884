"""``engine-run mcp``: the read-only report server alone, of a running engine (CLI-20)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.common import ConfigFlag, LogLevelFlag, SetFlag, flags_of, one_of

if TYPE_CHECKING:
    from engine.config.sections import EngineConfig

TRANSPORTS = ("stdio", "http")


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("mcp")
    def mcp(
        ctx: typer.Context,
        transport: Annotated[
            str | None,
            typer.Option(metavar="|".join(TRANSPORTS), callback=one_of(TRANSPORTS), help="Else as configured."),
        ] = None,
        host: Annotated[str | None, typer.Option(help="Where to listen, of http; else as configured.")] = None,
        port: Annotated[
            int | None, typer.Option(help="Where to listen, of http, 0 = any; else as configured.", min=0, max=65535)
        ] = None,
        url: Annotated[
            str | None, typer.Option(metavar="URL", help="Reports of a running engine; else as configured.")
        ] = None,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
    ) -> None:
        """Serve market reports to language models; over stdio, stdout carries the protocol and nothing else."""
        flags = flags_of(ctx, config, sets, log_level)
        loaded = flags.load(needs_variables=False)
        given = {"transport": transport, "host": host, "port": port}
        where = url or _configured_url(loaded)
        changed = loaded.mcp.model_copy(update={key: value for key, value in given.items() if value is not None})
        _serve(loaded.model_copy(update={"mcp": changed}), where)


def _configured_url(config: EngineConfig) -> str:
    from engine.runtime.reportasking import facade_url

    return facade_url(config)


def _serve(config: EngineConfig, url: str) -> None:
    import asyncio

    from engine.runtime.live import run_on_loop, stopping
    from engine.runtime.reportextra import need_packages

    need_packages()
    from engine.runtime.reportserving import LoneSite, serve_stdio

    if config.mcp.transport == "stdio":
        run_on_loop(serve_stdio(config, url))
        return
    site = LoneSite(config, url)

    async def main() -> None:
        stopped = asyncio.Event()
        site.start()
        print(f"ready: reports {site.url} of {url}")
        sys.stdout.flush()
        with stopping(stopped.set):
            await stopped.wait()
        site.close()

    run_on_loop(main())

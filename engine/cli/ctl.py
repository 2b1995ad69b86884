"""``engine-run ctl``: commands to a running engine, and what it tells."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from engine.cli import ctl_orders
from engine.cli.common import LOG_LEVELS, ApiFlag, ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, flags_of, one_of
from engine.cli.ctl_words import Ctl, YesFlag, group, sure, text_of, word
from engine.cli.output import print_json, print_table

_ON_OFF = ("on", "off")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    ctl = typer.Typer(
        name="ctl", help="Command a running engine.", rich_markup_mode=None, no_args_is_help=True
    )
    app.add_typer(ctl)

    @ctl.callback()
    def before(
        ctx: typer.Context,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
        api: ApiFlag = None,
    ) -> None:
        """Command a running engine: by its operator's surface, with the token it has written beside its state."""
        ctx.obj = flags_of(ctx, config, sets, log_level, as_json, api)

    ctl_orders.register(ctl)
    _subscriptions(ctl)
    _providers(group(ctl, "providers", "Connections to venues."))
    _dead_letters(group(ctl, "dlq", "What could not be delivered."))
    _pools(group(ctl, "pools", "Pooled events."))
    _telemetry(group(ctl, "telemetry", "What operators are told."))
    _process(ctl)


def _subscriptions(ctl: typer.Typer) -> None:
    consumer = Annotated[str, typer.Argument(metavar="CONSUMER")]
    symbol = Annotated[str, typer.Argument(metavar="BASE-QUOTE")]
    types = Annotated[list[str], typer.Argument(metavar="EVENT_TYPE..")]
    providers = Annotated[list[str] | None, typer.Option("--provider", metavar="NAME", help="May be repeated.")]

    def ask(ctl: Ctl, kind: str, consumer: str, symbol: str, types: list[str], providers: list[str] | None) -> None:
        body = {"consumer_id": consumer, "symbol": symbol, "event_types": types, "providers": providers or []}
        answer = ctl.engine.ask("POST", f"/control/{kind}", body=body)
        ctl.tell(f"{kind}d: {text_of(answer['result'])}, routing version {answer['routing_version']}", answer)

    def subscribe(ctl: Ctl, consumer: str, symbol: str, types: list[str], provider: list[str] | None = None) -> None:
        """Subscribe a consumer to a symbol."""
        ask(ctl, "subscribe", consumer, symbol, types, provider)

    def unsubscribe(ctl: Ctl, consumer: str, symbol: str, types: list[str], provider: list[str] | None = None) -> None:
        """End a subscription of a consumer."""
        ask(ctl, "unsubscribe", consumer, symbol, types, provider)

    for function in (subscribe, unsubscribe):
        function.__annotations__ |= {"ctl": Ctl, "consumer": consumer, "symbol": symbol, "types": types,
                                     "provider": providers, "return": None}  # fmt: skip
        word(ctl, function.__name__)(function)


NameArgument = Annotated[str, typer.Argument(metavar="NAME")]


def _providers(app: typer.Typer) -> None:
    @word(app, "list")
    def listed(ctl: Ctl) -> None:
        """State, connections, books and limits of each."""
        columns = ("name", "venue", "state", "connections_up", "books_valid", "account", "rest_limits.used", "cause")
        ctl.rows("providers", columns, ctl.engine.ask("GET", "/providers", {"limit": 500}))

    @word(app, "start")
    def start(ctl: Ctl, name: NameArgument) -> None:
        """Bring a stopped one up."""
        answer = ctl.engine.ask("POST", f"/providers/{name}/start", body={})
        ctl.tell(f"{name}: {text_of((answer['result'] or {}).get('state'))}", answer)

    @word(app, "stop")
    def stop(ctl: Ctl, name: NameArgument) -> None:
        """End its connections; the engine goes on."""
        answer = ctl.engine.ask("POST", f"/providers/{name}/stop", body={})
        ctl.tell(f"{name}: {text_of((answer['result'] or {}).get('state'))}", answer)


LimitFlag = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")]


def _dead_letters(app: typer.Typer) -> None:
    @word(app, "list")
    def listed(ctl: Ctl, limit: LimitFlag = 100) -> None:
        """The oldest, which stay where they are."""
        columns = ("dlq_id", "ts", "reason", "provider", "symbol", "consumer_id", "count", "error.message")
        ctl.rows("records", columns, ctl.engine.ask("GET", "/dlq", {"limit": limit}))

    @word(app, "drain")
    def drain(ctl: Ctl, limit: LimitFlag = 100) -> None:
        """Take the oldest out."""
        answer = ctl.engine.ask("DELETE", "/dlq", {"limit": limit})
        ctl.tell(f"drained {answer['drained']}, left {answer['left']}", answer)


def _pools(app: typer.Typer) -> None:
    @word(app, "show")
    def show(ctl: Ctl) -> None:
        """Every pool."""
        columns = ("pool", "capacity", "in_use", "in_use_peak", "acquired", "recycled", "escaped", "exhausted")
        answer = ctl.engine.ask("GET", "/pools")
        rows = [{"pool": name, **row} for name, row in answer["pools"].items()]
        ctl.print(answer, lambda _: print_table(columns, [[row[key] for key in columns] for row in rows]))

    @word(app, "outstanding")
    def outstanding(ctl: Ctl, limit: LimitFlag = 100) -> None:
        """What is out, the longest first, and who has it."""
        answer = ctl.engine.ask("GET", "/pools", {"limit": limit})
        ctl.rows("outstanding", ("type", "slot", "references", "holder"), {"outstanding": answer["outstanding"]})

    @word(app, "debug")
    def debug(ctl: Ctl, on: Annotated[str, typer.Argument(metavar="on|off", callback=one_of(_ON_OFF))]) -> None:
        """Poison recycled events, or no longer."""
        ctl.print(ctl.engine.ask("PUT", "/pools/debug", body={"on": on == "on"}))


def _telemetry(app: typer.Typer) -> None:
    @word(app, "tail")
    def tail(
        ctl: Ctl,
        type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="As book.resync.")] = None,
        severity: Annotated[
            str | None,
            typer.Option("--severity", metavar="info|warn|error", callback=one_of(("info", "warn", "error"))),
        ] = None,
        once: Annotated[bool, typer.Option("--once", help="What there is, and no more.")] = False,
    ) -> None:
        """Records as they come, until Ctrl-C; one JSON object a line with --json."""
        from engine.runtime.live import run_on_loop

        query = {"type": type, "severity": severity}
        if once:
            for record in ctl.engine.ask("GET", "/telemetry", {**query, "limit": 500})["records"]:
                _tell_record(ctl, record)
            return

        async def follow() -> None:
            async for record in ctl.engine.events("/telemetry", query):
                _tell_record(ctl, record)

        run_on_loop(follow())


def _tell_record(ctl: Ctl, record: Any) -> None:
    if not isinstance(record, dict):
        print(f"{record} records had left before they were read", file=sys.stderr)
    elif ctl.flags.as_json:
        print_json(record)
    else:
        print(record["ts"], record["severity"], record["type"], text_of(record["metadata"]))
    sys.stdout.flush()


def _process(ctl: typer.Typer) -> None:
    @word(ctl, "log-level")
    def log_level(
        ctl: Ctl,
        level: Annotated[str, typer.Argument(metavar="|".join(LOG_LEVELS), callback=one_of(LOG_LEVELS))],
    ) -> None:
        """Log lines from a level on."""
        ctl.print(ctl.engine.ask("PUT", "/log-level", body={"level": level}))

    @word(ctl, "shutdown")
    def shutdown(ctl: Ctl, yes: YesFlag = False) -> None:
        """End the run in order, as SIGTERM does."""
        sure("shutdown", yes)
        ctl.tell("stopping", ctl.engine.ask("POST", "/shutdown", body={}))

"""``engine-run status``: how a running engine does, in one report."""

from __future__ import annotations

from typing import Any

import typer

from engine.base.errors import UnavailableError
from engine.cli.api_client import ApiClient, client_of
from engine.cli.common import ApiFlag, ConfigFlag, JsonFlag, LogLevelFlag, SetFlag, flags_of
from engine.cli.output import print_json, print_table

_NOT_READY = 503
_NS_PER_MS = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def status(
        ctx: typer.Context,
        config: ConfigFlag = None,
        sets: SetFlag = None,
        log_level: LogLevelFlag = None,
        as_json: JsonFlag = False,
        api: ApiFlag = None,
    ) -> None:
        """Providers, books, lag of each consumer, pools and dead letters of a running engine."""
        flags = flags_of(ctx, config, sets, log_level, as_json, api)
        found = report(client_of(flags))
        if flags.as_json:
            print_json(found)
        else:
            print_report(found)


def report(engine: ApiClient) -> dict[str, Any]:
    """Everything the report shows."""
    return {
        "ready": engine.ask("GET", "/ready", taken=(_NOT_READY,)),
        "health": engine.ask("GET", "/health", taken=(_NOT_READY,)),
        "providers": engine.ask("GET", "/providers", {"limit": 500})["providers"],
        "consumers": engine.ask("GET", "/consumers", {"limit": 500})["consumers"],
        "pools": engine.ask("GET", "/pools", {"limit": 1})["pools"],
        "dlq": engine.ask("GET", "/dlq", {"limit": 1})["counts"],
        "orders": _orders(engine),
    }


def _orders(engine: ApiClient) -> dict[str, Any] | None:
    """Positions and what holds orders back; None = no provider of this engine takes orders."""
    try:
        risk = engine.ask("GET", "/risk/limits")
    except UnavailableError:
        return None
    return {"positions": engine.ask("GET", "/positions", {"limit": 500})["positions"], "risk": risk}


def print_report(found: dict[str, Any]) -> None:
    """The report for a person."""
    ready = found["ready"]
    print("ready" if ready["ready"] else f"not ready: {'; '.join(ready['reasons'])}")
    print_table(
        ("provider", "state", "symbols", "valid books", "connections", "account"),
        [
            (one["name"], one["state"], len(one["symbols"]), one["books_valid"], one["connections_up"], one["account"])
            for one in found["providers"]
        ],
    )
    print_table(
        ("consumer", "mode", "state", "trading", "delivered", "queued", "dropped", "lag ms"),
        [
            (
                one["consumer_id"], one["mode"], one["state"], "on" if one["trading_switch"]["enabled"] else "off",
                one["counts"]["delivered"], one["counts"]["queued"], one["counts"]["dropped"],
                one["counts"]["lag_ns"] // _NS_PER_MS,
            )
            for one in found["consumers"]
        ],
    )  # fmt: skip
    if found["orders"] is not None:
        _print_orders(found["orders"])
    for name, why in found["health"]["pools"].items():
        print(f"pool {name}: {why}")
    in_use = sum(row["in_use"] for row in found["pools"].values())
    print(f"pools: {in_use} in use; dead letters: {found['dlq']['records_count']}")


def _print_orders(found: dict[str, Any]) -> None:
    columns = ("consumer_id", "provider", "symbol", "net_qty", "open_buy", "open_sell", "open_orders")
    print_table(columns, [[row[name] for name in columns] for row in found["positions"]])
    risk = found["risk"]
    if risk["kill_switch"]["is_on"]:
        print(f"the kill switch is on since {risk['kill_switch']['since']}: {risk['kill_switch']['text']}")
    for name, until in risk["open_breakers"].items():
        print(f"the breaker of {name} is open until {until}")
    for row in risk["held"]:
        print(f"orders of {row['provider']} are being reconciled" + (", overdue" if row["is_overdue"] else ""))

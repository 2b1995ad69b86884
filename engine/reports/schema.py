"""The JSON Schema (2020-12) of a report: the one source for every face that shows one (RPT-07)."""

from __future__ import annotations

from typing import Any

from engine.reports.compose import REPORT_VERSION

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_SIDE = {"enum": ["bid", "ask"]}
_SEVERITY = {"enum": ["low", "medium", "high"]}


def _object(**properties: Any) -> dict[str, Any]:
    """An object that has all of *properties*; ``from_`` stands for ``from``. Readers ignore others (RPT-06)."""
    named = {name.rstrip("_"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": named, "required": list(named)}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    """*schema*, or null: not known."""
    return {"anyOf": [schema, _NULL]}


def _list(items: dict[str, Any], most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items} | ({} if most is None else {"maxItems": most})


def _at_least(schema: dict[str, Any], least: int) -> dict[str, Any]:
    return {**schema, "minimum": least}


def report_schema() -> dict[str, Any]:
    """The schema; every mandatory field is required, ``served_at`` and ``resolved`` are added at read time only."""
    amount = _at_least(_NUMBER, 0)
    level = _object(price=_NUMBER, qty=amount)
    levels = _maybe(_list(level, 20))
    wall = _object(price=_NUMBER, qty=amount, side=_SIDE, severity=_SEVERITY)
    vacuum = _object(from_=_NUMBER, to=_NUMBER, side=_SIDE, levels=_COUNT, severity=_SEVERITY)
    points = dict.fromkeys(("spread", "depth", "balance", "flow", "anomalies", "freshness"), amount)
    return {
        "$schema": DIALECT,
        "title": "market report",
        "description": f"One symbol's report, version {REPORT_VERSION}.",
        **_object(
            symbol={"type": "string", "pattern": "^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$"},
            venue={"type": "string", "pattern": "^[a-z][a-z0-9_]{1,31}$"},
            generated_at=_TIME,
            data_age_ms=_maybe(_COUNT),
            report_version={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            schema_version={"type": "string", "pattern": r"^\d+\.\d+$"},
            writer=_object(node_id={"type": "string"}, token=_at_least(_COUNT, 1)),
            ingestion=_object(
                status={"enum": ["ok", "degraded", "down"]}, fresh={"type": "boolean"}, last_update=_maybe(_TIME)
            ),
            last_price=_maybe(_NUMBER),
            change_24h_pct=_maybe(_NUMBER),
            high_24h=_maybe(_NUMBER),
            low_24h=_maybe(_NUMBER),
            volume_24h=_maybe(amount),
            stats_24h=_object(
                source={"enum": ["ticker", "trades", None]}, coverage_sec=_maybe(amount), as_of=_maybe(_TIME)
            ),
            best_bid=_maybe(level),
            best_ask=_maybe(level),
            spread_bps=_maybe(amount),
            mid_price=_maybe(_NUMBER),
            micro_price=_maybe(_NUMBER),
            l1_source={"enum": ["book", "ticker", None]},
            book_state={"enum": ["normal", "one_sided", "empty", "locked", "crossed", "resyncing"]},
            depth=_object(
                top20_bid=levels,
                top20_ask=levels,
                sum_bid=_maybe(amount),
                sum_ask=_maybe(amount),
                notional_bid=_maybe(_NUMBER),
                notional_ask=_maybe(_NUMBER),
                imbalance=_maybe({**_NUMBER, "minimum": -1, "maximum": 1}),
                truncated=_maybe({"type": "boolean"}),
            ),
            liquidity=_object(
                walls=_maybe(_list(wall, 40)),
                vacuums=_maybe(_list(vacuum)),
                basis=_object(n=_COUNT, p10=_maybe(amount), p95=_maybe(amount), threshold=_maybe(amount)),
                profile=_maybe(
                    _object(
                        poc=_NUMBER,
                        val=_NUMBER,
                        vah=_NUMBER,
                        window_sec=amount,
                        trade_count=_COUNT,
                        coverage_sec=amount,
                    )
                ),
            ),
            flow=_object(
                orders_per_sec=_maybe(amount),
                trades_per_sec=_maybe(amount),
                book_updates_per_sec=_maybe(amount),
                net_flow=_maybe(_NUMBER),
                buy_volume=_maybe(amount),
                sell_volume=_maybe(amount),
                unknown_volume=_maybe(amount),
                coverage_sec=_maybe(amount),
            ),
            anomalies=_list(
                _object(
                    type={"enum": ["spoofing", "iceberg", "flash_crash_risk"]},
                    severity=_SEVERITY,
                    side=_maybe(_SIDE),
                    price=_maybe(_NUMBER),
                    detected_at=_TIME,
                    note={"type": "string"},
                )
            ),
            slow_as_of=_maybe(_TIME),
            health=_maybe(
                _object(score={**_COUNT, "maximum": 100}, score_raw=amount, components=_object(**points))
            ),
        ),
    }


def symbols_schema() -> dict[str, Any]:
    """The schema of the known pairs."""
    row = _object(venue={"type": "string"}, symbol={"type": "string"}, generated_at=_maybe(_TIME))
    return {"$schema": DIALECT, "title": "symbols with a report", **_object(symbols=_list(row), count=_COUNT)}


def error_schema() -> dict[str, Any]:
    """The schema of an answer that is no report (MCP-07)."""
    texts = _list({"type": "string"}, 50)
    optional = {
        "reason": {"enum": ["unknown", "expired", "timeout", "connection", "corrupt"]},
        "available": texts,
        "candidates": texts,
    }
    codes = {"enum": ["symbol_not_indexed", "invalid_symbol", "ambiguous_symbol", "backend_unavailable"]}
    found = _object(error=codes, symbol=_maybe({"type": "string"}), message={"type": "string"})
    return {"title": "no report", **found, "properties": {**found["properties"], **optional}}

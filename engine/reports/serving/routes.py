"""The HTTP facade: the same answers as JSON bodies, for whoever speaks no MCP (MCP-20)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.base.clock import monotonic_now
from engine.base.version import engine_version
from engine.reports.answers import Answers
from engine.reports.reader import Served, misspelt
from engine.reports.schema import error_schema, report_schema, symbols_schema
from engine.schema.busschema import entry_schema

_STATUSES = {"invalid_symbol": 400, "ambiguous_symbol": 400, "symbol_not_indexed": 404, "backend_unavailable": 503}
_TIMEOUT = 504
_JSON = "application/json"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_REFUSALS = {
    400: "the symbol is missing, misspelt, or may be several",
    404: "there is no such report, or it has expired",
    503: "the cache cannot be reached, or what it holds is no report",
    504: "the cache did not answer in time",
}
NS_PER_S = 1_000_000_000


def routes(answers: Answers, metrics: Callable[[], Awaitable[str]]) -> list[Route]:
    """Every route of the facade.

    Args:
        answers: what it answers with.
        metrics: Prometheus text, as it is now.
    """
    begun_ns = monotonic_now()

    async def report(request: Request) -> Response:
        asked = request.query_params.getlist("symbol")
        if len(asked) != 1:
            return _response(misspelt("the parameter symbol must be given once, as symbol=BTC-USDT"))
        return _response(await answers.report(asked[0]))

    async def symbols(request: Request) -> Response:
        return _response(await answers.symbols())

    async def health(request: Request) -> Response:
        is_there = await answers.is_there()
        words = ("ok", "ok") if is_there else ("degraded", "unavailable")
        uptime_s = (monotonic_now() - begun_ns) / NS_PER_S
        body = {"status": words[0], "cache": words[1], "uptime_seconds": round(uptime_s, 3)}
        return _json(body, 200 if is_there else 503)

    async def told(request: Request) -> Response:
        return Response(await metrics(), media_type=_PROMETHEUS)

    async def openapi(request: Request) -> Response:
        return _json(document())

    async def schema(request: Request) -> Response:
        return _json(report_schema())

    async def entries(request: Request) -> Response:
        return _json(entry_schema())

    return [
        Route("/api/report", report),
        Route("/api/symbols", symbols),
        Route("/health", health),
        Route("/metrics", told),
        Route("/openapi.json", openapi),
        Route("/schemas/report.json", schema),
        Route("/schemas/event.json", entries),
    ]


def _response(served: Served) -> Response:
    status = 200 if served.error is None else _STATUSES[served.error]
    if served.reason == "timeout":
        status = _TIMEOUT
    return Response(served.body, status, media_type=_JSON)


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=_JSON)


# --- OpenAPI ------------------------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document, made of the schemas that answers are checked with."""
    symbol = {
        "name": "symbol", "in": "query", "required": True, "schema": {"type": "string"},
        "description": "[venue:]BASE-QUOTE, as BTC-USDT; joined, as BTCUSDT, where that can mean one only",
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {"title": "engine reports", "version": engine_version(), "summary": "Live market reports, read only."},
        "paths": {
            "/api/report": _operation(
                "getMarketReport", "The report of a symbol.", "Report", (400, 404, 503, 504), symbol
            ),
            "/api/symbols": _operation("listSymbols", "What there are reports of.", "Symbols", (503, 504)),
        },
        "components": {
            "schemas": {"Report": _inner(report_schema()), "Symbols": _inner(symbols_schema()), "Error": error_schema()}
        },
    }


def _inner(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$schema"}


def _operation(name: str, summary: str, schema: str, refusals: tuple[int, ...], *parameters: Any) -> dict[str, Any]:
    responses = {"200": _answer("as it is now", schema)}
    responses |= {str(status): _answer(_REFUSALS[status], "Error") for status in refusals}
    found = {"operationId": name, "summary": summary, "parameters": list(parameters), "responses": responses}
    return {"get": found}


def _answer(text: str, schema: str) -> dict[str, Any]:
    content = {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": text, "content": content}

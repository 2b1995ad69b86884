"""The MCP server: two tools that only read, and nothing else (MCP-01 to MCP-12, MCP-15)."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import msgspec
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import GetJsonSchemaHandler, RootModel
from pydantic_core import CoreSchema

from engine.base.version import engine_version
from engine.reports.answers import Answers
from engine.reports.reader import Served
from engine.reports.schema import report_schema, symbols_schema

NAME = "engine-reports"
_INSTRUCTIONS = (
    "Live market reports: top of book, depth, walls, flow, anomalies and health of one symbol at one venue. "
    "list_symbols tells what there is; get_report takes SYMBOL as BTC-USDT or venue:BTC-USDT. "
    "Look at ingestion.status and data_age_ms before you rely on a figure; null means not known."
)


class Report(RootModel[dict[str, Any]]):
    """A report as an MCP result; it was checked where it came from."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The published schema itself."""
        return report_schema()


class Symbols(RootModel[dict[str, Any]]):
    """The known pairs as an MCP result."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The published schema itself."""
        return symbols_schema()


def mcp_server(answers: Answers) -> MCPServer[Any]:
    """A server that answers with *answers*, over whatever transport it is run."""
    root = logging.getLogger()
    before = list(root.handlers)
    server: MCPServer[Any] = MCPServer(
        NAME, instructions=_INSTRUCTIONS, version=engine_version(), log_level="WARNING", subscriptions=False
    )
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)  # the library would print the lines of everybody in this process
    annotations = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )

    @server.tool(annotations=annotations, structured_output=True)
    async def get_report(symbol: str) -> Annotated[CallToolResult, Report]:
        """The newest market report of a symbol, e.g. BTC-USDT or binance:BTC-USDT, as old as it is now."""
        return _result(await answers.report(symbol))

    @server.tool(annotations=annotations, structured_output=True)
    async def list_symbols() -> Annotated[CallToolResult, Symbols]:
        """Every venue and symbol that there is a report of."""
        return _result(await answers.symbols())

    return server


def _result(served: Served) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=served.body.decode())],
        structured_content=msgspec.json.decode(served.body),
        is_error=served.error is not None,
    )

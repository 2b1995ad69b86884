"""The official MCP client of the major before: what it sees of the tools, over HTTP and over a process's streams."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


class Client:
    """Asks once, at the start."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._url: str = config["url"]
        self._symbols: list[str] = config["symbols"]
        self._told: dict[str, Any] = {"version": version("mcp")}

    async def start(self) -> None:
        async with streamablehttp_client(f"{self._url}/mcp") as (read, write, _):
            self._told["http"] = await self._asked(read, write)
        # The library hands on a few variables only: the server finds the packages that it is tested with.
        words = ["-m", "engine", "mcp", "--transport", "stdio", "--url", self._url]
        async with stdio_client(StdioServerParameters(command=sys.executable, args=words)) as (read, write):
            self._told["stdio"] = await self._asked(read, write)

    async def _asked(self, read: Any, write: Any) -> dict[str, Any]:
        async with ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name: tool.outputSchema for tool in (await session.list_tools()).tools}
            calls = [("get_report", {"symbol": symbol}) for symbol in self._symbols] + [("list_symbols", {})]
            answers = [await session.call_tool(name, arguments) for name, arguments in calls]
            return {
                "tools": tools,
                "answers": [
                    {"is_error": one.isError, "content": one.structuredContent, "text": one.content[0].text}
                    for one in answers
                ],
            }

    def tell(self) -> dict[str, Any]:
        return self._told

"""Who may ask at all: the Host it asks for, and the token it shows (MCP-13)."""

from __future__ import annotations

import hmac

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.config.sections_surfaces import McpConfig

_LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")
_SCHEME = "bearer "


class Guard:
    """Lets requests through to an application that name a Host of ours (421) and show the token (401).

    Args:
        inner: the application.
        mcp: which Hosts are ours.
        token: what has to be shown; None = nothing.
    """

    def __init__(self, inner: ASGIApp, mcp: McpConfig, token: str | None) -> None:
        self._inner = inner
        self._hosts = {host.lower() for host in (*_LOCAL, mcp.host, *mcp.allowed_hosts)}
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or hand on one request, as ASGI has it."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if _name_of(headers.get(b"host", b"").decode("latin-1")) not in self._hosts:
                refusal = _refusal(421, "this Host is none of ours: name it in mcp.allowed_hosts")
                await refusal(scope, receive, send)
                return
            if self._token is not None and not self._is_shown(headers.get(b"authorization", b"")):
                refusal = _refusal(401, "no token, or a wrong one")
                refusal.headers["WWW-Authenticate"] = "Bearer"
                await refusal(scope, receive, send)
                return
        await self._inner(scope, receive, send)

    def _is_shown(self, header: bytes) -> bool:
        scheme, _, shown = header.partition(b" ")
        return scheme.lower() == _SCHEME.strip().encode() and hmac.compare_digest(shown.strip(), self._token or b"")


def _refusal(status: int, message: str) -> Response:
    body = msgspec.json.encode({"error": "refused", "message": message})
    return Response(body, status, media_type="application/json")


def _name_of(host: str) -> str:
    """A Host without its port."""
    name = host.lower()
    return name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]

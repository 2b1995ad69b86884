"""The surface as HTTP: checks whoever asks and what is asked, on its own loop; the engine's loop only answers.

In this order: a trace id; the Host (421); room among the requests in flight (503); the route (404, 405); the token
(401, 403); the query and the body (400, 413); then the engine's loop, waited for no longer than
:data:`ANSWERED_WITHIN_S` (503).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from engine.base.errors import CapacityError, EngineError, EngineGoneError
from engine.base.secrets import mask_text
from engine.config.sections_surfaces import ApiConfig
from engine.runtime.live import LiveEngine
from engine.runtime.surface.calls import Answer, Call, Refusal, refusal_of
from engine.runtime.surface.openapi import document
from engine.runtime.surface.requests import TelemetryQuery
from engine.runtime.surface.routes import OPENAPI_PATH, ROUTES, Access, Route
from engine.runtime.surface.texts import Texts
from engine.runtime.surface.tokens import Caller, Tokens
from engine.runtime.surface.views import Newer, newer, shown

ANSWERED_WITHIN_S = 10.0
IN_FLIGHT_MAX = 64
TRACE_HEADER = "X-Trace-Id"
_STREAM = "text/event-stream"
_STREAM_LOOKS_EVERY_S = 0.25
_TRACE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CODES = {400: "invalid_request", 401: "auth", 404: "not_found", 405: "invalid_request", 413: "invalid_request"}
_LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")
Found = TypeVar("Found")
log = logging.getLogger("engine.api")


class Server:
    """Answers requests, on the surface's loop.

    Args:
        api: the configuration's section.
        tokens: who may ask.
        live: the engine.
        stop: ends the run in order; called on the engine's loop.
    """

    def __init__(
        self,
        api: ApiConfig,
        tokens: Tokens,
        live: LiveEngine,
        stop: Callable[[], None],
    ) -> None:
        self._tokens = tokens
        self._live = live
        self._stop = stop
        self._hosts = {host.lower() for host in (*_LOCAL, api.host, *api.allowed_hosts)}
        self._in_flight = 0
        self._texts = Texts()
        self._body_bytes_max = api.max_body_bytes

    def application(self) -> web.Application:
        """What a site serves."""
        application = web.Application(client_max_size=self._body_bytes_max, middlewares=[self._around])
        for route in ROUTES:
            application.router.add_route(route.method, route.path, partial(self._answer, route))
        application.router.add_get(OPENAPI_PATH, self._openapi, allow_head=False)
        return application

    # -- around every request -----------------------------------------------------------------------------------

    @web.middleware
    async def _around(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get(TRACE_HEADER, "")
        trace_id = given if _TRACE.fullmatch(given) else str(uuid.uuid4())
        request["trace_id"] = trace_id
        try:
            response = await self._within_bounds(request, handler)
        except Refusal as refusal:
            response = _refused(refusal, trace_id)
        except EngineError as error:
            response = _refused(refusal_of(error), trace_id)
        except web.HTTPException as error:
            response = _refused(_of_library(error), trace_id)
            response.headers.update({name: value for name, value in error.headers.items() if name == "Allow"})
        except Exception:
            log.exception("%s %s, trace_id %s", request.method, request.path, trace_id)
            response = _refused(Refusal(500, "internal", "the engine failed to answer", "see its log"), trace_id)
        if not response.prepared:
            response.headers[TRACE_HEADER] = trace_id
        return response

    async def _within_bounds(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if _name_of(host) not in self._hosts:
            raise Refusal(421, "invalid_request", f"Host {host[:100]!r} is none of this engine's",
                          "name it in api.allowed_hosts")  # fmt: skip
        if self._in_flight >= IN_FLIGHT_MAX:
            raise Refusal(503, "unavailable", f"{IN_FLIGHT_MAX} requests are in flight", "ask again in a moment")
        self._in_flight += 1
        try:
            return await handler(request)
        finally:
            self._in_flight -= 1

    def _caller(self, request: web.Request, access: Access) -> Caller:
        """Who asks.

        Raises:
            Refusal: no token, a wrong one, or one that does not reach so far.
        """
        caller = self._tokens.caller(request.headers.get("Authorization", ""))
        if access is Access.OPEN and not caller.is_known and not is_local(request.remote):
            raise _unknown()
        if access is not Access.OPEN and not caller.is_known:
            raise _unknown()
        if not access.admits(caller):
            whose = f"a token of consumer {caller.consumer_id}" if caller.consumer_id else "the read-only token"
            raise Refusal(403, "auth", f"{request.method} {request.path} is not for {whose}",
                          "ask with the full token")  # fmt: skip
        return caller

    # -- answers ------------------------------------------------------------------------------------------------

    async def _answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        caller = self._caller(request, route.access)
        try:
            query = route.convert_query(dict(request.query))
            body = None if route.body is None else msgspec.json.decode(await request.read() or b"{}", type=route.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(400, "invalid_request", mask_text(str(error))) from None
        if route.path == "/telemetry" and _STREAM in request.headers.get("Accept", ""):
            return await self._stream(request, query)
        call = Call(self._live, self._stop, caller, dict(request.match_info), query, body, self._texts)
        answer: Answer = await self._on_engine(partial(route.handler, call))
        return _json(answer.made(), answer.status)

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        self._caller(request, Access.ANY)
        return _json(document())

    async def _stream(self, request: web.Request, query: TelemetryQuery) -> web.StreamResponse:
        """Telemetry as server-sent events, from ``since_id`` on, until the reader or the engine goes."""
        response = web.StreamResponse(headers={
            "Content-Type": _STREAM, "Cache-Control": "no-store", TRACE_HEADER: request["trace_id"],
        })  # fmt: skip
        await response.prepare(request)
        # A reader that stays is no request in flight: sixty-four of them must not shut the others out.
        self._in_flight -= 1
        try:
            with suppress(ConnectionError, EngineError):
                while True:
                    rows, since_id, missed = shown(
                        await self._on_engine(partial(self._newer, query)), query, self._texts
                    )  # fmt: skip
                    lines = [f"event: missed\ndata: {missed}\n\n".encode()] if missed and query.since_id else []
                    lines += [b"data: " + bytes(row) + b"\n\n" for row in rows]
                    if lines:
                        await response.write(b"id: %d\n" % since_id + b"".join(lines))
                    query = msgspec.structs.replace(query, since_id=since_id)
                    await asyncio.sleep(_STREAM_LOOKS_EVERY_S)
        finally:
            self._in_flight += 1
        return response

    async def _newer(self, query: TelemetryQuery) -> Newer:
        return newer(self._live, query.since_id)

    async def _on_engine(self, work: Callable[[], Awaitable[Found]]) -> Found:
        """Run *work* on the engine's loop, and wait for what it returns or raises.

        Raises:
            EngineGoneError: the engine stops.
            CapacityError: no answer in time.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Found] = loop.create_future()

        def settle(found: Found | None, error: BaseException | None) -> None:
            if waiting.done():
                return
            if error is None:
                waiting.set_result(found)  # type: ignore[arg-type]
            else:
                waiting.set_exception(error)

        def tell(found: Found | None, error: BaseException | None) -> None:
            with suppress(RuntimeError):  # the surface has closed
                loop.call_soon_threadsafe(settle, found, error)

        async def doing() -> None:
            try:
                tell(await work(), None)
            except Exception as error:
                tell(None, error)
            except asyncio.CancelledError:
                tell(None, _gone())
                raise

        def begin() -> None:
            task = doing()
            try:
                self._live.scope.start(task)
            except RuntimeError:
                task.close()
                tell(None, _gone())

        post = self._live.engine.post
        if post is None:
            raise _gone()
        try:
            post(begin)
        except RuntimeError:
            raise _gone() from None
        try:
            return await asyncio.wait_for(waiting, ANSWERED_WITHIN_S)
        except TimeoutError:
            late = f"the engine's loop has not answered within {ANSWERED_WITHIN_S:g} s"
            raise CapacityError(late, op="api.call", hint="it is held up; see loop.stalled in its log") from None


def _gone() -> EngineGoneError:
    return EngineGoneError("the engine is stopping", op="api.call")


def _unknown() -> Refusal:
    return Refusal(401, "auth", "a token is needed: Authorization: Bearer TOKEN",
                   "the variable of api.token_env holds it, else the file api.token in engine.state_dir")  # fmt: skip


def _of_library(error: web.HTTPException) -> Refusal:
    if error.status == 405:
        return Refusal(405, "invalid_request", error.reason, "GET /openapi.json lists every route and its methods")
    if error.status == 404:
        return Refusal(404, "not_found", "there is no such route", "GET /openapi.json lists every route")
    if error.status == 413:
        return Refusal(413, "invalid_request", "the body is too large", "see api.max_body_bytes")
    return Refusal(error.status, _CODES.get(error.status, "internal"), error.reason)


def _name_of(host: str) -> str:
    """A Host header without its port."""
    return host[: host.index("]") + 1].lower() if "]" in host else host.partition(":")[0].lower()


def is_local(address: str | None) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address((address or "").partition("%")[0]).is_loopback
    except ValueError:
        return False


def _json(body: Any, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)


def _refused(refusal: Refusal, trace_id: str) -> web.Response:
    error = {"code": refusal.code, "message": mask_text(refusal.message), "hint": refusal.hint, "trace_id": trace_id}
    response = _json({"error": error}, refusal.status)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response

"""Asks a running engine over its operator's surface."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from engine.base import errors

if TYPE_CHECKING:
    from engine.cli.common import Flags

_TEXT = re.compile(r"\[(?P<who>[^\]]*)\] (?P<op>\S+) failed: (?P<reason>.*) \(code: \w+\)", re.DOTALL)
_ERROR_OF_CODE: Mapping[str, Callable[..., errors.EngineError]] = {
    "auth": errors.NotPermittedError,
    "invalid_request": errors.ValidationError,
    "not_found": errors.UnknownSymbolError,
    "conflict": errors.ConflictError,
    "rate_limited": errors.RateLimitedError,
    "exchange_error": errors.ExchangeError,
    "network": errors.NetworkError,
    "unavailable": errors.UnavailableError,
}
_UNPROCESSABLE = 422
_ANSWERED_WITHIN_S = 15.0


class ApiClient:
    """One engine, asked in one call of the command.

    Args:
        url: where it answers.
        token: shown with every request; empty = none is known.
        certificate: believed besides those that this machine believes; None = no other.
    """

    def __init__(self, url: str, token: str, certificate: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = _trusting(certificate)

    def ask(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Mapping[str, Any] | None = None,
        taken: tuple[int, ...] = (),
    ) -> Any:
        """What it answers.

        Args:
            method: of HTTP.
            path: of the route.
            query: values that are None are left out.
            body: likewise.
            taken: statuses that are answers as well, though not of success.

        Raises:
            EngineGoneError: no engine answers there.
            EngineError: it refuses.
        """
        from engine.runtime.live import run_on_loop

        return run_on_loop(self._ask(method, path, _set(query), body, taken))

    async def _ask(
        self, method: str, path: str, query: dict[str, str], body: Mapping[str, Any] | None, taken: tuple[int, ...]
    ) -> Any:
        data = None if body is None else msgspec.json.encode({k: v for k, v in body.items() if v is not None})
        limit = aiohttp.ClientTimeout(total=_ANSWERED_WITHIN_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, headers=self._headers) as session,
                session.request(method, self.url + path, params=query, data=data, ssl=self._tls) as response,
            ):
                return _taken(response.status, await response.read(), taken)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._gone(error) from error

    async def events(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[Any]:
        """What it tells, as it tells it.

        Raises:
            EngineGoneError: no engine answers there.
            EngineError: it refuses.
        """
        headers = {**self._headers, "Accept": "text/event-stream"}
        limit = aiohttp.ClientTimeout(total=None, sock_connect=_ANSWERED_WITHIN_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, headers=headers) as session,
                session.get(self.url + path, params=_set(query), ssl=self._tls) as response,
            ):
                if response.status != 200:
                    _taken(response.status, await response.read(), ())
                async for line in response.content:
                    if line.startswith(b"data: "):
                        yield msgspec.json.decode(line[len(b"data: ") :])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._gone(error) from error

    def _gone(self, error: BaseException) -> errors.EngineGoneError:
        why = str(error) or type(error).__name__
        hint = "start one with `engine-run run`, or name it with --api URL"
        return errors.EngineGoneError(f"no engine answers at {self.url}: {why}", op="ctl", hint=hint)


def client_of(flags: Flags) -> ApiClient:
    """The engine that a call of the command is about, and the token for it.

    Raises:
        ConfigError: the configuration that tells has faults.
    """
    from engine.runtime.statedir import ADDRESS_FILE, TOKEN_FILE

    config = flags.load(needs_variables=False)
    state = Path(config.engine.state_dir)
    api = config.api
    configured = f"{'http' if api.tls_cert is None else 'https'}://{api.host}:{api.port}"
    url = flags.api or _read(state / ADDRESS_FILE) or configured
    return ApiClient(url, os.environ.get(api.token_env) or _read(state / TOKEN_FILE), api.tls_cert)


def _trusting(certificate: str | None) -> ssl.SSLContext | bool:
    """How a server is verified: the engine's own certificate is believed, whoever has signed it.

    Raises:
        ConfigError: it cannot be read.
    """
    if certificate is None:
        return True
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(certificate)
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(f"api.tls_cert {certificate} cannot be used: {error}", op="ctl") from error
    return context


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _set(query: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (query or {}).items() if value is not None}


def _taken(status: int, raw: bytes, taken: tuple[int, ...]) -> Any:
    try:
        answer = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise errors.ProtocolError(f"status {status} and no JSON: is that an engine?", op="ctl") from None
    if status < 400 or status in taken:
        return answer
    told = answer.get("error", {}) if isinstance(answer, dict) else {}
    code, message = str(told.get("code")), str(told.get("message"))
    found = _TEXT.fullmatch(message)
    make = _ERROR_OF_CODE.get(code, errors.InternalError)
    if status == _UNPROCESSABLE:
        make = errors.InvalidRequestError
    who = found["who"] if found else errors.OWN_NAME
    raise make(
        found["reason"] if found else message,
        op=found["op"] if found else "ctl",
        provider=None if who == errors.OWN_NAME else who,
        hint=str(told.get("hint")),
        trace_id=told.get("trace_id"),
    )

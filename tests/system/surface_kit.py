"""A running engine with its operator's surface, asked from outside by the standard library alone."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

FULL, READ, TAPE = "full-token-of-the-test", "read-token-of-the-test", "tape-token-of-the-test"
TOKENS = {"DESK_TOKEN": FULL, "DESK_READ_TOKEN": READ, "DESK_TAPE_TOKEN": TAPE}
CONFIG = {
    "schema_version": 1,
    "api": {"port": 0, "token_env": "DESK_TOKEN", "read_token_env": "DESK_READ_TOKEN", "max_body_bytes": 4096,
            "allowed_hosts": ["desk.example"]},
    "mcp": {"enabled": False},
    "providers": [
        {"name": "binance", "venue": "binance", "symbols": ["BTC-USDT"], "streams": ["book", "trade"]},
        {"name": "kraken", "venue": "kraken", "symbols": ["BTC-USD", "ETH-USD"], "streams": ["book", "trade"]},
        {"name": "second", "venue": "kraken", "symbols": ["BTC-USD"], "streams": ["trade"]},
    ],
    "consumers": [
        {"consumer_id": name, "mode": "inline", "handler": "engine.runtime.samples:TradeTape", **more,
         "subscriptions": [{"symbol": "BTC-USD", "event_types": ["Trade"]}]}
        for name, more in (("tape", {"token_env": "DESK_TAPE_TOKEN"}), ("other", {}))
    ],
}  # fmt: skip


@dataclass
class Answered:
    """Status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        """The body of a refusal."""
        assert set(self.body) == {"error"}
        assert set(self.body["error"]) == {"code", "message", "hint", "trace_id"}
        assert self.body["error"]["trace_id"] == self.headers["x-trace-id"]
        found: dict[str, Any] = self.body["error"]
        return found


class Contract:
    """What an OpenAPI document promises of answers; every one that a test gets is held against it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._checks: dict[tuple[str, str, int], Draft202012Validator] = {}

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """The route that a path falls under, the most literal one, and its operation."""
        parts = path.partition("?")[0].split("/")
        fitting = [
            template for template in self.document["paths"]
            if len(told := template.split("/")) == len(parts)
            and all(a == b or (a.startswith("{") and b) for a, b in zip(told, parts, strict=True))
        ]  # fmt: skip
        told = min(fitting, key=lambda template: template.count("{"), default="")
        operation = self.document["paths"].get(told, {}).get(method.lower())
        return None if operation is None else (told, operation)

    def faults(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What about an answer the document does not promise."""
        found = self.operation(method, path)
        if found is None:
            return [] if status in (404, 405, 421) else [f"{method} {path} is not in the document, and answered {status}"]
        template, operation = found
        if str(status) not in operation["responses"]:
            return [f"{method} {template} may not answer {status}"]
        key = (method, template, status)
        if key not in self._checks:
            schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
            self._checks[key] = Draft202012Validator({**schema, "components": self.document["components"]})
        return [f"{method} {template} {status} {list(one.absolute_path)}: {one.message[:200]}" for one in self._checks[key].iter_errors(body)]


@dataclass
class Desk:
    """The running engine."""

    process: subprocess.Popen[str]
    folder: Path
    url: str
    ready: dict[str, Any]
    contract: Contract | None = None
    trusted: Path | None = None
    """The certificate that is believed, where the surface speaks TLS."""

    def _connection(self) -> http.client.HTTPConnection:
        at = urlsplit(self.url)
        host = "127.0.0.1" if at.hostname == "0.0.0.0" else at.hostname or ""
        if self.trusted is None:
            return http.client.HTTPConnection(host, at.port, timeout=20)
        context = ssl.create_default_context(cafile=str(self.trusted))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return http.client.HTTPSConnection(host, at.port, timeout=20, context=context)

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = FULL, raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """One request on a connection of its own; ``headers`` may replace Host."""
        connection = self._connection()
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {**sent, **(headers or {})})
            response = connection.getresponse()
            found = json.loads(response.read() or b"null")
            if self.contract is not None:
                assert self.contract.faults(method, path, response.status, found) == []
            return Answered(response.status, {k.lower(): v for k, v in response.getheaders()}, found)
        finally:
            connection.close()

    def ctl(self, *words: str, token: str | None = FULL, code: int = 0) -> subprocess.CompletedProcess[str]:
        """``engine-run`` with these words, in the engine's folder."""
        env = {**os.environ, **TOKENS, "DESK_TOKEN": token or ""}
        command = [sys.executable, "-m", "engine", *words]
        done = subprocess.run(command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=40, check=False)  # fmt: skip
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def end(self) -> tuple[int, str]:
        """End it by a signal; exit code and stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def desk(
    folder: Path, *sets: str, config: Mapping[str, Any] = CONFIG, flags: Sequence[str] = ("--simulated-providers",),
    trusted: Path | None = None, **env: str,
) -> Iterator[Desk]:
    """An engine on simulated venues, ready; killed at the end if it still runs."""
    (folder / "engine.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "engine", "run", *flags, "--json"]
    command += [word for text in sets for word in ("--set", text)]
    with subprocess.Popen(command, cwd=folder, env={**os.environ, **TOKENS, **env}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            ready = json.loads(line)["ready"]
            found = Desk(process, folder, ready["api"], ready, trusted=trusted)
            token = {**TOKENS, **env}["DESK_TOKEN"] or (folder / "engine-state" / "api.token").read_text()
            found.contract = Contract(found.ask("GET", "/openapi.json", token=token).body)
            yield found
        finally:
            with suppress(ProcessLookupError):
                process.kill()

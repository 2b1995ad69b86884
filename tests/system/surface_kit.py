"""A running engine with its operator's surface, asked from outside by the standard library alone."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FULL, READ, TAPE = "full-token-of-the-test", "read-token-of-the-test", "tape-token-of-the-test"
TOKENS = {"DESK_TOKEN": FULL, "DESK_READ_TOKEN": READ, "DESK_TAPE_TOKEN": TAPE}
CONFIG = {
    "schema_version": 1,
    "api": {"port": 0, "token_env": "DESK_TOKEN", "read_token_env": "DESK_READ_TOKEN", "max_body_bytes": 4096,
            "allowed_hosts": ["desk.example"]},
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


@dataclass
class Desk:
    """The running engine."""

    process: subprocess.Popen[str]
    folder: Path
    url: str
    ready: dict[str, Any]

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = FULL, raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """One request on a connection of its own; ``headers`` may replace Host."""
        at = urlsplit(self.url)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=20)
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {**sent, **(headers or {})})
            response = connection.getresponse()
            found = json.loads(response.read() or b"null")
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
    folder: Path, *sets: str, config: Mapping[str, Any] = CONFIG, flags: Sequence[str] = ("--simulated-providers",), **env: str
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
            yield Desk(process, folder, ready["api"], ready)
        finally:
            with suppress(ProcessLookupError):
                process.kill()

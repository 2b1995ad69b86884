"""Who may read reports and how long it may take, as configured (MCP-09, MCP-13); needs no server's packages."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from engine.base.errors import ConfigError
from engine.base.secrets import register_secret
from engine.config.sections_surfaces import McpConfig
from engine.reports.answers import Answers, ReportSource


def token_of(mcp: McpConfig, env: Mapping[str, str]) -> str | None:
    """The token that whoever asks has to show; None = none.

    Raises:
        ConfigError: others than this machine could ask, and nothing says that they may.
    """
    if mcp.auth_token_env is not None:
        token = env.get(mcp.auth_token_env, "")
        if not token:
            raise ConfigError(f"mcp.auth_token_env: the variable {mcp.auth_token_env} is not set", op="mcp.start")
        register_secret(token)
        return token
    if not is_loopback(mcp.host) and not mcp.allow_unauthenticated:
        raise ConfigError(
            f"mcp.host {mcp.host} is not of this machine alone: that needs mcp.auth_token_env", op="mcp.start",
            hint="keep mcp.host at 127.0.0.1, or let everybody read with mcp.allow_unauthenticated: true",
        )  # fmt: skip
    return None


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def answers_of(source: ReportSource, mcp: McpConfig) -> Answers:
    """What answers from *source* as the configuration allows."""
    return Answers(source, mcp.deadline_ms, mcp.cache_timeout_ms)

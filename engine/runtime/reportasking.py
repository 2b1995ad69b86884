"""Reports read from elsewhere: of an engine that runs, or from the server that workers write to."""

from __future__ import annotations

import os

from engine.config.sections import EngineConfig
from engine.reports.answers import Answers, ReportSource
from engine.reports.facade import FacadeSource
from engine.reports.serving.access import answers_of, token_of
from engine.runtime.storedsource import StoredSource, stored_url

PERSON_WAITS_MS = 5000


def facade_url(config: EngineConfig) -> str:
    """Where reports are read from, as a configuration says: ``cache.url``, else where ``mcp`` listens.

    Of the server that workers write to the name of the variable: its address may hold a password.
    """
    if config.cache.backend == "redis":
        return f"${config.cache.url_env}"
    host = config.mcp.host
    return config.cache.url or f"http://{f'[{host}]' if ':' in host else host}:{config.mcp.port}"


def lone_answers(config: EngineConfig, url: str | None, *, for_person: bool = False) -> Answers:
    """What answers with the reports of a running engine.

    Args:
        config: how long it may take, and the token.
        url: of the engine's reports; None = as configured.
        for_person: who asks would rather wait than be told that it took too long, and wants no line a call.

    Raises:
        ConfigError: the variable of the token, or of the server that workers write to, is not set.
    """
    wait_ms = PERSON_WAITS_MS if for_person else config.mcp.cache_timeout_ms
    where = url or facade_url(config)
    source: ReportSource
    if where == f"${config.cache.url_env}":
        source = StoredSource(config, stored_url(config), wait_ms)
    else:
        source = FacadeSource(where, wait_ms, token_of(config.mcp, os.environ))
    return Answers(source, wait_ms, wait_ms, is_logged=False) if for_person else answers_of(source, config.mcp)

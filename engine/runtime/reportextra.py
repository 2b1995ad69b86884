"""The reports' server, where the packages that it needs are installed: they are an extra of their own."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from engine.base.errors import ConfigError
from engine.config.sections import EngineConfig

if TYPE_CHECKING:
    from engine.runtime.reportserving import EmbeddedSite

PACKAGES = ("mcp", "starlette", "uvicorn")
HINT = "pip install 'engine[mcp]'"

log = logging.getLogger("engine.runtime")


def need_packages() -> None:
    """See that a server of reports can be there.

    Raises:
        ConfigError: a package that it needs is not installed.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise ConfigError(f"serving reports needs the package {package}", op="mcp.start", hint=HINT)


def embedded_site(config: EngineConfig) -> EmbeddedSite | None:
    """The report server of a running engine, its port taken; None, and a line in the log, without its packages.

    Raises:
        ConfigError: as :class:`EmbeddedSite`.
    """
    try:
        need_packages()
    except ConfigError as missing:
        log.warning("%s, so there is none: %s, or set mcp.enabled: false", missing.reason, missing.hint)
        return None
    from engine.runtime.reportserving import EmbeddedSite  # its libraries take a while to load

    return EmbeddedSite(config)

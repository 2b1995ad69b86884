"""Flags every verb has, before or after it, and helpers that refuse a value by naming a valid one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.config.sections import EngineConfig

CONFIG_ENV = "ENGINE_CONFIG"
CONFIG_NAME = "engine.yaml"
LOG_LEVELS = ("debug", "info", "warning", "error")


def one_of(words: Sequence[str]) -> Callable[[Any], Any]:
    """A callback for an option: one of *words*, or absent; a wrong one is refused with the nearest."""

    def check(value: Any) -> Any:
        if value is None or value in words:
            return value
        raise typer.BadParameter(
            f"{value!r} is none of {', '.join(words)}; nearest valid: {nearest(value, words)}"
        )

    return check


def between(low: float, high: float | None = None) -> Callable[[Any], Any]:
    """A callback for an option: a number from *low* to *high*; a wrong one is refused with the nearest."""

    def check(value: Any) -> Any:
        if value is None or (value >= low and (high is None or value <= high)):
            return value
        limit = low if not value >= low else high
        wanted = f"at least {low}" if high is None else f"{low}..{high}"
        raise typer.BadParameter(f"{value} must be {wanted}; nearest valid: {limit}")

    return check


def nearest(word: str, words: Sequence[str]) -> str:
    """The word spelled most like *word*."""
    return difflib.get_close_matches(word, words, n=1, cutoff=0.0)[0]


ConfigFlag = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help=f"Configuration; else ${CONFIG_ENV}, else ./{CONFIG_NAME}."
    ),
]
SetFlag = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Override one value; may be repeated.")
]
LogLevelFlag = Annotated[
    str | None,
    typer.Option(
        "--log-level", metavar="|".join(LOG_LEVELS), help="Logs on stderr.", callback=one_of(LOG_LEVELS)
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Result as JSON.")]


def _check_api(value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{value!r} is no address; nearest valid: http://{value}")
    return value


ApiFlag = Annotated[
    str | None,
    typer.Option(
        "--api", metavar="URL", help="A running engine; else as the configuration says.", callback=_check_api
    ),
]


@dataclass(frozen=True, slots=True)
class Flags:
    """The common flags of one call.

    Attributes:
        config: the file named, or None.
        sets: ``PATH=VALUE`` texts, those before the verb first.
        log_level: None = as configured.
        as_json: whether the result is wanted as JSON.
        api: where the engine that is asked answers; None = as configured.
    """

    config: Path | None = None
    sets: tuple[str, ...] = ()
    log_level: str | None = None
    as_json: bool = False
    api: str | None = None

    def config_path(self) -> Path | None:
        """The file to read: the one named, else $ENGINE_CONFIG, else ./engine.yaml if there, else None."""
        if self.config is not None:
            return self.config
        if named := os.environ.get(CONFIG_ENV):
            return Path(named)
        local = Path(CONFIG_NAME)
        return local if local.exists() else None

    def load(self, *, needs_variables: bool = True) -> EngineConfig:
        """Load the configuration and start the logs as it says.

        Args:
            needs_variables: as of :func:`engine.config.load.load_config`.

        Raises:
            ConfigError: it has faults.
        """
        from engine.config.load import load_config
        from engine.runtime.environment import begin_logging

        level = () if self.log_level is None else (f"log.level={self.log_level}",)
        config = load_config(self.config_path(), (*self.sets, *level), needs_variables=needs_variables)
        begin_logging(config)
        return config


def flags_of(
    ctx: typer.Context,
    config: Path | None = None,
    sets: Sequence[str] | None = None,
    log_level: str | None = None,
    as_json: bool = False,
    api: str | None = None,
) -> Flags:
    """The common flags of this call: those given after the verb count over those before it."""
    before = ctx.obj if isinstance(ctx.obj, Flags) else Flags()
    return Flags(
        config=config or before.config,
        sets=(*before.sets, *(sets or ())),
        log_level=log_level or before.log_level,
        as_json=as_json or before.as_json,
        api=api or before.api,
    )

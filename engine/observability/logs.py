"""Structured logs under the logger ``engine``, to stderr, as JSON lines or as text.

Importing this changes nothing: no handler, no level, no global state. :func:`start_logging` does, for a
program; a library user attaches handlers of their own to the logger ``engine``.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

import msgspec

from engine.base.errors import EngineError
from engine.base.instants import to_rfc3339
from engine.base.secrets import mask_text, mask_value

ROOT = "engine"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FIELDS = "engine_fields"


def with_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``extra`` of a logging call, for lines that carry *fields*."""
    return {_FIELDS: dict(fields)}


class Log:
    """A named logger whose lines carry fields: ``log.info("resync", provider="kraken", reason="gap")``."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{name}")

    def debug(self, message: str, **fields: Any) -> None:
        """Detail for someone looking for a fault."""
        self._line(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """Something an operator expects."""
        self._line(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Something that healed, or will."""
        self._line(logging.WARNING, message, fields)

    def error(self, message: str, error: BaseException | None = None, **fields: Any) -> None:
        """Something that did not; *error* adds its fields, and its stack where it is not one of ours."""
        if isinstance(error, EngineError):
            fields["error"] = error.fields()
        self._line(logging.ERROR, message, fields, None if isinstance(error, EngineError) else error)

    def _line(
        self, level: int, message: str, fields: dict[str, Any], error: BaseException | None = None
    ) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", message, extra=with_fields(fields), exc_info=error)


class _Formatter(logging.Formatter):
    def __init__(self, clock_ns: Callable[[], int]) -> None:
        super().__init__()
        self._clock_ns = clock_ns
        self.common: dict[str, Any] = {}
        """What every line carries."""

    def parts(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: Mapping[str, Any] = {**self.common, **getattr(record, _FIELDS, {})}
        line = {
            "ts": to_rfc3339(self._clock_ns()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # A field may not pass itself off as a part of the line.
        line |= {(f"{key}_" if key in line else key): value for key, value in fields.items()}
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return {key: mask_value(value) for key, value in line.items()}


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON, secrets masked."""
        return mask_text(msgspec.json.encode(self.parts(record), enc_hook=str).decode())


class TextFormatter(_Formatter):
    """``TIME LEVEL logger: message key=value``, one line each, stacks below."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, secrets masked."""
        parts = self.parts(record)
        head = (
            f"{parts.pop('ts')} {parts.pop('level').upper():7} {parts.pop('logger')}: {parts.pop('message')}"
        )
        stack = parts.pop("stack", "")
        fields = "".join(f" {key}={_word(value)}" for key, value in parts.items())
        return mask_text(head.replace("\n", "\\n") + fields + (f"\n{stack}" if stack else ""))


def start_logging(
    level: str = "info",
    format: Literal["json", "text"] = "json",
    stream: TextIO | None = None,
    clock_ns: Callable[[], int] = time.time_ns,
) -> None:
    """Send the lines of the logger ``engine`` to *stream*, in place of where an earlier call sent them.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        format: ``json`` or ``text``.
        stream: None = stderr as it is now.
        clock_ns: UTC nanoseconds now, for the time of a line.
    """
    stop_logging()
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.set_name(ROOT)
    handler.setFormatter(JsonFormatter(clock_ns) if format == "json" else TextFormatter(clock_ns))
    logger = logging.getLogger(ROOT)
    logger.addHandler(handler)
    logger.setLevel(LEVELS[level])
    logger.propagate = False


def set_level(level: str) -> None:
    """Show lines from this level up, from now on."""
    logging.getLogger(ROOT).setLevel(LEVELS[level])


def set_common(fields: Mapping[str, Any]) -> None:
    """Have every line carry *fields* from now on, until :func:`start_logging` is called again."""
    for handler in logging.getLogger(ROOT).handlers:
        if handler.get_name() == ROOT and isinstance(handler.formatter, _Formatter):
            handler.formatter.common = dict(fields)


def stop_logging() -> None:
    """Undo :func:`start_logging`; the stream stays open."""
    logger = logging.getLogger(ROOT)
    for handler in [handler for handler in logger.handlers if handler.get_name() == ROOT]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    plain = text and not any(char.isspace() or char in "\"'=" for char in text)
    return text if plain or not isinstance(value, str) else msgspec.json.encode(text).decode()

"""Captures: recorded venue traffic, one JSON line a frame, gzip'd or plain.

Keys of a record: ``ts_ns``, ``venue``, ``channel``, ``conn``, ``url``, ``raw`` and, where they apply,
``dir``, ``kind``, ``name``. Records stand in order of arrival; a ``ts_ns`` below the one before may occur and
is the reader's to deal with.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, Self

import msgspec

from engine.base.errors import MisuseError, ValidationError

GZIP_MAGIC = b"\x1f\x8b"
_BUFFER_BYTES = 1 << 20
_OP = "capture.read"
_LINE_HINT = "correct that line, or remove it"


class CaptureRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One frame, or one body of a REST answer.

    Attributes:
        ts_ns: receive time, nanoseconds since 1970 UTC.
        venue: ``binance``, ``coinbase``, ``kraken``, ``simulated``; a suffix after ``_`` names a variant.
        channel: ``ws`` or ``http``.
        conn: which connection of the recording.
        url: of the connection or the request; None for fixtures.
        raw: the exact text received.
        dir: ``out`` for what the recorder sent; None = received.
        kind: ``fixture`` for a single kept message, ``derived`` for a made one; None = recorded.
        name: where a fixture comes from.
    """

    ts_ns: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    venue: Annotated[str, msgspec.Meta(min_length=1)]
    channel: Literal["ws", "http"]
    conn: int
    url: str | None
    raw: str
    dir: Literal["in", "out"] | None = None
    kind: Literal["fixture", "derived"] | None = None
    name: str | None = None

    @property
    def is_out(self) -> bool:
        """Whether the recorder sent it."""
        return self.dir == "out"


def read_capture(path: str | os.PathLike[str]) -> Iterator[CaptureRecord]:
    """The records of a capture, in file order; gzip is told by its first bytes, not by the name.

    Every whole record before a damaged place is given before the error.

    Raises:
        ValidationError: the file cannot be read, is cut or damaged, or a line is no record. ``path`` and
            ``record`` (0-based) say where, the text says what, ``hint`` says what to do.
    """
    name = os.fspath(path)
    decode = msgspec.json.Decoder(CaptureRecord).decode
    record, line = 0, b""
    try:
        with Path(path).open("rb", buffering=_BUFFER_BYTES) as file:
            for line in _lines(file):
                if not line.isspace():
                    yield decode(line)
                    record += 1
    except msgspec.MsgspecError as error:
        raise _damaged(name, record, _not_text(line) or f"no capture record: {error}", _LINE_HINT) from error
    except EOFError as error:
        raise _damaged(name, record, "the gzip stream ends early", _cut_hint(name, record)) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(name, record, f"damaged gzip data: {error}", _cut_hint(name, record)) from error
    except UnicodeDecodeError as error:  # msgspec before 0.23
        raise _damaged(name, record, _not_text(line), _LINE_HINT) from error
    except OSError as error:
        raise ValidationError(
            f"{name}: cannot be read: {error.strerror}",
            op=_OP,
            path=name,
            hint="check the name and your rights",
        ) from error


def _lines(file: BinaryIO) -> gzip.GzipFile | BinaryIO:
    magic = file.read(len(GZIP_MAGIC))
    file.seek(0)
    return gzip.GzipFile(fileobj=file, mode="rb") if magic == GZIP_MAGIC else file


def _not_text(line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason}"
    return ""


def _damaged(name: str, record: int, what: str, hint: str) -> ValidationError:
    return ValidationError(f"{name}, record {record}: {what}", op=_OP, path=name, record=record, hint=hint)


def _cut_hint(name: str, record: int) -> str:
    if record == 0:
        return "nothing before the damage is whole; fetch the file again"
    rescue = f"gzip -dc {name} | head -n {record} | gzip > whole.jsonl.gz"
    return f"the {record} records before it are whole; keep them with: {rescue}"


class CaptureWriter:
    """Writes a capture; a context manager. The same records give the same bytes.

    Args:
        path: the file to make or replace; gzip'd if it ends in ``.gz``.

    Raises:
        ValidationError: the file cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._encoder = msgspec.json.Encoder()
        self._closed = False
        name = os.fspath(path)
        try:
            self._file: BinaryIO = Path(path).open("wb", buffering=_BUFFER_BYTES)  # noqa: SIM115
        except OSError as error:
            raise ValidationError(
                f"{name}: cannot be written: {error.strerror}", op="capture.write", path=name
            ) from error
        # No name and no time in the header: equal contents are equal files.
        self._lines: gzip.GzipFile | BinaryIO = (
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._file, mtime=0)
            if name.endswith(".gz")
            else self._file
        )

    def write(self, record: CaptureRecord) -> None:
        """Append one record.

        Raises:
            MisuseError: the writer is closed.
        """
        if self._closed:
            raise MisuseError("the capture is closed", op="capture.write")
        self._lines.write(self._encoder.encode(record) + b"\n")

    def close(self) -> None:
        """Finish the file; again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._lines is not self._file:
            self._lines.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

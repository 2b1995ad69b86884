"""Capture files as a recorder writes them: complete up to a kill, and a new one when the last is large enough."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from engine.base.errors import MisuseError, ValidationError
from engine.runtime.capture import CaptureRecord

MEMBER_BYTES = 256 * 1024
"""Text of one gzip member: what a kill may cost is less than that, and what was written before is whole."""
_GZIP_WBITS = 31
_LEVEL = 3


class TapeFiles:
    """Writes records to ``NAME-0001.jsonl.gz`` and on; each file is a chain of whole gzip members.

    Args:
        folder: made if it is not there.
        name: of the files.
        rotate_bytes: a file that has grown past this is the last of its kind; a new one is begun.

    Raises:
        ValidationError: the folder or the first file cannot be made.
    """

    def __init__(self, folder: Path, name: str, rotate_bytes: int) -> None:
        self.paths: list[Path] = []
        self.records = 0
        self._folder = folder
        self._name = name
        self._rotate_bytes = rotate_bytes
        self._encode = msgspec.json.Encoder().encode
        self._text = bytearray()
        self._written_bytes = 0
        self._file: BinaryIO | None = None
        self._begin()

    @property
    def is_full(self) -> bool:
        """Whether the file at hand has reached its size."""
        return self._written_bytes >= self._rotate_bytes

    def write(self, record: CaptureRecord) -> None:
        """Append a record; it is in the file after the next flush(), or once enough others have come."""
        self._text += self._encode(record)
        self._text += b"\n"
        self.records += 1
        if len(self._text) >= MEMBER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Put what was appended into the file.

        Raises:
            MisuseError: it is closed.
            ValidationError: the disk does not take it.
        """
        if self._file is None:
            raise MisuseError("the recording is closed", op="record.write")
        if not self._text:
            return
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
        member = compressor.compress(self._text) + compressor.flush()
        self._text.clear()
        try:
            self._file.write(member)
        except OSError as error:
            raise _refused(self.paths[-1], error) from error
        self._written_bytes += len(member)

    def rotate(self) -> None:
        """Finish the file at hand and begin the next."""
        self.close()
        self._begin()

    def close(self) -> None:
        """Finish the file at hand; again does nothing."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        path = self._folder / f"{self._name}-{len(self.paths) + 1:04}.jsonl.gz"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what write() has returned from survives the process.
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb", buffering=0)
        except OSError as error:
            raise _refused(path, error) from error
        self.paths.append(path)
        self._written_bytes = 0


def _refused(path: Path, error: OSError) -> ValidationError:
    return ValidationError(f"{path}: cannot be written: {error.strerror}", op="record.write", path=str(path))

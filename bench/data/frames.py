"""The corpora as ``engine.bench.data`` makes them, with the folder of captures a source tree has beside it."""
import os
from pathlib import Path

from engine.bench.data.corpus import CAPTURES_ENV
from engine.bench.data.frames import (
    CORPORA,
    CapturesMissingError,
    Corpus,
    depth_only,
    futures_sized,
    load,
    loop,
)

__all__ = ["CORPORA", "CapturesMissingError", "Corpus", "depth_only", "futures_sized", "load", "loop"]

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "captures"
if _BESIDE.is_dir():
    os.environ.setdefault(CAPTURES_ENV, str(_BESIDE))

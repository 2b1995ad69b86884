#!/usr/bin/env python3
"""Writes docs/schemas/*.json and docs/metrics.md anew from the code; tests/test_schemas.py fails while they differ."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.cli.documents import schemas
from engine.observability.metrics import page

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "schemas"
SHIPPED = ROOT / "engine" / "schema" / "event.schema.json"
"""What publishers elsewhere validate against comes with the package as well (BUS-30)."""


def text_of(schema: object) -> str:
    """A schema as it is published."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def main() -> None:
    """Write each schema and the page of metrics; remove what is no longer made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = {FOLDER / f"{name}.json": text_of(schema) for name, schema in schemas().items()}
    for path in FOLDER.glob("*.json"):
        if path not in made:
            path.unlink()
    made[FOLDER.parent / "metrics.md"] = page()
    made[SHIPPED] = made[FOLDER / SHIPPED.name]
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

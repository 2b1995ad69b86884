"""Every key of the configuration by its path, found by walking the sections: ``providers[].book.emit``."""

import difflib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from engine.config.sections import EngineConfig
from engine.config.types import Section


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key.

    Attributes:
        field: its declaration.
        section: the section class it opens, for a key that holds a section or a list of them.
        many: whether it holds a list of sections.
    """

    field: FieldInfo
    section: type[Section] | None
    many: bool

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.field.is_required()

    def range_text(self, kind: str) -> str:
        """``an integer 1..5000`` from the declared bounds; *kind* is the wording of the type."""
        low = next((f"{m.ge}" for m in self.field.metadata if isinstance(m, Ge)), "")
        high = next((f"{m.le}" for m in self.field.metadata if isinstance(m, Le)), "")
        above = next((f" above {m.gt}" for m in self.field.metadata if isinstance(m, Gt)), "")
        if low and high:
            return f"exactly {low}" if low == high else f"{kind} {low}..{high}"
        return kind + above + (f" from {low}" if low else "") + (f" up to {high}" if high else "")


@cache
def known_keys() -> Mapping[str, KeyInfo]:
    """All keys by their path with ``[]`` for any index; sections and lists of sections included."""
    return dict(_walk(EngineConfig, ""))


def leaf_keys() -> tuple[str, ...]:
    """The keys that hold a value of their own, not a section."""
    return tuple(path for path, info in known_keys().items() if info.section is None)


def nearest_key(pattern: str) -> str | None:
    """The key beside *pattern* that is spelled most like it, or None."""
    parent, _, name = pattern.rpartition(".")
    prefix = f"{parent}." if parent else ""
    beside = [
        path[len(prefix) :]
        for path in known_keys()
        if path.startswith(prefix) and "." not in path[len(prefix) :] and "[" not in path[len(prefix) :]
    ]
    found = difflib.get_close_matches(name, beside, n=1, cutoff=0.5)
    return found[0] if found else None


def _walk(section: type[Section], prefix: str) -> Iterator[tuple[str, KeyInfo]]:
    for name, field in section.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner, many = _section_of(field.annotation)
        yield path, KeyInfo(field, inner, many)
        if inner is not None:
            yield from _walk(inner, f"{path}[]." if many else f"{path}.")


def _section_of(annotation: Any) -> tuple[type[Section] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    if typing.get_origin(annotation) is tuple:
        item = typing.get_args(annotation)[0]
        if isinstance(item, type) and issubclass(item, Section):
            return item, True
    return None, False

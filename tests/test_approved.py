"""ORDM-04, RSK-01: only risk builds an approved order: elsewhere it raises, and who reaches for the builder fails here."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.base.errors import MisuseError
from engine.schema.approved import ApprovedOrder
from tests.static.imports import read_tree

MODULE = "engine.schema.approved"
HOME = {"engine/schema/approved.pxd", "engine/schema/approved.pyi", "pyx/schema/approved.pyx"}
RISK = {"pyx/orders/risk.pyx", "engine/orders/risk.pxd"}


def reached(root: Path) -> Iterator[str]:
    """Where Cython code outside risk takes something from the module: by cimport the builder is in reach."""
    for source in read_tree(root):
        place = source.path.as_posix()
        if source.path.suffix in (".pyx", ".pxd") and place not in HOME | RISK:
            yield from (f"{place}:{item.line}" for item in source.imports if f"{item.target}.".startswith(f"{MODULE}."))


@pytest.mark.lint
@pytest.mark.timeout(30)  # seconds of CPU, on a machine that may be busy
def test_ordm_04_risk_alone_reaches_the_builder(project_root: Path) -> None:
    assert list(reached(project_root)) == []


@pytest.mark.lint
@pytest.mark.parametrize(
    "line",
    [
        "from engine.schema.approved cimport make_approved",
        "from engine.schema.approved cimport ApprovedOrder",
        "cimport engine.schema.approved",
        "cimport engine.schema.approved as approved",
        "from engine.schema cimport approved",
    ],
)
@pytest.mark.parametrize("place", ["pyx/orders/desk.pyx", "engine/providers/gateway.pxd"])
def test_ordm_04_a_reach_for_the_builder_is_seen(line: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n", encoding="utf-8")
    (tmp_path / "pyx" / "orders").mkdir(exist_ok=True, parents=True)
    (tmp_path / "pyx" / "orders" / "risk.pyx").write_text("from engine.schema.approved cimport make_approved\n", encoding="utf-8")
    assert list(reached(tmp_path)) == [f"{place}:1"]


@pytest.mark.parametrize("given", [(), (None, "0000d833-6800-8000-89e7-dc0d75d75dbc", None)])
def test_rsk_01_nobody_else_can_build_one(given: tuple[object, ...]) -> None:
    with pytest.raises(MisuseError, match="by risk only"):
        ApprovedOrder(*given)
    with pytest.raises(MisuseError, match="by risk only"):
        ApprovedOrder.__new__(ApprovedOrder)
    with pytest.raises(MisuseError, match="by risk only"):
        copyreg.__newobj__(ApprovedOrder)  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        object.__new__(ApprovedOrder)
    with pytest.raises(TypeError):
        type("Mine", (ApprovedOrder,), {})

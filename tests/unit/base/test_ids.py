"""INS-09: names become dense integers, once."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base.ids import SymbolTable, instrument_count, instrument_id, instrument_key, provider_id, symbol_id


def test_the_engine_itself_is_id_0() -> None:
    assert provider_id("engine") == 0
    assert instrument_id("engine", None) == 0
    assert instrument_key(0) == ("engine", None)


def test_ids_are_dense_and_stay() -> None:
    before = instrument_count()
    first = instrument_id("ids-a", "ONE-USD")
    second = instrument_id("ids-a", "TWO-USD")
    third = instrument_id("ids-b", "ONE-USD")
    assert (first, second, third) == (before, before + 1, before + 2)
    assert [instrument_id("ids-a", "ONE-USD"), instrument_id("ids-b", "ONE-USD")] == [first, third]
    assert instrument_key(second) == ("ids-a", "TWO-USD")
    assert instrument_count() == before + 3
    assert provider_id("ids-a") != provider_id("ids-b")
    assert symbol_id("ONE-USD") != symbol_id("TWO-USD")
    assert instrument_id("ids-a", None) == before + 3


@pytest.mark.parametrize("unknown", [10**6, 2**31, 2**32 - 1])
def test_an_id_that_was_never_given_out_is_refused(unknown: int) -> None:
    with pytest.raises(IndexError, match="only"):
        instrument_key(unknown)


def test_names_are_texts() -> None:
    for call in (provider_id, symbol_id):
        with pytest.raises(TypeError):
            call(None)  # type: ignore[arg-type]


@pytest.mark.property
@given(names=st.lists(st.binary(max_size=24), max_size=200), unknown=st.binary(max_size=24))
def test_a_symbol_table_is_a_dict_of_first_places(names: list[bytes], unknown: bytes) -> None:
    table, twin = SymbolTable(), dict[bytes, int]()
    for name in names:
        assert table.add(name) == twin.setdefault(name, len(twin))
    assert len(table) == len(twin)
    for name, place in twin.items():
        assert table.index(name) == place
    assert table.index(unknown) == twin.get(unknown, -1)


def test_a_symbol_table_grows_and_tells_look_alikes_apart() -> None:
    """Spellings that share length, first and last characters, and differ in the middle only."""
    rng = Random(3)
    names = [b"BEGINNING" + bytes(rng.choices(b"ABCDEFGH", k=6)) + b"THE-END-" for _ in range(3000)]
    table, twin = SymbolTable(), dict[bytes, int]()
    for name in names:
        assert table.add(name) == twin.setdefault(name, len(twin))
    assert all(table.index(name) == place for name, place in twin.items())
    assert table.index(names[0] + b"X") == -1
    assert table.index(b"") == -1


@pytest.mark.parametrize("length", range(40))
def test_a_symbol_of_any_length_is_found_and_its_neighbours_are_not(length: int) -> None:
    table = SymbolTable()
    name = bytes(range(65, 65 + length))
    assert table.add(name) == 0
    assert table.index(name) == 0
    for at in range(length):
        other = name[:at] + b"!" + name[at + 1 :]
        assert table.index(other) == -1
    assert table.index(name + b"\0") == -1

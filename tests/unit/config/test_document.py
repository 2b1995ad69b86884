"""CFG-01: the YAML is read with its lines; keys stand once; scalars are what they look like."""

from __future__ import annotations

from typing import Any

import pytest

from engine.config.document import apply_set, parse, parse_path


def tree_of(text: str) -> Any:
    document = parse(text, "e.yaml")
    assert document.faults == []
    return document.tree


def lines_of(text: str) -> list[str]:
    return [str(fault) for fault in parse(text, "e.yaml").faults]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("on", "on"),
        ("no", "no"),
        ("True", "True"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("1m", "1m"),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    read = tree_of(f"key: {text}")["key"]
    assert read == value
    assert type(read) is type(value)


def test_lines_are_those_of_the_keys() -> None:
    document = parse("a: 1\n\nb:\n  - c: 2\n    d: [3,\n        4]\n", "e.yaml")
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 0, "c"): 4,
        ("b", 0, "d"): 5,
        ("b", 0, "d", 0): 5,
        ("b", 0, "d", 1): 6,
    }


def test_the_place_of_what_is_not_there_is_the_section_around_it() -> None:
    document = parse("a: 1\nb:\n  c: 2\n", "e.yaml")
    assert document.place(("b", "x", "y")) == ("e.yaml", 2)
    assert document.place(("z",)) == ("e.yaml", 1)


def test_repeated_keys_are_faults_with_both_lines() -> None:
    assert lines_of("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n") == [
        "e.yaml:4: b.c: repeated key; first on line 3",
        "e.yaml:5: a: repeated key; first on line 1",
    ]


@pytest.mark.parametrize("key", ["1", "true", "null", "1.5", "[a]"])
def test_keys_must_be_texts(key: str) -> None:
    assert lines_of(f"a: 1\n{key}: 2\n") == ["e.yaml:2: keys must be texts"]


@pytest.mark.parametrize(
    "text", ["a: !!python/none x", "a: !thing {b: 1}", "a: !!int abc", "a: !!bool yes", "a: !!binary aGk="]
)
def test_tags_are_faults(text: str) -> None:
    assert lines_of(text) == ["e.yaml:1: a: a tag or a number that is not read here"]


def test_an_alias_repeats_a_value_but_never_itself() -> None:
    assert tree_of("a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}
    assert lines_of("a: &x\n  - *x\n") == ["e.yaml:1: a[0]: an alias must not contain itself"]


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1", 1), ("a: 1\nb: c: d\n", 2), ("a: 1\n---\nb: 2\n", 2), ("a:\n\t- 1\n", 2)]
)
def test_what_is_no_yaml_says_where(text: str, line: int) -> None:
    (fault,) = lines_of(text)
    assert fault.startswith(f"e.yaml:{line}: not YAML: ")


def test_the_text_of_a_broken_line_is_not_repeated() -> None:
    assert "hunter2" not in " ".join(lines_of("api_secret: hunter2: x\n"))


def test_characters_and_depths_that_yaml_does_not_allow() -> None:
    assert lines_of("a: \x00") == ["e.yaml: not YAML: characters that YAML does not allow"]
    assert lines_of("[" * 100_000) == ["e.yaml: not YAML: nested too deep"]


@pytest.mark.parametrize("text", ["- 1\n", "just words\n"])
def test_a_file_must_be_a_mapping(text: str) -> None:
    assert lines_of(text) == ["e.yaml:1: must be a mapping of sections"]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert parse(text, "e.yaml").tree in ({}, None)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a[0].b[12]", ("a", 0, "b", 12)),
        ("pools.BookUpdate", ("pools", "BookUpdate")),
        ("", None),
        ("a..b", None),
        ("a[x]", None),
        ("[0]", None),
        ("a b", None),
    ],
)
def test_paths(text: str, path: Any) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    ("assignment", "tree"),
    [
        ("a=2", {"a": 2, "b": [{"c": 1}]}),
        ("a=x=y", {"a": "x=y", "b": [{"c": 1}]}),
        ("a=", {"a": "", "b": [{"c": 1}]}),
        ("a={x: [1]}", {"a": {"x": [1]}, "b": [{"c": 1}]}),
        ("b[0].c=5", {"a": 1, "b": [{"c": 5}]}),
        ("b[1].c=5", {"a": 1, "b": [{"c": 1}, {"c": 5}]}),
        ("z.y[0]=5", {"a": 1, "b": [{"c": 1}], "z": {"y": [5]}}),
    ],
)
def test_set(assignment: str, tree: Any) -> None:
    document = parse("a: 1\nb:\n  - c: 1\n", "e.yaml")
    apply_set(document, assignment)
    assert document.faults == []
    assert document.tree == tree


@pytest.mark.parametrize(
    ("assignment", "fault"),
    [
        ("a", "--set: a: must be PATH=VALUE, as log.level=debug"),
        ("a..b=1", "--set: a..b: must be PATH=VALUE, as log.level=debug"),
        ("a.b=1", "--set: a.b: lies below a value that is no section"),
        ("b.c=1", "--set: b.c: lies below a value that is no section"),
        ("a[0]=1", "--set: a[0]: is no list"),
        ("b[3]=1", "--set: b[3]: the list has 1 items; the next index is 1"),
    ],
)
def test_a_set_that_fits_nowhere(assignment: str, fault: str) -> None:
    document = parse("a: 1\nb:\n  - c: 1\n", "e.yaml")
    apply_set(document, assignment)
    assert [str(found) for found in document.faults] == [fault]


def test_a_set_whose_value_is_no_yaml() -> None:
    document = parse("a: 1\n", "e.yaml")
    apply_set(document, "a=[1")
    assert [fault.path for fault in document.faults] == ["a"]
    assert document.tree == {"a": 1}

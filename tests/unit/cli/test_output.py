"""Progress and tables: plain lines where nobody looks, live where somebody does."""

from __future__ import annotations

import io
import json

import pytest

from engine.cli.output import print_json, print_table, progress


class Seconds:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_progress_is_a_line_now_and_then_and_one_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Seconds()
    with progress("replay", 200, "records", clock) as bar:
        bar.update(10)
        clock.now_s += 5
        bar.update(50, "2 gaps")
        bar.update(60)
        clock.now_s += 4.9
        bar.update(70)
        clock.now_s += 0.1
        bar.update(150)
        bar.update(200, "3 gaps")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "replay: 50 of 200 records (25 %), 2 gaps",
        "replay: 150 of 200 records (75 %)",
        "replay: 200 of 200 records (100 %), 3 gaps",
    ]


def test_plain_progress_without_a_total_and_without_a_repeated_last_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Seconds()
    with progress("demo", None, "events", clock) as bar:
        clock.now_s += 5
        bar.update(50)
    assert capsys.readouterr().err.splitlines() == ["demo: 50 events"]


def test_on_a_terminal_a_bar_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("replay", 200, "records") as bar:
        bar.update(200, "[note]")
    drawn = terminal.getvalue()
    assert "replay" in drawn
    assert "200 records" in drawn
    assert "[note]" in drawn


def test_a_plain_table_has_columns_and_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["symbol", "gaps"], [["BTC-USD", 0], ["ETH-USD", 12]], title="books")
    assert capsys.readouterr().out == "books\nsymbol   gaps\nBTC-USD     0\nETH-USD    12\n"


def test_a_plain_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["symbol", "gaps"], [])
    assert capsys.readouterr().out == "symbol  gaps\n"


def test_a_table_on_a_terminal_keeps_square_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    print_table(["path", "n"], [["providers[0]", 1]], title="t")
    assert "providers[0]" in terminal.getvalue()


def test_json_is_one_line_for_a_program_and_indented_for_a_person(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json({"a": [1, 2]})
    assert capsys.readouterr().out == '{"a":[1,2]}\n'
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    print_json({"a": [1, 2]})
    assert terminal.getvalue().count("\n") > 2
    assert json.loads(terminal.getvalue()) == {"a": [1, 2]}

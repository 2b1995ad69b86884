"""captures/README format: read fast, written again the same, damage told with file, record and remedy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import MisuseError, ValidationError
from engine.runtime.capture import CaptureRecord, CaptureWriter, read_capture

RECORDS = [
    CaptureRecord(
        ts_ns=5, venue="kraken", channel="ws", conn=0, url="wss://ws.kraken.com/v2", raw='{"a":"ü\\n"}'
    ),
    CaptureRecord(ts_ns=5, venue="kraken", channel="ws", conn=1, url=None, raw="{}", dir="out"),
    CaptureRecord(
        ts_ns=4, venue="kraken_v1", channel="http", conn=0, url=None, raw="", kind="fixture", name="x"
    ),
]


def write(path: Path, records: list[CaptureRecord]) -> Path:
    with CaptureWriter(path) as writer:
        for record in records:
            writer.write(record)
    return path


def read_until_damage(path: Path) -> tuple[list[CaptureRecord], ValidationError]:
    whole: list[CaptureRecord] = []
    with pytest.raises(ValidationError) as caught:
        whole.extend(read_capture(path))
    return whole, caught.value


def plain(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def line(**changes: Any) -> str:
    record = {"ts_ns": 1, "venue": "kraken", "channel": "ws", "conn": 0, "url": None, "raw": "{}"}
    return json.dumps({key: value for key, value in (record | changes).items() if value is not ...})


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    assert list(read_capture(write(tmp_path / name, RECORDS))) == RECORDS


def test_gzip_is_told_by_its_bytes_not_by_its_name(tmp_path: Path) -> None:
    packed = write(tmp_path / "a.jsonl.gz", RECORDS).rename(tmp_path / "a.jsonl")
    unpacked = write(tmp_path / "b.jsonl", RECORDS).rename(tmp_path / "b.jsonl.gz")
    assert list(read_capture(packed)) == list(read_capture(unpacked)) == RECORDS


def test_the_line_has_the_documented_keys_and_no_more(tmp_path: Path) -> None:
    lines = [json.loads(text) for text in write(tmp_path / "a.jsonl", RECORDS).read_text().splitlines()]
    base = ["ts_ns", "venue", "channel", "conn", "url", "raw"]
    assert [list(found) for found in lines] == [base, [*base, "dir"], [*base, "kind", "name"]]
    assert lines[1]["url"] is None


def test_equal_records_are_equal_files(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl.gz", RECORDS)
    second = write(tmp_path / "other.gz", RECORDS)
    assert first.read_bytes() == second.read_bytes()


def test_the_raw_text_is_exact(tmp_path: Path) -> None:
    raw = '{"p": 1.10,\t"q":"\\u00e9"}  '
    path = plain(tmp_path / "a.jsonl", [line(raw=raw)])
    (record,) = read_capture(path)
    assert record.raw == raw


def test_which_way_a_frame_went() -> None:
    assert [record.is_out for record in RECORDS] == [False, True, False]


def test_time_may_step_back_and_unknown_keys_are_ignored(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.jsonl", [line(ts_ns=9), line(ts_ns=3, recorder="v2")])
    assert [record.ts_ns for record in read_capture(path)] == [9, 3]


def test_an_empty_file_has_no_records_and_blank_lines_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert list(read_capture(tmp_path / "empty")) == []
    path = plain(tmp_path / "a.jsonl", [line(ts_ns=1), "", "  ", line(ts_ns=2)])
    assert [record.ts_ns for record in read_capture(path)] == [1, 2]


def test_the_last_line_needs_no_newline(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line())
    assert len(list(read_capture(path))) == 1


def test_a_cut_gzip_gives_its_whole_records_then_says_how_to_keep_them(tmp_path: Path) -> None:
    records = [
        CaptureRecord(ts_ns=n, venue="kraken", channel="ws", conn=0, url=None, raw=str(n * 7919 % 10007) * 40)
        for n in range(5000)
    ]
    path = write(tmp_path / "a.jsonl.gz", records)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole, error = read_until_damage(path)
    assert 0 < len(whole) < 5000
    assert whole == records[: len(whole)]
    assert (error.path, error.record) == (str(path), len(whole))
    assert f"{path}, record {len(whole)}: the gzip stream ends early" in str(error)
    assert f"gzip -dc {path} | head -n {len(whole)} | gzip" in error.hint


def test_a_cut_header_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"x")[:5])
    whole, error = read_until_damage(path)
    assert (whole, error.record) == ([], 0)
    assert error.hint == "nothing before the damage is whole; fetch the file again"


def test_damaged_gzip_data(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", RECORDS * 100)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    _, error = read_until_damage(path)
    assert error.path == str(path)
    # Inflating may go on for a while; what it yields is then no record, or the checksum at the end is wrong.
    assert any(words in error.reason for words in ("damaged gzip data", "no capture record", "not UTF-8"))


def test_gzip_followed_by_something_else(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.gz", RECORDS)
    path.write_bytes(path.read_bytes() + b"garbage")
    whole, error = read_until_damage(path)
    assert (whole, error.record) == (RECORDS, 3)
    assert "damaged gzip data" in error.reason


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"ts_ns": ...}, "ts_ns"),
        ({"ts_ns": "1"}, "ts_ns"),
        ({"ts_ns": 1.5}, "ts_ns"),
        ({"ts_ns": -1}, "ts_ns"),
        ({"ts_ns": 2**63}, "ts_ns"),
        ({"venue": ...}, "venue"),
        ({"venue": ""}, "venue"),
        ({"channel": "udp"}, "channel"),
        ({"conn": None}, "conn"),
        ({"url": ...}, "url"),
        ({"url": 1}, "url"),
        ({"raw": ...}, "raw"),
        ({"raw": {}}, "raw"),
        ({"dir": "sideways"}, "dir"),
        ({"kind": "made"}, "kind"),
    ],
)
def test_a_line_that_is_no_record_names_the_key(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    path = plain(tmp_path / "a.jsonl", [line(), line(), line(**changes), line()])
    whole, error = read_until_damage(path)
    assert len(whole) == 2
    assert error.record == 2
    assert f"{path}, record 2: no capture record: " in error.reason
    assert what in error.reason
    assert error.hint == "correct that line, or remove it"


@pytest.mark.parametrize("bad", ["{", "[1]", "null", '{"ts_ns":1', "not json"])
def test_a_line_that_is_no_json(tmp_path: Path, bad: str) -> None:
    _, error = read_until_damage(plain(tmp_path / "a.jsonl", [line(), bad]))
    assert error.record == 1


def test_a_line_that_is_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(raw="x").encode().replace(b'"x"', b'"\xff"'))
    _, error = read_until_damage(path)
    assert (error.record, error.reason) == (0, f"{path}, record 0: not UTF-8: invalid start byte")


@pytest.mark.parametrize("name", ["none.jsonl", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    _, error = read_until_damage(tmp_path / name)
    assert (error.path, error.record) == (str(tmp_path / name), None)
    assert "cannot be read" in error.reason


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cannot be written"):
        CaptureWriter(tmp_path / "none" / "a.gz")


def test_a_writer_closes_once_and_then_takes_nothing(tmp_path: Path) -> None:
    writer = CaptureWriter(tmp_path / "a.jsonl.gz")
    writer.close()
    writer.close()
    with pytest.raises(MisuseError, match="closed"):
        writer.write(RECORDS[0])


def test_a_reader_left_early_leaves_nothing_open(tmp_path: Path) -> None:
    records = read_capture(write(tmp_path / "a.jsonl.gz", RECORDS))
    assert next(records) == RECORDS[0]
    records.close()  # type: ignore[attr-defined]

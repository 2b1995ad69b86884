"""The engine's facts of recordings of the plain feed are those of an independent reading, broken ones too (CLI-40)."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.config.load import default_config
from engine.runtime.overwire import replay_over_websocket
from engine.runtime.replay import Replay, ReplayOptions
from engine.runtime.verify import verify
from tests.replay.test_facts import RESPELLINGS, check_against_the_twin, facts_by_engine
from tests.twins import mutate, respell
from tests.twins.capture_io import write_records
from tests.twins.facts_compare import facts_differences
from tests.twins.facts_twin import facts_of
from tests.unit.simulator.plain_recording import SYMBOLS, plain_recording

pytestmark = pytest.mark.replay

Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def recording() -> Records:
    return plain_recording()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulated.jsonl.gz"


def test_a_whole_recording_is_proven_throughout(recording: Records, path: Path) -> None:
    facts = check_against_the_twin(recording, path)
    for symbol in SYMBOLS:
        book = facts["books"][symbol]
        assert book["in_sync"]
        assert book["checksum_ok"] == book["checksums"] == book["last_seq"] > 300
        assert facts["trades"][symbol]["count"] > 20
        assert facts["trades"][symbol]["id_breaks"] == 0
    assert facts["checkpoints"]


@pytest.mark.parametrize("seed", range(6))
def test_losses_repeats_and_swaps(recording: Records, seed: int, path: Path) -> None:
    rng = Random(seed)
    records = recording
    for change in rng.sample((mutate.drop, mutate.duplicate, mutate.swap_neighbours), 2):
        places = rng.choice((mutate.received_frames, mutate.book_frames))
        records = change(records, rng.randrange(1000), rng.randint(1, 3), places)
    check_against_the_twin(records, path)


def test_a_lost_update_is_a_gap_of_its_symbol_alone_BOOK_12(recording: Records, path: Path) -> None:
    lost = next(at for at in mutate.book_frames(recording) if SYMBOLS[0] in recording[at]["raw"])
    facts = check_against_the_twin([one for at, one in enumerate(recording) if at != lost], path)
    gone, kept = (facts["books"][symbol] for symbol in SYMBOLS)
    assert (gone["in_sync"], gone["gaps"], gone["messages_missing"]) == (False, 1, 1)
    assert len(gone["gap_at_record"]) == 1
    assert (kept["in_sync"], kept["gaps"]) == (True, 0)


def test_updates_of_another_connection_are_none_of_the_books(recording: Records, path: Path) -> None:
    places = mutate.book_frames(recording)
    stray = [{**one, "conn": 1} if at in places[40:43] else one for at, one in enumerate(recording)]
    facts = check_against_the_twin(stray, path)
    assert sum(book["gaps"] for book in facts["books"].values()) >= 1


@pytest.mark.parametrize("how", RESPELLINGS)
def test_spelling_changes_nothing(recording: Records, how: str, path: Path) -> None:
    rng = Random(how)
    respelled = respell.respell_records(recording, lambda raw: RESPELLINGS[how](raw, rng))
    facts = check_against_the_twin(respelled, path)
    plain = facts_by_engine(write_records(path, recording))
    for symbol, book in plain["books"].items():
        assert facts["books"][symbol]["book_sha256"] == book["book_sha256"]
        assert facts["books"][symbol]["checksum_ok"] == book["checksums"]


def test_decimals_are_read_off_the_first_snapshot_without_metadata(recording: Records, path: Path) -> None:
    records = [one for one in recording if '"instruments"' not in one["raw"]]
    assert len(records) == len(recording) - 2
    facts = check_against_the_twin(records, path)
    for book in facts["books"].values():
        assert book["checksum_ok"] == book["checksums"] > 300


def test_a_corrupted_level_fails_verification_CLI_41(recording: Records, path: Path) -> None:
    at = mutate.book_frames(recording)[60]
    raw = recording[at]["raw"]
    checksum = raw.rpartition(":")[2].rstrip("}")
    corrupt = {**recording[at], "raw": raw.replace(checksum, str((int(checksum) + 1) % 2**32))}
    write_records(path, [*recording[:at], corrupt, *recording[at + 1 :]])
    result = Replay(path, default_config(), ReplayOptions(with_facts=True)).run()
    assert result.facts is not None
    assert facts_differences(result.facts, facts_of(path)) == []
    verdict = verify(result)
    assert verdict.faults
    assert verdict.faults[0].record == at


def test_over_a_websocket_the_facts_are_the_same(recording: Records, path: Path) -> None:
    write_records(path, recording)
    replay = Replay(path, default_config(), ReplayOptions(with_facts=True))
    facts = replay_over_websocket(replay).facts
    assert facts is not None
    assert facts_differences(facts, facts_of(path)) == []

"""What is counted by valgrind: differences, ratios and conversions, with a valgrind that counts as told; jobs without it."""
import pytest

from bench import instructions, jobs
from bench.peers import processes
from engine.bench.data.generated import generated_spot
from engine.bench.rig import WrongResultError
from engine.bench.sender import framed

FRAMES = 40


@pytest.fixture
def few_frames(monkeypatch):
    monkeypatch.setattr(instructions, "corpus_of", lambda name: generated_spot(FRAMES))
    monkeypatch.setattr(jobs, "LISTENED", 10)


def counting(monkeypatch, costs: dict[str, float], startup: int = 1_000_000, per_cycle: int = 50) -> list[tuple[str, int]]:
    """A valgrind that counts *costs* a message of a job, and what start-up takes."""
    runs: list[tuple[str, int]] = []

    def total(tool: str, job: str, it: object, cycles: int) -> tuple[int, int]:
        runs.append((job, cycles))
        return startup + round(costs[job] * per_cycle * cycles), per_cycle

    monkeypatch.setattr(instructions, "_total", total)
    return runs


def test_start_up_and_moving_the_ids_on_drop_out(monkeypatch, few_frames):
    counting(monkeypatch, {"full": 4000, "ids": 500, "walk": 2000})
    path, _ = instructions.path_rows("spot")
    assert (path.figure, path.baseline_figure) == (3500, 2000)


def test_growth_is_judged_on_as_many_messages_of_each_width(monkeypatch, few_frames):
    def total(tool: str, job: str, it: jobs.Prepared, cycles: int) -> tuple[int, int]:
        symbols = len(it.corpus.symbols)
        if job == "full":
            messages.append(len(it.cycle) * cycles // symbols * symbols)
        a_message = 500 if job == "ids" else 500 + {1: 3000, 2: 3300, 4: 3600}[symbols]
        return 7 * symbols + a_message * 50 * cycles, 50

    messages: list[int] = []
    monkeypatch.setattr(instructions, "_total", total)
    one, few = instructions.growth_rows(streams=4, few=2)
    assert (one.figure, one.met) == (1.2, False)
    assert (round(few.figure, 3), few.met) == (1.091, True)
    assert "3,600 against 3,000" in one.note


def test_what_the_tap_adds_is_judged_for_streams_and_reports(monkeypatch, few_frames):
    counting(monkeypatch, {"full": 4000, "observed": 4300, "ids": 1000})
    rows = list(instructions.observed_rows())
    assert [row.goal for row in rows] == ["G11", "SLO-09"]
    assert all((round(row.figure, 6), row.met) == (1.1, True) for row in rows)
    counting(monkeypatch, {"full": 4000, "observed": 4400, "ids": 1000})
    assert not any(row.met for row in instructions.observed_rows())


def test_what_the_engine_adds_is_told_in_instructions_and_marked_where_it_is_computed(monkeypatch, few_frames):
    counting(monkeypatch, {"bare": 20_000, "listener": 24_000, "single": 5500, "ids": 500})
    monkeypatch.setattr(instructions, "native_ns", lambda it: 400.0)
    counted, computed = instructions.added_rows()
    assert (counted.figure, counted.unit, counted.baseline_figure) == (4000, "instructions", 20_000)
    assert (computed.figure, computed.unit, computed.met) == (pytest.approx(320.0), "ns", True)
    assert computed.note.startswith("computed, not timed")


@pytest.mark.parametrize("job", ["full", "python", "single", "observed", "ids", "walk"])
def test_a_job_answers_the_messages_of_a_cycle(job, few_frames):
    it = jobs.prepared(generated_spot(FRAMES))
    assert jobs.JOBS[job](it, 2) == len(it.cycle)


@pytest.mark.parametrize("job", ["bare", "listener"])
def test_a_job_at_a_socket_takes_one_frame_a_read(job, few_frames, monkeypatch):
    assert jobs.JOBS[job](jobs.listened(generated_spot(FRAMES), 2), 2) == jobs.LISTENED
    monkeypatch.setattr(jobs, "framed", lambda frame: framed(frame) + framed(frame))
    with pytest.raises(WrongResultError, match="frames came in"):
        jobs.JOBS[job](jobs.listened(generated_spot(FRAMES), 2), 2)


def test_environments_of_peers_may_be_named_from_the_folder_one_is_in(monkeypatch, tmp_path):
    (tmp_path / "peers" / "cryptofeed").mkdir(parents=True)
    (tmp_path / "peers" / "cryptofeed" / "ready").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGINE_PEERS", "peers")
    assert processes.environment("cryptofeed") == tmp_path / "peers" / "cryptofeed" / "bin" / "python"

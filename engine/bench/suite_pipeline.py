"""G1 and G2: frames in, callbacks out, everything on; against the bare walk and against what users write."""
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from engine.bench.feeder import Feeder
from engine.bench.measure import Figure, cpu_ns, in_turns
from engine.bench.record import Row
from engine.bench.rig import FRAMES_PER_READ, Rig, cython_consumers, python_consumers
from engine.bench.sources import Note, Played, Sources

Handlers = Callable[[], list[object]]

BASELINE_SECONDS = 1.0
WALK = "bare simdjson walk"
NEEDED = ("orjson", "order_book", "sortedcontainers")


def full_path(
    played: Played, handlers: Handlers, seconds: float, frames_per_read: int
) -> tuple[Figure, Figure]:
    """CPU ns a message of the whole path, and of the bare walk of the same frames, in turns.

    Raises:
        WrongResultError: the books or counts of the last run are wrong.
    """
    feeder = Feeder(played.corpus.frames)
    rigs: list[Rig] = []

    def full() -> float:
        while rigs:
            rigs.pop().close()
        rig = Rig(played.corpus, handlers())
        rigs.append(rig)
        return cpu_ns(lambda: rig.play(feeder, frames_per_read)) / feeder.count

    found = in_turns({"full": full, "walk": lambda: cpu_ns(feeder.walk) / feeder.count}, seconds)
    (rig,) = rigs
    rig.prove(feeder.count, played.tops)
    rig.close()
    return found["full"], found["walk"]


def run(sources: Sources, seconds: float, note: Note) -> Iterator[Row]:
    """Every row of G1 and G2, *seconds* of measuring each."""
    spot, futures = sources.spot(), sources.futures()
    for played, limit, stretch in ((spot, 2.0, 1.6), (futures, 2.5, 2.1)):
        yield from _walk_rows(played, seconds, limit, stretch)
    whole_day = sources.whole_day()
    if whole_day is not None:
        figure, walk = full_path(whole_day, cython_consumers, seconds, FRAMES_PER_READ)
        yield _row("G1", whole_day, 3, "Cython", figure, walk, WALK, FRAMES_PER_READ)
    for played in (spot, futures):
        yield from _python_rows(played, seconds, note)


def _walk_rows(played: Played, seconds: float, limit: float, stretch: float) -> Iterator[Row]:
    figure, walk = full_path(played, cython_consumers, seconds, FRAMES_PER_READ)
    yield _row("G1", played, 3, "Cython", figure, walk, WALK, FRAMES_PER_READ, "at_most_times", limit, stretch)
    figure, walk = full_path(played, cython_consumers, seconds / 2, 1)
    yield _row("G1", played, 3, "Cython", figure, walk, WALK, 1)


def _python_rows(played: Played, seconds: float, note: Note) -> Iterator[Row]:
    figure, walk = full_path(played, python_consumers, seconds, FRAMES_PER_READ)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        note(f"G2 on {played.name}: no hand-rolled baselines without {', '.join(missing)}: pip install 'engine[bench]'")
        yield _row("G2", played, 3, "Python", figure, walk, WALK, FRAMES_PER_READ)
        return
    from engine.bench.baselines.handrolled import run_all

    best, *others = run_all(played.once, min(seconds, BASELINE_SECONDS))
    ns = best.ns_per_message
    yield _row("G2", played, 3, "Python", figure, ns, best.path, FRAMES_PER_READ, "times_faster", 3.5, 5)
    for other in others:
        yield _row("G2", played, 3, "Python", figure, other.ns_per_message, other.path, FRAMES_PER_READ, "times_faster")
    single, walk = full_path(played, python_consumers, seconds / 2, 1)
    yield _row("G2", played, 3, "Python", single, ns, best.path, 1, "times_faster")


def _row(
    goal: str,
    played: Played,
    consumers: int,
    language: str,
    figure: Figure,
    baseline: Figure | float,
    baseline_name: str,
    frames_per_read: int,
    relation: str = "shown",
    limit: float | None = None,
    stretch: float | None = None,
) -> Row:
    read = "one frame per read" if frames_per_read == 1 else f"coalesced, {frames_per_read} frames a read"
    return Row(
        goal=goal,
        case=played.name,
        subject=f"bytes to {consumers} {language} consumers, a message",
        figure=figure.median,
        unit="ns",
        relation=relation,  # type: ignore[arg-type]
        limit=limit,
        stretch=stretch,
        baseline=baseline_name,
        baseline_figure=baseline.median if isinstance(baseline, Figure) else baseline,
        figure_min=figure.least,
        figure_max=figure.most,
        regime=f"{read}, {played.regime}",
        note="one arrival stamp and one drain a read; no kernel, no event loop",
    )

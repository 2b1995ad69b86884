"""SC-15 and SC-20 (LIB-08): the libraries chosen for speed beside those not chosen, on recorded frames, in one run."""
import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from importlib.util import find_spec
from json import loads
from time import thread_time_ns
from typing import IO, Any

import picows
import uvloop

from engine.base.build import planted
from engine.bench.barelistener import BareListener
from engine.bench.children import sending
from engine.bench.data.frames import by_shape
from engine.bench.feeder import Feeder
from engine.bench.measure import REPEATS_MIN, Figure, cpu_ns, in_turns
from engine.bench.record import Row, cores_allowed
from engine.bench.rig import WrongResultError
from engine.bench.sources import Note, Sources

FRAMES = 10_000
RATE_PER_S = 8_000
CORES = 2
SYNTHETIC = b'{"e":"trade"}'
Client = Callable[[str], Coroutine[Any, Any, tuple[int, int]]]
"""Takes everything that comes from a URL; returns frames and bytes."""


def run(sources: Sources, seconds: float, note: Note) -> Iterator[Row]:
    """Every row, *seconds* of measuring each; none without recorded frames, which a seeded market does not replace.

    Raises:
        WrongResultError: frames got lost on the way.
    """
    if not sources.recorded:
        note("SC-15, SC-20: libraries are compared on recorded frames alone, and there are none")
        return
    frames = by_shape(FRAMES)
    yield from json_rows(frames, seconds)
    if find_spec("websockets") is None:
        note("SC-20: no comparison without websockets: pip install 'engine[bench]'")
        return
    mixed = [frame for shape in frames.values() for frame in shape]
    yield socket_row(mixed[:: max(1, int(FRAMES / (RATE_PER_S * max(0.25, seconds / 4))))], RATE_PER_S)


def named(frames: dict[str, list[bytes]]) -> str:
    """The frames of a row: how many of which shape, how long in the mean."""
    parts = ", ".join(f"{len(shape)} {name}" for name, shape in frames.items())
    every = [len(frame) for shape in frames.values() for frame in shape]
    return f"recorded: {parts}, {sum(every) / len(every):.0f} B a frame"


# --- SC-15 --------------------------------------------------------------------------------------------------


def json_rows(frames: dict[str, list[bytes]], seconds: float) -> Iterator[Row]:
    """All frames together, which the goal is about, then shape by shape."""
    for part in (frames, *({name: shape} for name, shape in frames.items())):
        texts = [frame for shape in part.values() for frame in shape]
        feeder = Feeder(texts)
        standard = [SYNTHETIC] * len(texts) if planted("libraries.synthetic") else texts
        found = in_turns(
            {
                "simdjson": partial(_per_frame, feeder.walk, len(texts)),
                "standard": partial(_per_frame, partial(read_all, standard), len(texts)),
            },
            seconds / 4,
        )
        ours = found["simdjson"]
        yield Row(
            "SC-15", named(part), "simdjson's walk, every field once, a frame", ours.median, "ns", "times_faster",
            1.3 if part is frames else None, None, "json.loads of the standard library", found["standard"].median,
            ours.least, ours.most, "", "the walk makes no Python objects, json.loads makes all of them",
        )  # fmt: skip


def _per_frame(work: Callable[[], object], count: int) -> float:
    return cpu_ns(work) / count


def read_all(frames: list[bytes]) -> None:
    """What the standard library does with them."""
    for frame in frames:
        loads(frame)


# --- SC-20 --------------------------------------------------------------------------------------------------


def socket_row(frames: list[bytes], rate: int) -> Row:
    """CPU of the receiving thread for a frame, both clients on uvloop, nothing done with the payload."""
    with sending(frames, rate, 2 * (REPEATS_MIN + 1)) as (url, answers):
        runs = {
            "picows": partial(_cost, _picows, url, frames, answers),
            "websockets": partial(_cost, _websockets, url, frames, answers),
        }
        found = in_turns(runs, 0.0)
    return _socket_row(found["picows"], found["websockets"], frames, rate)


def _socket_row(ours: Figure, theirs: Figure, frames: list[bytes], rate: int) -> Row:
    note = f"{rate} frames a second offered by a process of its own, one write a frame"
    if cores_allowed() < CORES:
        note += f"; needs {CORES} cores, {cores_allowed()} there"
    return Row(
        "SC-20", named({"of all shapes": frames}), "picows, CPU a frame received", ours.median, "ns",
        "at_most_times", 0.8, None, "websockets", theirs.median, ours.least, ours.most, "loopback", note, False, CORES,
    )  # fmt: skip


def _cost(client: Client, url: str, frames: list[bytes], answers: IO[str]) -> float:
    started_ns = thread_time_ns()
    received = uvloop.run(client(url))
    cost_ns = thread_time_ns() - started_ns
    answers.readline()
    wanted = len(frames), sum(map(len, frames))
    if received != wanted:
        raise WrongResultError(f"{received} frames and bytes received of {wanted}")
    return cost_ns / len(frames)


async def _picows(url: str) -> tuple[int, int]:
    gone = asyncio.Event()
    listener = BareListener(gone.set)
    await picows.ws_connect(lambda: listener, url)
    listener.send(b"go")
    await gone.wait()
    return listener.frames, listener.byte_count


async def _websockets(url: str) -> tuple[int, int]:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosedOK

    frames = length = 0
    async with connect(url, compression=None, ping_interval=None, max_size=None, proxy=None) as connection:
        await connection.send("go")
        try:
            while True:
                length += len(await connection.recv(decode=False))
                frames += 1
        except ConnectionClosedOK:
            return frames, length

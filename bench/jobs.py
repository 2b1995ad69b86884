"""What runs below valgrind: one job on prepared frames, so many cycles of them.

    python -m bench.jobs JOB CYCLES FILE

Frames are prepared outside, in FILE: what is done to make them would take valgrind longer than the job itself.
The messages of one cycle are printed.
"""
import asyncio
import os
import pickle
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import picows
import uvloop

from engine.bench.barelistener import BareListener
from engine.bench.data.corpus import Corpus
from engine.bench.data.looping import loop
from engine.bench.endless import IdPlace, cycle_of
from engine.bench.feeder import Feeder
from engine.bench.rig import FRAMES_PER_READ, Rig, WrongResultError, cython_consumers, python_consumers
from engine.bench.sender import framed, shake_hands
from engine.providers.listener import FrameListener
from engine.runtime.publishing import Publishing

COPIES_MAX = 1 << 20
ROOMS = ("queue_max_entries", "maxlen_cap")
"""Keys of `bus`; with so much room nothing is folded."""
NOWHERE = "redis://127.0.0.1:1/0"
"""Nothing is written."""

LISTENED = 150
"""Frames of a cycle that come over a socket."""


@dataclass(frozen=True)
class Prepared:
    """Frames of one cycle, and where in them the ids stand that the next cycle moves on.

    Attributes:
        corpus: whose snapshots open the books; without its frames.
    """

    corpus: Corpus
    cycle: list[bytes]
    places: list[IdPlace]

    @property
    def feeder(self) -> Feeder:
        """A fresh feeder of the cycle."""
        feeder = Feeder(self.cycle)
        feeder.follow_ids(self.places)
        return feeder


def prepared(corpus: Corpus) -> Prepared:
    """*corpus* for the jobs that feed from memory."""
    return Prepared(replace(corpus, frames=[]), *cycle_of(corpus))


def listened(corpus: Corpus, cycles: int) -> Corpus:
    """*corpus* for the jobs that listen at a socket, *cycles* at most."""
    return loop(corpus, 1 + -(-cycles * LISTENED // len(corpus.frames)))


def _play(it: Prepared, cycles: int, handlers: list[object], frames_per_read: int = FRAMES_PER_READ) -> int:
    return _played(it, cycles, Rig(it.corpus, handlers), frames_per_read)


def _played(it: Prepared, cycles: int, rig: Rig, frames_per_read: int = FRAMES_PER_READ) -> int:
    feeder = it.feeder
    for _ in range(cycles):
        rig.play(feeder, frames_per_read)
        feeder.next_cycle()
    return feeder.count


def full(it: Prepared, cycles: int) -> int:
    """Bytes to three Cython consumers, many frames a read."""
    return _play(it, cycles, cython_consumers())


def python(it: Prepared, cycles: int) -> int:
    """Bytes to three Python consumers."""
    return _play(it, cycles, python_consumers())


def single(it: Prepared, cycles: int) -> int:
    """Bytes to three Cython consumers, one frame a read."""
    return _play(it, cycles, cython_consumers(), 1)


def observed(it: Prepared, cycles: int) -> int:
    """Bytes to three Cython consumers, and a copy of each event for streams or reports, which nobody takes."""
    rig = Rig(it.corpus, cython_consumers(), sets=[f"bus.{name}={COPIES_MAX}" for name in ROOMS])
    os.environ[rig.engine.config.bus.url_env] = NOWHERE
    tap = Publishing(rig.engine, [rig.provider()]).tap
    count = _played(it, cycles, rig)
    if tap.queued != count * cycles:
        raise WrongResultError(f"{tap.queued} copies of {count * cycles} messages")
    return count


def ids(it: Prepared, cycles: int) -> int:
    """Nothing but moving the ids on: what the jobs before do beside."""
    feeder = it.feeder
    for _ in range(cycles):
        feeder.next_cycle()
    return feeder.count


def walk(it: Prepared, cycles: int) -> int:
    """The bare walk."""
    feeder = it.feeder
    feeder.walk(cycles)
    return feeder.count


def bare(it: Corpus, cycles: int) -> int:
    """A listener that does nothing."""
    gone = asyncio.Event()
    listening = BareListener(gone.set)
    uvloop.run(_listen(listening, it.frames[: cycles * LISTENED], gone))
    return LISTENED


def listener(it: Corpus, cycles: int) -> int:
    """The engine behind its listener."""
    gone = asyncio.Event()
    rig = Rig(it, cython_consumers())
    listening = FrameListener(rig.feed.stream, rig.engine.clock, 0, on_lost=lambda lost: gone.set())
    uvloop.run(_listen(listening, it.frames[: cycles * LISTENED], gone))
    rig.prove(cycles * LISTENED, rig.tops())
    rig.close()
    return LISTENED


async def _listen(listening: BareListener | FrameListener, frames: list[bytes], gone: asyncio.Event) -> None:
    """Send each frame once the one before has been taken, from this thread: valgrind reads slower than any pace."""
    server = socket.create_server(("127.0.0.1", 0))
    shaken = asyncio.create_task(asyncio.to_thread(_accept, server))
    await picows.ws_connect(
        lambda: listening, f"ws://127.0.0.1:{server.getsockname()[1]}/", enable_auto_pong=False
    )
    loop, done, waiting = asyncio.get_running_loop(), asyncio.Event(), iter(frames)
    sent = 0

    def send_next() -> None:
        nonlocal sent
        if listening.frames >= sent:
            frame = next(waiting, None)
            if frame is None:
                done.set()
                return
            connection.sendall(framed(frame))
            sent += 1
        loop.call_soon(send_next)

    with server, await shaken as connection:
        send_next()
        await done.wait()
    await gone.wait()
    if (listening.frames, listening.reads) != (len(frames), len(frames)):
        raise WrongResultError(f"{listening.frames} of {len(frames)} frames came in {listening.reads} reads")


def _accept(server: socket.socket) -> socket.socket:
    connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shake_hands(connection)
    return connection


JOBS: dict[str, Callable[..., int]] = {
    job.__name__: job for job in (full, python, single, observed, ids, walk, bare, listener)
}


def main() -> None:
    """Run the job that the command line names."""
    name, cycles, file = sys.argv[1:]
    print(JOBS[name](pickle.loads(Path(file).read_bytes()), int(cycles)))


if __name__ == "__main__":
    main()

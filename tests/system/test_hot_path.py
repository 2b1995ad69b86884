"""ARC-11: from the bytes to the callback nothing calls into Python, and a busy Python thread beside it costs nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from engine.base.build import build_mode
from engine.bench.data.generated import generated_spot
from engine.bench.feeder import Feeder
from engine.bench.paired import Paired, paired_ratio
from engine.bench.rig import Rig, cython_consumers, python_consumers

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(240),
    pytest.mark.skipif(build_mode() in ("asan", "trace"), reason="this build calls into Python to watch itself"),
]

CYCLES = 10

PLAY = """
import os, subprocess, sys
from engine.bench.data.generated import generated_spot
from engine.bench.endless import endless
from engine.bench.rig import Rig, cython_consumers
corpus = generated_spot(200)
feeder = endless(corpus)
rig = Rig(corpus, cython_consumers())
for cycle in range(int(sys.argv[1]) + 1):
    if cycle == 1:
        subprocess.run(["callgrind_control", "-i", "on", str(os.getpid())], check=True, stdout=subprocess.DEVNULL)
    rig.play(feeder)
    feeder.next_cycle()
print(feeder.count)
sys.stdout.flush()
os._exit(0)
"""
"""What is first done for a stream is over before the profile begins."""

_NAMED = re.compile(r"\((\d+)\)(?: (.*))?$")


def calls_into_python(profile: Path) -> Counter[str]:
    """Calls that a module of the engine made into the interpreter, by function, from callgrind's file."""
    names: dict[tuple[str, str], str] = {}
    caller = callee = function = ""
    found: Counter[str] = Counter()

    def name(kind: str, text: str) -> str:
        """A name is written out once and numbered from then on."""
        match = _NAMED.match(text)
        assert match is not None, text
        if match[2] is not None:
            names[kind, match[1]] = match[2]
        return names[kind, match[1]]

    for line in profile.read_text(errors="replace").splitlines():
        key, _, text = line.partition("=")
        if key == "ob":
            caller = callee = name("ob", text)
        elif key == "cob":
            callee = name("ob", text)
        elif key in ("fn", "cfn"):
            function = name("fn", text)
        elif key == "calls":
            if "/engine/" in caller and re.search(r"/(lib)?python[\d.]+(\.so[\d.]*)?$", callee):
                found[function] += int(text.split()[0])
            callee = caller
    return found


def profiled(folder: Path) -> tuple[Counter[str], int]:
    """One run under callgrind: its calls into the interpreter, and the messages they were made for."""
    profile = folder / "profile"
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={profile}"]
    done = subprocess.run(
        [*command, sys.executable, "-c", PLAY, str(CYCLES)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return calls_into_python(profile), CYCLES * int(done.stdout)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing: apt-get install valgrind")
def test_arc_11_no_event_costs_a_call_into_python(tmp_path: Path) -> None:
    calls, events = profiled(tmp_path)
    assert calls.total() > 0, "each batch asks for its thread: the profile is not read rightly"
    assert {function: count for function, count in calls.items() if count >= events / 2} == {}
    assert calls.total() < events / 4, f"what is left is for batches of 64, not for events: {calls}"


# --- a busy thread beside -----------------------------------------------------------------------------------

FRAMES = 20_000


class Busy:
    """A thread that runs Python bytecode for as long as the block lasts."""

    def __enter__(self) -> None:
        self._on = True
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()

    def _turn(self) -> None:
        while self._on:
            pass

    def __exit__(self, *exc_info: object) -> None:
        self._on = False
        self._thread.join()


def beside_a_busy_thread(consumers) -> Paired:  # type: ignore[no-untyped-def]
    """Wall time of one long feed with the thread over that without; measured inside, from first to last frame."""
    corpus = generated_spot(FRAMES)
    feeder = Feeder(corpus.frames)

    def alone() -> float:
        rig = Rig(corpus, consumers())
        took_ns = rig.play(feeder)
        rig.close()
        return took_ns

    def beside() -> float:
        with Busy():
            return alone()

    return paired_ratio(alone, beside, limit=0.20)


@pytest.mark.serial
def test_arc_11_throughput_stays_beside_a_busy_python_thread() -> None:
    for _ in range(3):
        found = beside_a_busy_thread(cython_consumers)
        if found.verdict != "void":
            break
    else:
        pytest.skip(f"this machine does equal work in too different times to judge: {found}")
    assert found.verdict == "holds", str(found)


@pytest.mark.serial
def test_arc_11_a_callback_in_python_does_share_with_a_busy_thread() -> None:
    """The comparison can fail: a strategy in Python gives the interpreter away at every turn."""
    assert beside_a_busy_thread(python_consumers).median > 1.5

"""QA-02, QA-03, QA-04: what tests/conftest.py promises of every test holds."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
ELSEWHERE = "192.0.2.1"
"""An address reserved for documentation: nobody answers there."""


def test_qa_04_a_socket_to_another_machine_raises() -> None:
    with socket.socket() as tcp, pytest.raises(AssertionError, match=ELSEWHERE):
        tcp.connect((ELSEWHERE, 80))
    with socket.socket() as tcp, pytest.raises(AssertionError, match=ELSEWHERE):
        tcp.connect_ex((ELSEWHERE, 80))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        pytest.raises(AssertionError, match=ELSEWHERE),
    ):
        udp.sendto(b"x", (ELSEWHERE, 80))
    with pytest.raises(AssertionError, match=r"example\.org"):
        socket.create_connection(("example.org", 80))


@pytest.mark.parametrize("loop_module", ["asyncio", "uvloop"])
def test_qa_04_an_event_loop_to_another_machine_raises(loop_module: str) -> None:
    new_event_loop = pytest.importorskip(loop_module).new_event_loop

    async def reach_out() -> None:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, ELSEWHERE, 80)

    runner = asyncio.Runner(loop_factory=new_event_loop)
    with runner, pytest.raises(AssertionError, match=ELSEWHERE):
        runner.run(reach_out())


@pytest.mark.parametrize("loop_module", ["asyncio", "uvloop"])
def test_loopback_stays_open(loop_module: str) -> None:
    new_event_loop = pytest.importorskip(loop_module).new_event_loop

    async def greet() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
            writer.write(b"hello\n")
            got = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return got

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        assert runner.run(greet()) == b"hello\n"


def run_below(folder: Path, project_root: Path, *arguments: str, scale: str = "1") -> subprocess.CompletedProcess[str]:
    """Pytest over *folder*, under this project's rules."""
    (folder / "conftest.py").write_text((project_root / "tests" / "conftest.py").read_text(encoding="utf-8"))
    environment = os.environ | {"ENGINE_TEST_TIME_SCALE": scale}
    environment.pop("ENGINE_TESTS_INSTALLED", None)
    for name in [name for name in environment if name.startswith("PYTEST")]:
        del environment[name]
    return subprocess.run(
        [*PYTEST, "-c", str(project_root / "pyproject.toml"), "--rootdir", str(folder), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.system
def test_qa_02_a_hanging_test_is_cut(project_root: Path, tmp_path: Path) -> None:
    (tmp_path / "test_hang.py").write_text(
        "import threading\n\ndef test_hangs():\n    threading.Event().wait()\n", encoding="utf-8"
    )
    done = run_below(tmp_path, project_root, "test_hang.py", scale="0.1")
    assert done.returncode == 1
    assert "Timeout (>0.5s)" in done.stdout


def write_files(folder: Path) -> list[str]:
    """Three files of five tests; returns their names as written."""
    for letter in "abc":
        (folder / f"test_{letter}.py").write_text("".join(f"def test_{n}():\n    pass\n" for n in range(5)))
    return [f"test_{letter}.py::test_{n}" for letter in "abc" for n in range(5)]


@pytest.mark.system
@pytest.mark.timeout(120)
def test_qa_03_the_order_is_random_told_and_repeatable(project_root: Path, tmp_path: Path) -> None:
    written = write_files(tmp_path)

    def order(*arguments: str) -> tuple[list[str], str]:
        done = run_below(tmp_path, project_root, ".", "-v", *arguments)
        assert done.returncode == 0, done.stdout
        told = re.search(r"--order-seed=(\d+)", done.stdout)
        assert told is not None
        return re.findall(r"^(test_\w\.py::test_\d) PASSED", done.stdout, re.MULTILINE), told[1]

    first, seed = order()
    assert sorted(first) == written
    assert order(f"--order-seed={seed}") == (first, seed)
    assert len({tuple(order(f"--order-seed={number}")[0]) for number in (1, 2)} | {tuple(written)}) == 3
    assert order("--order-seed=0")[0] == written


@pytest.mark.system
def test_qa_03_workers_share_the_order_that_was_drawn(project_root: Path, tmp_path: Path) -> None:
    write_files(tmp_path)
    done = run_below(tmp_path, project_root, ".", "-n", "2", "--dist", "load")
    assert done.returncode == 0, done.stdout      # workers that collect in different orders are refused
    assert "15 passed" in done.stdout

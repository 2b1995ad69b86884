"""QA-02, QA-04: what tests/conftest.py promises of every test holds."""

from __future__ import annotations

import asyncio
import os
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


@pytest.mark.system
def test_qa_02_a_hanging_test_is_cut(project_root: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        (project_root / "tests" / "conftest.py").read_text(encoding="utf-8")
    )
    (tmp_path / "test_hang.py").write_text(
        "import threading\n\ndef test_hangs():\n    threading.Event().wait()\n", encoding="utf-8"
    )
    environment = os.environ | {"ENGINE_TEST_TIME_SCALE": "0.1"}
    environment.pop("ENGINE_TESTS_INSTALLED", None)
    done = subprocess.run(
        [*PYTEST, "-c", str(project_root / "pyproject.toml"), "--rootdir", str(tmp_path), "test_hang.py"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Timeout (>0.5s)" in done.stdout

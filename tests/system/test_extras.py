"""What is an extra may be missing: an engine that does not need it runs, who asks for it gets one line (D16)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

WITHOUT = "import sys\nfor name in ('redis', 'mcp', 'starlette', 'uvicorn'): sys.modules[name] = None\nfrom engine.cli.main import main\nsys.exit(main())"
COMMAND = (sys.executable, "-c", WITHOUT)
RUN = (*COMMAND, "run", "--simulated-providers", "--json", "--log-level", "debug", "--set", "api.enabled=false", "--set", "mcp.port=0")
DESK = "class Desk:\n    def on_event(self, event, ctx):\n        pass\n"
CONFIG = {
    "schema_version": 1,
    "providers": [{"name": "simulated", "venue": "simulated", "symbols": ["BTC-USD"]}],
    "consumers": [{"consumer_id": "desk", "handler": "desk:Desk", "subscriptions": [{"symbol": "BTC-USD", "event_types": ["Trade"]}]}],
}


def test_an_engine_without_any_extra_computes_its_reports_and_says_that_it_serves_none(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(DESK)
    (tmp_path / "engine.yaml").write_text(json.dumps(CONFIG))
    with subprocess.Popen(RUN, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())["ready"]
        told = []
        for line in process.stderr:
            told.append(line)
            if "a report went from" in line:
                break
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, (told, err)
    assert ready["reports"] is None
    lines = [line for line in (*told, *err.splitlines()) if "serving reports needs the package mcp" in line]
    assert len(lines) == 1
    assert "pip install 'engine[mcp]'" in lines[0]
    metrics = json.loads(out)["metrics"]
    assert metrics["engine_report_publish_total"]
    assert metrics["engine_ticks_skipped_total"]


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("mcp",), "mcp"),
        (("report", "BTC-USD", "--set", "cache.backend=redis"), "redis"),
        (("run", "--simulated-providers", "--set", "bus.backend=redis", "--set", "mcp.enabled=false"), "redis"),
        (("worker", "--set", "bus.backend=redis", "--set", "cache.backend=redis"), "redis"),
    ],
    ids=["mcp", "report", "run", "worker"],
)
def test_who_asks_for_what_is_not_installed_gets_one_line_that_names_it(
    arguments: tuple[str, ...], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_REDIS_URL", "redis://127.0.0.1:1/0")
    (tmp_path / "desk.py").write_text(DESK)
    (tmp_path / "engine.yaml").write_text(json.dumps(CONFIG))
    done = subprocess.run((*COMMAND, *arguments), cwd=tmp_path, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if "needs the package" in line]) == 1
    assert f"pip install 'engine[{extra}]'" in done.stderr

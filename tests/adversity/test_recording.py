"""What was recorded in bad weather can be replayed and proven: losses are in it, and so is what healed them (CLI-14)."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adversity.kit import SCALE, VENUES, Rule, Venues, configured

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


COMMAND = (sys.executable, "-m", "engine")
RULES: list[Rule] = [
    *({"fault": "drop", "venue": venue, "symbol": symbol} for venue, symbol in (("binance", "BTC-USDT"), ("coinbase", "BTC-USD"))),
    *({"fault": "swap", "venue": "binance", "symbol": "ETH-USDT"}, {"fault": "crossed", "venue": "kraken", "symbol": "SOL-USD"}),
    {"fault": "duplicate", "count": 5},
]
HEALED = {
    *(f"binance {base}-USDT lost: gap" for base in ("BTC", "ETH")),
    *(f"coinbase {base}-USD lost: gap" for base in ("BTC", "ETH", "SOL")),
    "kraken SOL-USD lost: crossed",
}
MISSED = {"binance SOL-USDT lost: gap"}
"""No fault strikes it: there is a gap only where an update of it came while the socket was replaced."""


def until(holds: Callable[[], bool], process: subprocess.Popen[str], within_s: float = 30.0) -> None:
    """Ask again every tenth of a second, for as long as the process runs."""
    deadline_s = time.monotonic() + within_s * SCALE
    assert process.stdout is not None
    while not holds():
        assert not select.select([process.stdout], [], [], 0.1)[0], "it has ended"
        assert time.monotonic() < deadline_s


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_a_recording_of_losses_is_proven_with_what_healed_them_CLI_14_CLI_41(end: signal.Signals, tmp_path: Path) -> None:
    venues = Venues("--port", "0", "--rate", "1500", "--symbols", "3")

    def frames() -> int:
        return min(int(sum(row["frames"].values())) for row in venues.ask("GET", "/counts").values())

    try:
        (tmp_path / "engine.yaml").write_text(json.dumps(configured(venues, tmp_path, venues.symbols(), {})))
        command = (*COMMAND, "record", "--config", "engine.yaml", "--out", "tapes", "--json")
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            until(lambda: frames() > 500, process)
            venues.arm(*RULES)
            until(lambda: not venues.ask("GET", "/faults")["rules"], process)
            venues.arm(*({"fault": "disconnect", "venue": venue} for venue in VENUES))
            until(lambda: venues.struck() >= Counter({(venue, "disconnect"): 1 for venue in VENUES}), process)
            before = frames()
            until(lambda: frames() > before + 1500, process)
            process.send_signal(end)
            said, _ = process.communicate(timeout=30 * SCALE)
            assert process.returncode == (0 if end is signal.SIGTERM else -end)
    finally:
        venues.close()
    (path,) = (tmp_path / "tapes").iterdir()
    # Away from the configuration that lies beside the tapes: its strategy is none of the recording's.
    done = subprocess.run(
        (*COMMAND, "replay", path.name, "--verify", "--json"),
        cwd=path.parent, capture_output=True, text=True, timeout=60 * SCALE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    (played,) = json.loads(done.stdout)
    assert played["verified"]
    if end is signal.SIGTERM:
        assert played["records"] == json.loads(said)["records"]
    healed = {line.partition(": ")[2].partition(";")[0] for line in played["healed"]}
    assert HEALED <= healed <= HEALED | MISSED

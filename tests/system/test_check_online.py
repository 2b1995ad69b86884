"""`engine-run check --online` against simulated venues, against nobody, and with keys (CLI-15)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.test_run_cli import endpoints, simulator

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]
KRAKEN_SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="


def check(*args: object, cwd: Path, **env: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "engine", "check", "--online", "--json", *map(str, args)]
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=50, check=False
    )
    findings = json.loads(done.stdout)["findings"] if done.stdout else []
    return done.returncode, {one["name"]: one for one in findings}, done.stdout + done.stderr


@pytest.fixture
def example(project_root: Path) -> Path:
    return project_root / "docs" / "examples" / "three-venues.yaml"


def test_venues_that_answer_are_told_with_their_clocks_CLI_15(example: Path, tmp_path: Path) -> None:
    with simulator() as addresses:
        code, found, text = check("--config", example, *endpoints(addresses), cwd=tmp_path)
    assert code == 0, text
    for venue in ("binance", "coinbase", "kraken"):
        assert found[f"{venue} catalogue"]["detail"].startswith("3 symbols listed")
        assert " ms from ours, to within " in found[f"{venue} clock"]["detail"]
        assert found[f"{venue} key"]["detail"] == "none: public data only"


def test_the_plain_feed_is_asked_like_a_venue_and_takes_no_key_CLI_15(project_root: Path, tmp_path: Path) -> None:
    example = project_root / "docs" / "examples" / "simulated.yaml"
    key = {"P_KEY": "key-of-nobody", "P_SECRET": "secret-of-nobody"}
    with simulator() as addresses:
        own = addresses["simulated"]
        sets = (
            "--set", f"providers[0].ws_endpoint={own['ws']}", "--set", f"providers[0].rest_endpoint={own['rest']}",
        )  # fmt: skip
        code, found, text = check("--config", example, *sets, cwd=tmp_path)
        assert code == 0, text
        named = "providers[0].credentials={api_key_env: P_KEY, api_secret_env: P_SECRET}"
        code, refused, text = check("--config", example, *sets, "--set", named, cwd=tmp_path, **key)
    assert found["simulated catalogue"]["detail"].startswith("2 symbols listed")
    assert found["simulated clock"]["ok"]
    assert found["simulated key"]["detail"] == "none: public data only"
    assert code == 5
    assert "takes no key" in refused["simulated key"]["detail"]


def test_what_is_wrong_is_told_for_each_venue_and_ends_with_5(example: Path, tmp_path: Path) -> None:
    wrong = (
        "--set", "providers[0].rest_endpoint=http://127.0.0.1:9", "--set", "providers[1].symbols=[BTC-USD, NO-USD]",
        "--set", "providers[2].credentials={api_key_env: K_KEY, api_secret_env: K_SECRET}",
        "--set", "consumers=[]",
    )  # fmt: skip
    with simulator() as addresses:
        sets = [*endpoints(addresses), *wrong]
        key = {"K_KEY": "key-of-nobody", "K_SECRET": KRAKEN_SECRET}
        code, found, text = check("--config", example, *sets, cwd=tmp_path, **key)
    assert code == 5
    assert not found["binance catalogue"]["ok"]
    assert "127.0.0.1:9" in found["binance catalogue"]["detail"]
    assert found["coinbase catalogue"] == {
        "name": "coinbase catalogue", "ok": False, "detail": "not listed: NO-USD",
        "hint": "correct providers[].symbols",
    }  # fmt: skip
    assert found["coinbase clock"]["ok"]
    assert not found["kraken key"]["ok"]
    assert KRAKEN_SECRET not in text
    assert "key-of-nobody" not in text

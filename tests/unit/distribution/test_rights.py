"""DST-14, MCP-16: each part does its work with the rights that docs/deploy.md gives it, and no more."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis

from engine.base.clock import ManualClock
from engine.distribution.servers import connect
from engine.runtime.publishing import Publishing
from engine.runtime.replay import Replay
from engine.runtime.storedsource import StoredSource
from engine.runtime.worker import StreamWorker
from tests.redis_kit import Server, Shared, cluster_server, server, shared_servers
from tests.unit.distribution.stream_kit import MS, START_NS, Writer, configured

pytestmark = pytest.mark.timeout(60)
ON = ("bus.coordination.enabled=true", "bus.coordination.standby=warm")


def lines(project_root: Path) -> dict[str, str]:
    """Rights by user."""
    text = (project_root / "docs" / "deploy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```acl\n(.*?)```", text, re.DOTALL)
    return {line.split()[1]: line.split(maxsplit=2)[2] for line in block.splitlines()}


def let_in(at: Server, project_root: Path) -> dict[str, str]:
    """The users are made as the guide says, with a password each; answers their addresses."""
    for name, rights in lines(project_root).items():
        assert ">" not in rights
        for one in at.servers if isinstance(at, Shared) else (at,):
            one.client.execute_command("ACL", "SETUSER", name, "reset", f">{name}-word", *rights.split())
    return {name: at.url.replace("://", f"://{name}:{name}-word@") for name in lines(project_root)}


@pytest.mark.parametrize("kind", [server, cluster_server, shared_servers])
def test_the_parts_work_with_their_rights_and_have_no_more(
    kind: Callable[[Path], AbstractContextManager[Server]],
    project_root: Path,
    captures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with kind(tmp_path) as kept:
        urls = let_in(kept, project_root)
        writer = Writer(kept)
        writer.depth()
        writer.write(b"{")
        monkeypatch.setenv("ENGINE_REDIS_URL", urls["worker"])
        workers = [StreamWorker(configured(*ON), f"node-{number}", clock=ManualClock(START_NS)) for number in range(2)]
        for worker in workers:
            worker.open()
            assert worker.coordinator is not None
            assert worker._keeper is not None
            worker.coordinator.listen(0)
            worker.coordinator.turn()
            worker._keeper.turn()
        owner = next(worker for worker in workers if worker.owned())
        owner.advance(START_NS // MS + 250)
        assert owner.store.write() == 1
        owner.reader._tidied_s = owner.reader._swept_s = -1e9
        owner.turn()
        assert owner._keeper is not None
        assert owner.coordinator is not None
        for _ in range(5):
            owner._keeper._rested_s = 0
            owner._keeper.turn()
        owner._keeper._leave_behind(owner._keeper._owned["nt:binance"])
        owner._keeper.close()
        owner.coordinator.membership.leave()
        assert kept.client.exists("lease:{nt:binance}") == 0
        assert sum(owner.reader.dead.values()) == 1
        for worker in workers:
            assert worker.coordinator is not None
            worker.coordinator._close_notices()
            for client in (worker.coordinator._client, worker._client, worker.store._client):
                client.close()

        monkeypatch.setenv("ENGINE_REDIS_URL", urls["publisher"])
        replay = Replay(captures / "kraken_v2_btc_eth_d10_20260707.jsonl.gz", configured())
        told = [{"name": "kraken", "venue": "kraken", "symbols": [one.symbol for one in replay.engine.catalogue]}]
        publishing = Publishing(replay.engine, configured(providers=told).providers)
        publishing.publisher.turn()
        replay.run()
        assert publishing.publisher.turn() > 0
        publishing.publisher.trim()
        publishing.publisher._close()
        assert (publishing.publisher.refused, kept.client.xlen("nt:kraken") > 0) == (0, True)

        source = StoredSource(configured(), urls["reader"], 1000)

        async def asked() -> tuple[bytes, bytes]:
            found = (await source.report("BTC-USDT")).body, (await source.symbols()).body
            await source.close()
            return found

        report, listing = asyncio.run(asked())
        assert json.loads(report)["writer"]["token"] == 1
        # CHK-38: leases, tokens and fences are no symbols.
        assert [row["symbol"] for row in json.loads(listing)["symbols"]] == ["BTC-USDT", "ETH-USDT"]

        reader, publisher = connect(urls["reader"]), connect(urls["publisher"])
        for refused in (
            lambda: reader.set("report:{x}", "1"), lambda: reader.get("lease:{nt:binance}"), lambda: reader.xrange("nt:binance"),
            lambda: publisher.get("report:{binance:BTC-USDT}"), lambda: publisher.xreadgroup("g", "c", {"nt:binance": ">"}),
        ):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                refused()
        reader.close()
        publisher.close()

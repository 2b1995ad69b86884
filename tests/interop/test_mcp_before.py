"""MCP-12: who still has the official client library of the major before lists and calls the tools as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.interop.kit import installed, running, until
from tests.system.surface_kit import CONFIG, desk

pytestmark = [pytest.mark.system, pytest.mark.interop, pytest.mark.timeout(150)]

ASKED = ["kraken:BTC-USD", "binance:BTC-USDT", "btc"]


def test_it_lists_and_calls_the_tools_over_http_and_over_stdio(tmp_path: Path) -> None:
    folders = installed("interop-mcp", "mcp", is_else_here=False)
    patient = {"port": 0, "deadline_ms": 5000, "cache_timeout_ms": 4000}
    with desk(tmp_path, config={**CONFIG, "mcp": patient}) as it:
        told: dict[str, Any] = {}

        def has_reports() -> bool:
            with running("mcp_before", {"url": it.ready["reports"], "symbols": ASKED}, folders, tmp_path) as client:
                told.update(client.tell())
            return told["stdio"]["answers"][0]["is_error"] is False and told["http"]["answers"][1]["is_error"] is False

        until(has_reports, f"there are no reports: {told}")
    assert told["version"].startswith("1.")
    for transport in ("http", "stdio"):
        assert set(told[transport]["tools"]) == {"get_report", "list_symbols"}
        first, second, refused, listed = told[transport]["answers"]
        for answer, asked in ((first, ASKED[0]), (second, ASKED[1])):
            report = answer["content"]
            Draft202012Validator(told[transport]["tools"]["get_report"]).validate(report)
            assert f"{report['venue']}:{report['symbol']}" == asked
            assert json.loads(answer["text"]) == report
        assert (refused["is_error"], refused["content"]["error"]) == (True, "invalid_symbol")
        assert [f"{row['venue']}:{row['symbol']}" for row in listed["content"]["symbols"]] == [
            "binance:BTC-USDT", "kraken:BTC-USD", "kraken:ETH-USD",
        ]  # fmt: skip

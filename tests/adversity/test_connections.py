"""Connections that fall silent, end, end again and again, or are told to end; venues that go and come back."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.adversity.kit import HEALED_WITHIN_S, SCALE, VENUES, Scene, Venues, assert_clean, scene
from tests.serving import three_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
DETECTED_WITHIN_S = {"binance": 30.0, "coinbase": 10.0, "kraken": 10.0}
"""BOOK-02: from the first silence to the reconnect."""
SMALL = ("--rate", "1500", "--symbols", "3")


def strikes(seen: Scene, fault: str) -> dict[str, int]:
    """When it struck last, ns since 1970, by venue."""
    return {one["venue"]: one["at_us"] * 1000 for one in seen.venues.injected() if one["fault"] == fault}


def healed(report: dict[str, Any], reason: str) -> Counter[str]:
    """Books lost for *reason* that are valid again, by provider."""
    done = [one for one in report["resyncs"] if one["valid_ns"] is not None and one["reason"] == reason]
    return Counter(one["provider"] for one in done)


def test_a_silent_socket_is_noticed_and_replaced_BOOK_02(tmp_path: Path) -> None:
    with scene(tmp_path, *SMALL) as seen:
        seen.venues.arm(*({"fault": "silence", "venue": venue, "for_s": 0} for venue in VENUES))
        seen.until(lambda report: healed(report, "reconnect") == dict.fromkeys(VENUES, 3), "all replaced", 45)
        report = seen.equal()
        fell_silent = strikes(seen, "silence")
        assert seen.breaches() == {}
        assert_clean(seen.run.stop())
    assert set(fell_silent) == set(VENUES)
    for one in report["resyncs"]:
        noticed_s = (one["lost_ns"] - fell_silent[one["provider"]]) / 1e9
        assert noticed_s < DETECTED_WITHIN_S[one["provider"]] * SCALE


def test_twenty_disconnects_in_a_row_stay_within_the_limits_BOOK_03_BOOK_06(tmp_path: Path) -> None:
    # A backoff that starts small, so that twenty attempts take seconds; its growth has tests of its own.
    quick = {venue: {"connection": {"backoff_min_ms": 50, "backoff_max_ms": 500}} for venue in VENUES}
    with scene(tmp_path, *SMALL, special=quick) as seen:
        seen.venues.arm(*({"fault": "disconnect", "venue": venue, "count": 20} for venue in VENUES))
        wanted = Counter({(venue, "disconnect"): 20 for venue in VENUES})
        seen.until(lambda _: seen.venues.struck() >= wanted, "all struck", 60)
        report = seen.equal()
        last = strikes(seen, "disconnect")
        assert seen.breaches() == {}
        result = seen.run.stop()
    assert {one["reason"] for one in report["resyncs"]} == {"reconnect"}
    for one in report["resyncs"]:
        assert one["valid_ns"] is not None
        assert (one["valid_ns"] - last[one["provider"]]) / 1e9 < HEALED_WITHIN_S * SCALE
    assert_clean(result, within_s=60)


def test_a_shutdown_notice_under_load_loses_nothing_where_the_venue_gives_one_BOOK_05(tmp_path: Path) -> None:
    with scene(tmp_path, "--rate", "2500", "--symbols", "3") as seen:
        seen.venues.arm(*({"fault": "shutdown", "venue": venue, "for_s": 4} for venue in VENUES))
        others = {"coinbase": 3, "kraken": 3}  # they end without a second connection's numbers to join
        seen.until(lambda report: healed(report, "reconnect") == others, "begun anew")
        report = seen.equal()
        counts = seen.venues.ask("GET", "/counts")
        assert seen.breaches() == {}
        assert_clean(seen.run.stop())
    assert [one for one in report["resyncs"] if one["provider"] == "binance"] == []
    assert counts["binance"]["connections"] == 2


def test_venues_that_come_back_are_found_within_five_seconds_BOOK_04_SC_06(tmp_path: Path) -> None:
    # Delays of up to half a minute from the first on, as after an outage of many attempts: the return does not wait for them.
    slow = {venue: {"connection": {"backoff_min_ms": 30_000, "backoff_max_ms": 30_000}} for venue in VENUES}
    port = three_ports()
    with scene(tmp_path, *SMALL, port=port, special=slow) as seen:
        seen.venues.kill()
        seen.until(lambda report: not report["books"], "all lost")
        for _ in range(10):
            assert seen.run.report()["books"] == {}
        seen.venues = Venues("--port", str(port), *SMALL)
        back_s = time.monotonic()
        try:
            seen.valid(within_s=HEALED_WITHIN_S)
            took_s = time.monotonic() - back_s
            trades = Counter(seen.run.report()["events"])
            report = seen.until(
                lambda report: all(report["events"].get(f"{venue} Trade", 0) > trades[f"{venue} Trade"] for venue in VENUES),
                "trades of the new market",
            )
            seen.equal()
            assert seen.breaches() == {}
            assert_clean(seen.run.stop(), within_s=60)
        finally:
            seen.venues.close()
    assert took_s < HEALED_WITHIN_S * SCALE
    assert {one["reason"] for one in report["resyncs"]} == {"reconnect"}
    assert len(report["resyncs"]) == 9


def test_fifty_books_at_once_heal_in_time_and_a_hidden_difference_is_found_BOOK_20_BOOK_21(tmp_path: Path) -> None:
    # Fifty snapshots of Binance weigh 2,500 of its 6,000 a minute: twice that is more than the usual share.
    refreshed: dict[str, dict[str, Any]] = {venue: {"book_refresh_interval_s": 120} for venue in VENUES}
    refreshed["binance"]["rest"] = {"limit_share": 1}
    began_s = time.monotonic()
    with scene(tmp_path, "--rate", "1500", "--symbols", "50", special=refreshed) as seen:
        # Books are compared in turn, one by one at Binance and ten by ten elsewhere, ten in 24 s: take one whose turn
        # is still to come.
        place = 9 + 10 * int((time.monotonic() - began_s + 2) / 24)
        hidden = {venue: symbols[place] for venue, symbols in seen.venues.symbols().items()}
        # So far behind the best level that the market does not come there by itself.
        seen.venues.arm(
            *({"fault": "divergence", "venue": venue, "symbol": symbol, "rank": 150} for venue, symbol in hidden.items())
        )
        found = dict.fromkeys(VENUES, 1)
        seen.until(lambda report: healed(report, "divergence") == found, "hidden differences found", 60)
        seen.venues.arm({"fault": "drop", "venue": "coinbase"})
        seen.until(lambda report: healed(report, "gap")["coinbase"] == 25, "one of two connections begun anew")
        seen.venues.arm(*({"fault": "disconnect", "venue": venue} for venue in VENUES))
        wanted = {"binance": 50, "coinbase": 25, "kraken": 50}
        seen.until(lambda report: healed(report, "reconnect") == wanted, "all begun anew")
        report = seen.equal()
        assert seen.breaches() == {}
        assert_clean(seen.run.stop())
    diverged = {(one["provider"], one["symbol"]) for one in report["resyncs"] if one["reason"] == "divergence"}
    assert diverged == set(hidden.items())

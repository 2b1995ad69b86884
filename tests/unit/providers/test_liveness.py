"""BOOK-02: who is alive, asked or heard; pure, by a clock that the test moves."""

from __future__ import annotations

from engine.providers.liveness import Liveness, Verdict


def asked() -> Liveness:
    return Liveness(None, 20.0, 5.0, 100.0)


def heard() -> Liveness:
    return Liveness(5.0, 20.0, 5.0, 100.0)


def test_a_ping_every_20_s_and_5_s_to_answer_BOOK_02() -> None:
    it = asked()
    assert it.next_s() == 120.0
    assert it.look(119.9, 0, 0) is Verdict.ALIVE
    assert it.look(120.0, 0, 0) is Verdict.PING
    it.pinged(120.0)
    assert it.next_s() == 125.0
    assert it.look(124.9, 0, 0) is Verdict.ALIVE
    assert it.look(125.0, 0, 0) is Verdict.DEAD
    assert it.cause == "no answer to a ping for 5 s"


def test_an_answer_counts_and_the_next_ping_is_20_s_after_the_last() -> None:
    it = asked()
    it.pinged(120.0)
    assert it.look(125.0, 7, 1) is Verdict.ALIVE
    assert it.next_s() == 140.0
    assert it.look(140.0, 7, 1) is Verdict.PING


def test_frames_do_not_stand_for_an_answer() -> None:
    it = asked()
    it.pinged(120.0)
    assert it.look(125.0, 500, 0) is Verdict.DEAD


def test_a_pong_nobody_asked_for_does_not_answer_the_next_ping() -> None:
    it = asked()
    assert it.look(110.0, 1, 1) is Verdict.ALIVE
    it.pinged(120.0)
    assert it.look(125.0, 1, 1) is Verdict.DEAD


def test_five_seconds_without_any_frame_are_death_where_heartbeats_come_BOOK_02() -> None:
    it = heard()
    assert it.next_s() == 101.0
    assert it.look(104.9, 1, 0) is Verdict.ALIVE
    assert it.next_s() == 105.9
    assert it.look(109.8, 1, 0) is Verdict.ALIVE
    assert it.look(109.9, 1, 0) is Verdict.DEAD
    assert it.cause == "no frame for 5 s"


def test_what_we_did_not_listen_to_is_no_fault() -> None:
    for it in (asked(), heard()):
        it.pinged(110.0)
        it.excuse(500.0)
        assert it.look(504.0, 0, 0) is Verdict.ALIVE

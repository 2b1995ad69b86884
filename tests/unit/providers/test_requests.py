"""Numbers of requests: an answer finds its own, and no set of symbols makes for more than a bounded number of them."""

from __future__ import annotations

from engine.providers.requests import REQUESTS_MAX, RequestNumbers


def test_an_answer_finds_what_was_asked() -> None:
    numbers = RequestNumbers()
    assert numbers.number("book", ["A", "B"], {"n": 1}) == 1
    assert numbers.number("trade", ["A"], {"n": 2}) == 2
    assert [numbers.number("book", ["A", "B"], {"n": 1}) for _ in range(10)] == [1] * 10
    assert numbers.asked(1) == ("book", ("A", "B"))
    assert numbers.asked(2) == ("trade", ("A",))
    for unknown in (None, 0, -1, 3):
        assert numbers.asked(unknown) == ("", ())


def test_what_was_not_asked_for_the_longest_time_is_forgotten_and_its_number_not_given_again() -> None:
    numbers = RequestNumbers()
    for request in range(REQUESTS_MAX):
        numbers.number("book", [str(request)], request)
    assert numbers.number("book", ["0"], 0) == 1  # asked again: 1 is the oldest from here on
    assert numbers.number("book", ["x"], "one more") == REQUESTS_MAX + 1
    assert numbers.asked(1) == ("book", ("0",))
    assert numbers.asked(2) == ("", ())
    assert numbers.number("book", ["1"], 1) == REQUESTS_MAX + 2
    for request in range(10 * REQUESTS_MAX):
        numbers.number("book", ["y"], f"set {request}")
        assert len(numbers._asked) == len(numbers._numbers) == REQUESTS_MAX

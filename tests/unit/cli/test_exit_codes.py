"""CLI-30: which error ends with which code."""

from __future__ import annotations

import inspect

import pytest

from engine.base import errors
from engine.base.errors import EngineErrorGroup
from engine.cli.exit_codes import ExitCode, exit_code_of

CODES = {
    "EngineError": 1,
    "MisuseError": 2,
    "ConfigError": 2,
    "ValidationError": 2,
    "UnknownSymbolError": 2,
    "NotPermittedError": 6,
    "ScaleOverflowError": 2,
    "WrongThreadError": 1,
    "UseAfterRecycleError": 1,
    "CapacityError": 1,
    "PoolTimeoutError": 1,
    "MailboxFullError": 1,
    "EngineGoneError": 4,
    "VenueError": 6,
    "RateLimitedError": 6,
    "AuthError": 6,
    "InvalidRequestError": 6,
    "ExchangeError": 6,
    "NotFoundError": 6,
    "ConflictError": 6,
    "UnavailableError": 4,
    "NetworkError": 4,
    "OutcomeUnknownError": 4,
    "ProtocolError": 1,
    "ChecksumError": 1,
    "SequenceGapError": 1,
    "UnknownEnumError": 1,
    "InternalError": 1,
    "InvariantError": 1,
    "DoubleRecycleError": 1,
    "JournalError": 1,
}


def test_the_codes_are_the_documented_ones() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "OUTSTANDING": 3,
        "UNREACHABLE": 4,
        "VERIFICATION": 5,
        "REFUSED": 6,
    }


def test_every_error_has_a_code() -> None:
    classes = {n for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, errors.EngineError)}
    assert set(CODES) == classes


@pytest.mark.parametrize("name", CODES)
def test_the_code_of_each_error(name: str) -> None:
    assert exit_code_of(getattr(errors, name)("x", op="y")) == CODES[name]


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError("x")])
def test_what_is_no_error_of_ours_is_our_bug(error: Exception) -> None:
    assert exit_code_of(error) == ExitCode.FAILED


def test_a_group_ends_with_what_its_members_agree_on() -> None:
    network, auth = errors.NetworkError("x", op="y"), errors.AuthError("x", op="y")
    assert exit_code_of(EngineErrorGroup("g", [network, network])) == ExitCode.UNREACHABLE
    assert exit_code_of(EngineErrorGroup("g", [network, auth])) == ExitCode.FAILED

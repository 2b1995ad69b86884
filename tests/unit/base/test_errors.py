"""ERR-01 to ERR-04, ARC-25, ARC-26: the tree, its codes, its text and its fields."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from engine.base import errors
from engine.base.errors import EngineError, EngineErrorGroup
from engine.base.secrets import forget_secrets, register_secret

TREE = {
    "EngineError": "Exception",
    "MisuseError": "EngineError",
    "ConfigError": "MisuseError",
    "ValidationError": "MisuseError",
    "UnknownSymbolError": "MisuseError",
    "NotPermittedError": "MisuseError",
    "ScaleOverflowError": "MisuseError",
    "WrongThreadError": "MisuseError",
    "UseAfterRecycleError": "MisuseError",
    "CapacityError": "MisuseError",
    "PoolTimeoutError": "CapacityError",
    "MailboxFullError": "CapacityError",
    "EngineGoneError": "CapacityError",
    "VenueError": "EngineError",
    "RateLimitedError": "VenueError",
    "AuthError": "VenueError",
    "InvalidRequestError": "VenueError",
    "ExchangeError": "VenueError",
    "NotFoundError": "VenueError",
    "ConflictError": "VenueError",
    "UnavailableError": "VenueError",
    "NetworkError": "VenueError",
    "OutcomeUnknownError": "NetworkError",
    "ProtocolError": "VenueError",
    "ChecksumError": "ProtocolError",
    "SequenceGapError": "ProtocolError",
    "UnknownEnumError": "ProtocolError",
    "InternalError": "EngineError",
    "InvariantError": "InternalError",
    "DoubleRecycleError": "InternalError",
    "JournalError": "InternalError",
}
CODES = {
    "MisuseError": "invalid_request",
    "ConfigError": "invalid_request",
    "ValidationError": "invalid_request",
    "UnknownSymbolError": "not_found",
    "NotPermittedError": "auth",
    "ScaleOverflowError": "invalid_request",
    "WrongThreadError": "invalid_request",
    "UseAfterRecycleError": "invalid_request",
    "CapacityError": "unavailable",
    "PoolTimeoutError": "unavailable",
    "MailboxFullError": "unavailable",
    "EngineGoneError": "unavailable",
    "RateLimitedError": "rate_limited",
    "AuthError": "auth",
    "InvalidRequestError": "invalid_request",
    "ExchangeError": "exchange_error",
    "NotFoundError": "not_found",
    "ConflictError": "conflict",
    "UnavailableError": "unavailable",
    "NetworkError": "network",
    "OutcomeUnknownError": "network",
    "ProtocolError": "exchange_error",
    "ChecksumError": "exchange_error",
    "SequenceGapError": "exchange_error",
    "UnknownEnumError": "exchange_error",
    "InternalError": "internal",
    "InvariantError": "internal",
    "DoubleRecycleError": "internal",
    "JournalError": "internal",
}
FIELDS = {
    "provider": "kraken",
    "symbol": "BTC-USD",
    "http_status": 429,
    "venue_code": "EOrder:Rate limit exceeded",
    "venue_message": "slow down",
    "retry_after_s": 1.5,
    "trace_id": "00000000-0000-0000-0000-000000000001",
    "decision_id": "00000000-0000-0000-0000-000000000002",
    "raw": b'{"error":[]}',
    "hint": "wait",
}


def all_classes() -> dict[str, type[EngineError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, EngineError)
    }


CLASSES = all_classes()


@pytest.fixture(autouse=True)
def no_secrets() -> object:
    yield
    forget_secrets()


def test_the_tree_is_the_documented_one() -> None:
    assert {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items()} == TREE


def test_the_docstring_draws_every_class_below_its_parent() -> None:
    drawn = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"[ |]*(?:[+`]-- )?(?=\w)", line)
        name = line[match.end() :].split(" ")[0] if match else ""
        if name not in CLASSES or not (match and (line[: match.end()].strip() or name == "EngineError")):
            continue
        depth = match.end()
        path = [step for step in path if step[0] < depth]
        drawn[name] = path[-1][1] if path else "Exception"
        path.append((depth, name))
    assert drawn == TREE


@pytest.mark.parametrize("name", CODES)
def test_the_code_of_each_class(name: str) -> None:
    assert CLASSES[name].code == CODES[name]


def test_each_code_has_its_http_status() -> None:
    assert {code: row.http_status for code, row in errors.CODES.items()} == {
        "rate_limited": 429,
        "auth": 401,
        "invalid_request": 400,
        "exchange_error": 502,
        "network": 504,
        "not_found": 404,
        "conflict": 409,
        "unavailable": 503,
        "internal": 500,
    }
    assert {cls.code for cls in CLASSES.values()} == set(errors.CODES)


def test_internal_is_never_used_for_a_venue() -> None:
    assert [
        n for n, cls in CLASSES.items() if issubclass(cls, errors.VenueError) and cls.code == "internal"
    ] == []


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_text_and_fields(cls: type[EngineError]) -> None:
    error = cls("no answer", op="orders.submit", **FIELDS)
    assert str(error) == f"[kraken] orders.submit failed: no answer (code: {cls.code})"
    assert {name: getattr(error, name) for name in FIELDS} == FIELDS
    assert (error.reason, error.op) == ("no answer", "orders.submit")


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_without_a_provider_the_engine_speaks_and_every_class_has_a_hint(cls: type[EngineError]) -> None:
    error = cls("no room", op="pools.acquire")
    assert str(error) == f"[engine] pools.acquire failed: no room (code: {cls.code})"
    assert error.hint
    assert {name for name in FIELDS if name != "hint" and getattr(error, name) is not None} == set()


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_an_error_survives_pickling(cls: type[EngineError]) -> None:
    error = cls("lost", op="x.y", **FIELDS)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.__dict__) == (cls, str(error), error.__dict__)


def test_the_own_fields_of_single_classes() -> None:
    pool = errors.PoolTimeoutError("full", op="x", pool="Trade", in_use=3, capacity=3, holder="mm1")
    assert (pool.pool, pool.in_use, pool.capacity, pool.holder) == ("Trade", 3, 3, "mm1")
    bad = errors.ValidationError("bad", op="x", path="a.gz", record=7)
    assert (bad.path, bad.record) == ("a.gz", 7)
    assert errors.ConfigError("bad", faults=["one"]).faults == ("one",)


def test_fields_lists_what_is_set_and_leaves_raw_out() -> None:
    error = errors.RateLimitedError("busy", op="rest.depth", provider="binance", retry_after_s=2.0, raw=b"x")
    assert error.fields() == {
        "code": "rate_limited",
        "message": "[binance] rest.depth failed: busy (code: rate_limited)",
        "op": "rest.depth",
        "provider": "binance",
        "retry_after_s": 2.0,
        "hint": error.hint,
    }


@pytest.mark.parametrize(("length", "kept"), [(4095, 4095), (4096, 4096), (4097, 4096)])
def test_raw_is_cut_at_4_kib(length: int, kept: int) -> None:
    error = errors.ProtocolError("bad frame", op="wire.decode", raw=b"a" * length)
    assert error.raw == b"a" * kept


def test_registered_and_recognised_secrets_are_masked_everywhere() -> None:
    register_secret("hunter2-very-secret")
    error = errors.AuthError(
        "key hunter2-very-secret refused",
        op="rest.sign",
        venue_message="signature=abc123&x=1",
        raw=b'{"api_secret":"s3cr3t","note":"hunter2-very-secret"}',
        hint="hunter2-very-secret",
    )
    everything = repr((str(error), error.args, error.fields(), error.__dict__))
    for secret in ("hunter2", "abc123", "s3cr3t"):
        assert secret not in everything
    assert error.raw == b'{"api_secret":"***","note":"***"}'
    assert error.venue_message == "signature=***&x=1"


def test_a_secret_across_the_cut_leaves_no_piece() -> None:
    register_secret("hunter2-very-secret")
    error = errors.ProtocolError("x", op="y", raw=b"a" * 4090 + b"hunter2-very-secret")
    assert error.raw is not None
    assert b"hunter" not in error.raw


def test_a_group_lists_every_failure_and_can_be_split() -> None:
    five = [errors.NetworkError(f"down {n}", op="feed.connect", provider=f"p{n}") for n in range(3)]
    group = EngineErrorGroup("start", [*five, errors.JournalError("disk", op="journal.open")])
    lines = str(group).splitlines()
    assert lines[0] == "4 failures: start"
    assert [line.strip() for line in lines[1:]] == [str(error) for error in group.exceptions]
    network, rest = group.split(errors.NetworkError)
    assert isinstance(network, EngineErrorGroup)
    assert isinstance(rest, EngineErrorGroup)
    assert (len(network.exceptions), len(rest.exceptions)) == (3, 1)

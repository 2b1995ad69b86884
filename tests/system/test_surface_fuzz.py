"""API-03: whatever is asked of the surface, by its own document or beside it, no answer is a 500 or none of those told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.system.surface_kit import TAPE, Desk, desk
from tests.system.test_account_cli import KEYS
from tests.system.test_ctl_orders import TRADING, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
EXAMPLES = 1000
NEVER = {("POST", "/shutdown"), ("POST", "/providers/{provider}/stop"), ("PUT", "/risk/kill-switch"), ("PUT", "/log-level")}
"""What would end the test, or change what it looks at."""
REAL = st.sampled_from(["tape", "other", "binance", "BTC-USDT", "BookUpdate", "Trade", "1", "0.01", "buy", "limit", "o-1", "acked"])
TEXT = st.text(max_size=40) | REAL | st.just("x" * 70) | st.just("\x00") | st.just("ÿ✓")
LEAF = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
ANYTHING = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk"), config=TRADING, **KEYS) as found:
        until(lambda: found.ask("GET", "/ready").status == 200)
        yield found


def of(schema: dict[str, Any], parts: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema, of those words that the document uses; a text is often one that means something here."""
    if "$ref" in schema:
        return of(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in schema:
        return st.one_of(*(of(one, parts) for one in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    kind = schema.get("type")
    if kind == "object":
        known = {name: of(one, parts) for name, one in schema.get("properties", {}).items()}
        needed = schema.get("required", [])
        found: st.SearchStrategy[Any] = st.fixed_dictionaries(
            {name: known[name] for name in needed}, optional={name: one for name, one in known.items() if name not in needed}
        )
        return found if known else st.dictionaries(TEXT, ANYTHING, max_size=3)
    if kind == "array":
        return st.lists(of(schema.get("items", {}), parts), min_size=schema.get("minItems", 0), max_size=4)
    if kind == "integer":
        return st.integers(schema.get("minimum", -5), min(schema.get("maximum", 500), 2**63))
    plain: dict[str | None, st.SearchStrategy[Any]] = {
        "string": TEXT.map(lambda text: text[: schema.get("maxLength", 80)] or "o-1"), "boolean": st.booleans(), "null": st.none(),
        "number": st.floats(allow_nan=False, allow_infinity=False),
    }  # fmt: skip
    return plain.get(kind, ANYTHING)


@st.composite
def twisted(draw: st.DrawFn, right: st.SearchStrategy[Any]) -> Any:
    """A right value, or one with a key gone, added, or of another kind, or something else altogether."""
    value = draw(right)
    how = draw(st.sampled_from(("right", "right", "without", "more", "other", "anything")))
    if how == "anything":
        return draw(ANYTHING)
    if not isinstance(value, dict) or how == "right":
        return value
    names = sorted(value)
    if how == "more" or not names:
        return {**value, draw(TEXT): draw(ANYTHING)}
    name = draw(st.sampled_from(names))
    if how == "without":
        return {key: one for key, one in value.items() if key != name}
    return {**value, name: draw(ANYTHING)}


@st.composite
def requests(draw: st.DrawFn, document: dict[str, Any]) -> tuple[str, str, bytes | None]:
    """Method, path with its query, and body of one request."""
    routes = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    method, path = draw(st.sampled_from([route for route in routes if route not in NEVER]))
    operation, parts = document["paths"][path][method.lower()], document["components"]["schemas"]
    query = {}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(draw(TEXT) or "-", safe=""))
        elif draw(st.booleans()):
            query[parameter["name"]] = str(draw(of(parameter["schema"], parts) | TEXT))
    if draw(st.integers(0, 9)) == 0:
        query[draw(TEXT)] = draw(TEXT)
    told = operation.get("requestBody")
    body = None
    if told is not None:
        right = of(told["content"]["application/json"]["schema"], parts)
        body = json.dumps(draw(twisted(right))).encode()
        if draw(st.integers(0, 19)) == 0:
            body = draw(st.binary(max_size=60))
    return method, path + (f"?{urlencode(query)}" if query else ""), body


def test_api_03_no_request_that_the_document_or_chance_makes_is_answered_with_500(running: Desk) -> None:
    """What is answered fits the document: its statuses, and the shape that it tells of each body."""
    assert running.contract is not None
    seen: dict[int, int] = {}

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])  # fmt: skip
    @given(requests(running.contract.document), st.sampled_from((None, None, None, TAPE)))
    def fuzz(request: tuple[str, str, bytes | None], token: str | None) -> None:
        method, path, body = request
        answer = running.ask(method, path, raw=body, **({} if token is None else {"token": token}))
        assert answer.status != 500, request
        seen[answer.status] = seen.get(answer.status, 0) + 1

    fuzz()
    assert sum(seen.values()) >= EXAMPLES
    assert {200, 400, 403, 404} <= set(seen), seen
    assert running.ask("GET", "/health").status == 200
    code, errors = running.end()
    assert code == 0, errors
    assert "failed to answer" not in errors
    assert "Traceback" not in errors

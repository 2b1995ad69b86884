"""The operator's surface from outside: every route, every refusal (API-01..03, API-10, SUB-13, SUB-14)."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from tests.system.surface_kit import CONFIG, FULL, READ, TAPE, TOKENS, Answered, Desk, desk

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

SUBSCRIPTION = {"consumer_id": "tape", "symbol": "ETH-USD", "event_types": ["Trade"]}
MERGED = {"consumer_id": "tape", "symbol": "BTC-USD", "event_types": ["Trade"], "providers": ["kraken", "second"]}
ORDER = {"consumer_id": "tape", "client_order_id": "o-1", "symbol": "BTC-USD", "side": "buy", "order_type": "limit",
         "price": "1.0", "qty": "1"}  # fmt: skip
# Method, path, body, and which of (none, wrong, read-only, consumer's own, full) are let in: model.md API-01, API-10.
OPEN, ANY, OPERATORS, OWN_READ, OWN, FULL_ONLY = "nwrcf", "rcf", "rf", "rcf", "cf", "f"
ROUTES: list[tuple[str, str, Any, str]] = [
    ("GET", "/health", None, OPEN),
    ("GET", "/ready", None, OPEN),
    ("GET", "/subscriptions", None, OWN_READ),
    ("POST", "/control/subscribe", SUBSCRIPTION, OWN),
    ("POST", "/control/unsubscribe", SUBSCRIPTION, OWN),
    ("POST", "/control/merged-subscribe", MERGED, OWN),
    ("POST", "/control/set-trading-mode", {"consumer_id": "tape", "enabled": False}, OWN),
    ("GET", "/consumers", None, OPERATORS),
    ("GET", "/consumers/tape", None, OWN_READ),
    ("GET", "/positions", None, OWN_READ),
    ("GET", "/orders", None, OWN_READ),
    ("POST", "/orders", ORDER, OWN),
    ("POST", "/orders/cancel-all", {"consumer_id": "tape"}, OWN),
    ("GET", "/orders/tape/o-1", None, OWN_READ),
    ("DELETE", "/orders/tape/o-1", None, OWN),
    ("GET", "/providers", None, OPERATORS),
    ("GET", "/providers/kraken", None, OPERATORS),
    ("POST", "/providers/kraken/start", {}, FULL_ONLY),
    ("GET", "/providers/kraken/balances", None, OPERATORS),
    ("GET", "/instruments", None, ANY),
    ("GET", "/books/kraken/BTC-USD", None, ANY),
    ("GET", "/risk/limits", None, OPERATORS),
    ("PUT", "/risk/limits", {"limits": {"orders_per_s": 5}}, FULL_ONLY),
    ("PUT", "/risk/kill-switch", {"on": False}, FULL_ONLY),
    ("POST", "/risk/clear", {"consumer_id": "tape"}, FULL_ONLY),
    ("GET", "/telemetry", None, OPERATORS),
    ("GET", "/dlq", None, OPERATORS),
    ("DELETE", "/dlq", None, FULL_ONLY),
    ("GET", "/pools", None, OPERATORS),
    ("PUT", "/pools/debug", {"on": False}, FULL_ONLY),
    ("PUT", "/log-level", {"level": "info"}, FULL_ONLY),
    ("GET", "/routing", None, OPERATORS),
    ("GET", "/config", None, OPERATORS),
    ("GET", "/openapi.json", None, ANY),
]
"""All but POST /providers/{name}/stop and POST /shutdown, which have tests of their own."""
SHOWN = {"n": None, "w": "no-token-of-anybody", "r": READ, "c": TAPE, "f": FULL}
IDS = [f"{method} {path}" for method, path, _, _ in ROUTES]
ORDERS_ROUTES = ("/orders", "/positions", "/risk")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as found:
        yield found


@pytest.mark.parametrize(("method", "path", "body", "admitted"), ROUTES, ids=IDS)
def test_api_01_each_route_lets_in_whom_it_should(
    method: str, path: str, body: Any, admitted: str, running: Desk
) -> None:
    for who, token in SHOWN.items():
        answer = running.ask(method, path, body, token=token)
        if who in admitted:
            assert answer.status not in (401, 403), (who, answer.body)
            assert "access-control-allow-origin" not in answer.headers
        else:
            assert answer.status == (401 if who in "nw" else 403), (who, answer.body)
            assert answer.error["code"] == "auth"
            assert ("www-authenticate" in answer.headers) is (who in "nw")
    if path.startswith(ORDERS_ROUTES):
        return
    if path == "/control/unsubscribe":
        assert running.ask("POST", "/control/subscribe", body).status == 200
    assert running.ask(method, path, body).status in (200, 202)


def test_api_01_a_consumers_token_speaks_of_its_own_alone(running: Desk) -> None:
    for method, path, body in (
        ("GET", "/consumers/other", None),
        ("GET", "/subscriptions?consumer_id=other", None),
        ("GET", "/orders/other/o-1", None),
        ("POST", "/control/subscribe", {**SUBSCRIPTION, "consumer_id": "other"}),
        ("POST", "/control/set-trading-mode", {"consumer_id": "other", "enabled": True}),
        ("POST", "/orders/cancel-all", {"consumer_id": "other"}),
    ):
        answer = running.ask(method, path, body, token=TAPE)
        assert answer.status == 403, path
        assert "other is not yours" in answer.error["message"]
    rows = running.ask("GET", "/subscriptions", token=TAPE).body["subscriptions"]
    assert {row["consumer_id"] for row in rows} == {"tape"}


@pytest.mark.parametrize("header", ["", "Basic abc", FULL, f"Bearer {FULL}x", "Bearer ", f"Bearer {FULL[:-1]}"])
def test_api_01_what_is_no_token_of_ours_is_401(header: str, running: Desk) -> None:
    assert running.ask("GET", "/consumers", token=None, headers={"Authorization": header}).status == 401
    assert running.ask("GET", "/consumers", token=None, headers={"Authorization": f"bearer {FULL}"}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", ""])
def test_api_02_a_foreign_host_is_421(host: str, running: Desk) -> None:
    answer = running.ask("GET", "/health", headers={"Host": host})
    assert answer.status == 421
    assert answer.error["hint"] == "name it in api.allowed_hosts"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "[::1]:8880", "Desk.Example", "desk.example:443"])
def test_api_02_hosts_of_this_machine_and_those_allowed(host: str, running: Desk) -> None:
    assert running.ask("GET", "/health", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "raw", "says"),
    [
        ("POST", "/control/subscribe", b'{"consumer_id":"tape","symbol":"ETH-USD","event_types":["Trade"],"colour":1}', "colour"),
        ("POST", "/control/subscribe", b'{"consumer_id":"tape"}', "symbol"),
        ("POST", "/control/subscribe", b"[]", "object"),
        ("POST", "/control/subscribe", b"{", "truncated"),
        ("POST", "/control/subscribe", b'\xff{}', "malformed"),
        ("POST", "/orders", b'{"consumer_id":"tape","client_order_id":"o","symbol":"BTC-USD","side":"buy","order_type":"limit","qty":1.5}', "qty"),
        ("PUT", "/log-level", b'{"level":"loud"}', "level"),
        ("PUT", "/pools/debug", b'{"on":1}', "on"),
        ("POST", "/control/set-trading-mode", b'{"consumer_id":"tape","enabled":"no"}', "enabled"),
        ("POST", "/providers/kraken/start", b'{"provider":"kraken"}', "provider"),
        ("GET", "/instruments?colour=red", b"", "colour"),
        ("GET", "/instruments?limit=501", b"", "500"),
        ("GET", "/instruments?limit=0", b"", "1"),
        ("GET", "/books/kraken/BTC-USD?depth=many", b"", "depth"),
        ("GET", "/telemetry?severity=loud", b"", "severity"),
    ],
)  # fmt: skip
def test_api_03_what_is_malformed_is_400_and_names_it(method: str, path: str, raw: bytes, says: str, running: Desk) -> None:
    answer = running.ask(method, path, raw=raw or None)
    assert answer.status == 400, answer.body
    assert answer.error["code"] == "invalid_request"
    assert says in answer.error["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "not_found"),
        ("GET", "/consumers/nobody", None, 404, "not_found"),
        ("GET", "/subscriptions?consumer_id=nobody", None, 404, "not_found"),
        ("GET", "/providers/nowhere", None, 404, "not_found"),
        ("GET", "/providers/nowhere/balances", None, 404, "not_found"),
        ("POST", "/providers/nowhere/stop", {}, 404, "not_found"),
        ("GET", "/books/nowhere/BTC-USD", None, 404, "not_found"),
        ("GET", "/books/kraken/NO-USD", None, 404, "not_found"),
        ("POST", "/control/subscribe", {**SUBSCRIPTION, "consumer_id": "nobody"}, 404, "not_found"),
        ("POST", "/control/subscribe", {**SUBSCRIPTION, "symbol": "NO-USD"}, 404, "not_found"),
        ("POST", "/control/unsubscribe", {**SUBSCRIPTION, "symbol": "SOL-USD"}, 404, "not_found"),
        ("POST", "/control/subscribe", {**SUBSCRIPTION, "event_types": ["TelemetryEvent"]}, 400, "invalid_request"),
        ("POST", "/consumers", {}, 405, "invalid_request"),
        ("DELETE", "/health", None, 405, "invalid_request"),
    ],
)  # fmt: skip
def test_sub_13_sub_15_what_cannot_be_is_refused_by_its_status(
    method: str, path: str, body: Any, status: int, code: str, running: Desk
) -> None:
    answer = running.ask(method, path, body)
    assert (answer.status, answer.error["code"]) == (status, code), answer.body


def test_api_03_a_body_past_the_limit_is_413(running: Desk) -> None:
    body = {"consumer_id": "tape", "enabled": False, "message_id": "x" * 5000}
    answer = running.ask("POST", "/control/set-trading-mode", body)
    assert (answer.status, answer.error["code"]) == (413, "invalid_request")
    assert running.ask("POST", "/control/set-trading-mode", {**body, "message_id": "x" * 65}).status == 400


def test_api_03_the_sixty_fifth_request_in_flight_is_503_and_the_next_one_is_not(running: Desk) -> None:
    """Sixty-four that never send their bodies; once one of them goes there is room again."""
    at = urlsplit(running.url)
    head = f"PUT /log-level HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {FULL}\r\nContent-Length: 40\r\n\r\n".encode()
    with ExitStack() as stack:
        waiting = []
        for _ in range(64):
            waiting.append(stack.enter_context(socket.create_connection((at.hostname or "", at.port or 0), timeout=10)))
            waiting[-1].sendall(head)
        refused = _until_status(running, 503)
        assert (refused.error["code"], "64 requests are in flight" in refused.error["message"]) == ("unavailable", True)
        waiting[0].close()
        _until_status(running, 200)


def _until_status(running: Desk, status: int) -> Answered:
    """What /consumers answers once it answers so: what is sent on other connections takes a moment to be seen."""
    for _ in range(500):
        found = running.ask("GET", "/consumers")
        if found.status == status:
            return found
    raise AssertionError(f"it does not answer {status}")


def test_api_03_a_trace_id_comes_back_and_is_made_where_none_is_given(running: Desk) -> None:
    given = "5f0c1d2e-3a4b-5968-7786-a5b4c3d2e1f0"
    assert running.ask("GET", "/health", headers={"X-Trace-Id": given}).headers["x-trace-id"] == given
    assert running.ask("GET", "/nowhere", headers={"X-Trace-Id": given}).error["trace_id"] == given
    made = {running.ask("GET", "/health").headers["x-trace-id"] for _ in range(3)}
    assert len(made) == 3
    assert running.ask("GET", "/health", headers={"X-Trace-Id": "<b>\t"}).headers["x-trace-id"] != "<b>\t"


def test_api_03_a_message_id_makes_a_post_repeatable_and_is_409_for_something_else(running: Desk) -> None:
    body = {**SUBSCRIPTION, "consumer_id": "other", "message_id": "m-1"}
    first = running.ask("POST", "/control/subscribe", body)
    assert first.body["success"]
    assert running.ask("POST", "/control/subscribe", body).body == first.body
    answer = running.ask("POST", "/control/subscribe", {**body, "symbol": "BTC-USD"})
    assert (answer.status, answer.error["code"]) == (409, "conflict")


def test_rte_03_the_same_subscription_is_the_same_and_a_switch_adds_no_version(running: Desk) -> None:
    body = {"consumer_id": "other", "symbol": "BTC-USDT", "event_types": ["Trade"]}
    first = running.ask("POST", "/control/subscribe", body).body
    again = running.ask("POST", "/control/subscribe", body).body
    assert again["result"]["subscription_id"] == first["result"]["subscription_id"]
    assert again["routing_version"] == first["routing_version"]
    switched = running.ask("POST", "/control/set-trading-mode", {"consumer_id": "other", "enabled": True}).body
    assert switched["routing_version"] == first["routing_version"]
    found = running.ask("GET", "/consumers/other").body
    assert found["trading_switch"]["enabled"]
    assert found["trading_switch"]["by"] == "api"
    assert first["result"]["subscription_id"] in found["subscriptions"]
    routing = running.ask("GET", "/routing").body
    assert "binance:BTC-USDT:Trade" in routing["table"]["other"]
    running.ask("POST", "/control/set-trading-mode", {"consumer_id": "other", "enabled": False})
    ended = running.ask("POST", "/control/unsubscribe", body).body
    assert ended["routing_version"] == first["routing_version"] + 1
    assert "binance:BTC-USDT:Trade" not in running.ask("GET", "/routing").body["table"]["other"]


def test_api_10_a_book_is_the_event_trimmed_and_in_force(running: Desk, project_root: Path) -> None:
    book = running.ask("GET", "/books/kraken/BTC-USD?depth=3").body
    state, age_ns = book.pop("state"), book.pop("age_ns")
    assert state == "valid"
    assert 0 <= age_ns < 60_000_000_000
    assert len(book["bids"]) == len(book["asks"]) == 3
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    schema = json.loads((project_root / "docs" / "schemas" / "event.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(book)] == []
    # What a book costs comes back: the copy is nobody's.
    for _ in range(400):
        assert running.ask("GET", "/books/kraken/ETH-USD?depth=1").status == 200
    assert running.ask("GET", "/pools").body["pools"]["BookSnapshot"]["in_use"] <= 2


def test_api_10_lists_come_in_pages(running: Desk) -> None:
    first = running.ask("GET", "/instruments?limit=2").body
    rest = running.ask("GET", f"/instruments?limit=100&cursor={first['next_cursor']}").body
    names = [(row["provider"], row["symbol"]) for row in first["instruments"] + rest["instruments"]]
    assert sorted(names) == [("binance", "BTC-USDT"), ("kraken", "BTC-USD"), ("kraken", "ETH-USD"),
                             ("second", "BTC-USD")]  # fmt: skip
    assert rest["next_cursor"] is None
    one = running.ask("GET", "/instruments?provider=kraken&symbol=ETH-USD").body["instruments"]
    assert [row["venue_symbol"] for row in one] == ["ETH/USD"]


def test_api_10_telemetry_goes_on_from_where_it_was_read(running: Desk) -> None:
    before = running.ask("GET", "/telemetry?limit=500").body["next_id"]
    running.ask("POST", "/control/set-trading-mode", {"consumer_id": "tape", "enabled": True})
    running.ask("POST", "/control/set-trading-mode", {"consumer_id": "tape", "enabled": False})
    found = running.ask("GET", f"/telemetry?since_id={before}&type=trading.switch").body
    assert [row["metadata"]["enabled"] for row in found["records"]] == [True, False]
    assert found["missed"] == 0
    assert running.ask("GET", f"/telemetry?since_id={found['next_id']}&type=trading.switch").body["records"] == []


def test_api_10_telemetry_is_told_as_it_comes(running: Desk) -> None:
    ctl = ["ctl", "telemetry", "tail", "--json", "--type", "trading.switch"]
    with subprocess.Popen([sys.executable, "-m", "engine", *ctl], cwd=running.folder, env={**os.environ, **TOKENS},
                          stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
        assert process.stdout is not None
        stop = threading.Event()

        def switch() -> None:
            on = False
            while not stop.wait(1.1):  # the same within a second would be one record
                on = not on
                running.ask("POST", "/control/set-trading-mode", {"consumer_id": "other", "enabled": on})

        worker = threading.Thread(target=switch)
        worker.start()
        try:
            rows = [json.loads(process.stdout.readline()) for _ in range(4)]
        finally:
            stop.set()
            worker.join()
            process.kill()
    assert {row["type"] for row in rows} == {"trading.switch"}


def test_api_10_config_is_masked_and_names_its_origin(running: Desk) -> None:
    values = running.ask("GET", "/config").body["values"]
    assert values["api.port"] == {"value": "0", "from": "engine.yaml:1"}
    assert values["api.host"] == {"value": '"127.0.0.1"', "from": "default"}
    assert values["providers[1].symbols"]["value"] == '["BTC-USD", "ETH-USD"]'
    assert not any(token in json.dumps(values) for token in TOKENS.values())


def test_api_10_health_and_ready(running: Desk) -> None:
    assert running.ask("GET", "/ready", token=None).body == {"ready": True, "reasons": []}
    health = running.ask("GET", "/health", token=None).body
    assert health["status"] == "ok"
    assert set(health) == {"status", "venues", "books", "consumers", "pools", "orders"}


def test_api_10_a_provider_stops_and_starts_and_health_says_so_OBS_11(running: Desk) -> None:
    stopped = running.ask("POST", "/providers/binance/stop", {})
    assert (stopped.status, stopped.body["result"]) == (202, {"state": "stopped"})
    assert running.ask("GET", "/providers/binance").body["state"] == "stopped"
    ready = running.ask("GET", "/ready", token=None)
    assert ready.status == 503
    assert any(reason.startswith("binance: stopped") for reason in ready.body["reasons"])
    health = running.ask("GET", "/health", token=None)
    assert (health.status, health.body["status"]) == (200, "degraded")
    assert set(health.body["venues"]) == {"binance"}
    book = running.ask("GET", "/books/binance/BTC-USDT")
    assert (book.status, book.error["code"]) == (503, "unavailable")
    for token in (READ, TAPE):
        assert running.ask("POST", "/providers/binance/stop", {}, token=token).status == 403
    assert running.ask("POST", "/providers/binance/start", {}).status == 202
    assert _until_ready(running)


def _until_ready(running: Desk) -> bool:
    """Each look takes a connection, so this is no busy wait of note."""
    return any(running.ask("GET", "/ready", token=None).status == 200 for _ in range(3000))


def test_api_10_the_openapi_document_tells_every_route_and_its_types(running: Desk) -> None:
    document = running.ask("GET", "/openapi.json").body
    assert document["openapi"] == "3.1.0"
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    tried = {("POST", "/shutdown"), ("POST", "/providers/{provider}/stop")}
    for method, path, _, _ in ROUTES:
        parts = path.split("/")
        match = [one for one in told if one[0] == method and _fits(one[1].split("/"), parts)]
        assert match, path
        tried.update(match)
    assert told - tried == set()
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert "additionalProperties" not in schema or schema["additionalProperties"] is False, name
    references = json.dumps(document).split('"$ref": "')[1:]
    names = {text.partition('"')[0].rpartition("/")[2] for text in references}
    assert names <= set(document["components"]["schemas"])
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            inside = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert inside == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert operation["summary"]


def _fits(told: list[str], parts: list[str]) -> bool:
    return len(told) == len(parts) and all(a == b or a.startswith("{") for a, b in zip(told, parts, strict=True))


def test_api_01_without_a_token_in_the_environment_one_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with desk(tmp_path, DESK_TOKEN="") as found:
        file = tmp_path / "engine-state" / "api.token"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        token = file.read_text()
        assert len(token) >= 32
        assert found.ask("GET", "/consumers", token=token).status == 200
        assert found.ask("GET", "/consumers", token="").status == 401
        assert json.loads(found.ctl("ctl", "providers", "list", "--json", token=None).stdout)["providers"]
        answer = found.ask("POST", "/shutdown", {}, token=token)
        assert (answer.status, answer.body) == (202, {"stopping": True})
        out, errors = found.process.communicate(timeout=30)
        assert found.process.returncode == 0, errors
        assert json.loads(out)["balanced"]
        assert token not in out + errors
        assert list((tmp_path / "engine-state").iterdir()) == []


@pytest.mark.parametrize(
    ("sets", "env", "says"),
    [
        (("api.host=0.0.0.0",), {}, "not of this machine alone"),
        (("api.host=0.0.0.0",), {"DESK_TOKEN": ""}, "not of this machine alone"),
        (("api.tls_cert=missing.pem",), {}, "go together"),
        (("api.tls_cert=missing.pem", "api.tls_key=missing.key"), {}, "cannot be used"),
        (("engine.state_dir=/proc/nowhere",), {}, "cannot be written"),
    ],
)  # fmt: skip
def test_api_02_what_may_not_be_served_is_refused_at_the_start(
    sets: tuple[str, ...], env: dict[str, str], says: str, tmp_path: Path
) -> None:
    assert says in _refused(tmp_path, *sets, **env)


def test_a_port_that_is_taken_is_refused_and_named(running: Desk, tmp_path: Path) -> None:
    port = running.url.rpartition(":")[2]
    assert f"api.port {port}" in _refused(tmp_path, f"api.port={port}")


def _refused(folder: Path, *sets: str, **env: str) -> str:
    (folder / "engine.yaml").write_text(json.dumps(CONFIG))
    command = [sys.executable, "-m", "engine", "run", *[word for text in sets for word in ("--set", text)]]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **TOKENS, **env}, capture_output=True, text=True,
                          timeout=40, check=False)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr

"""EVT-03, D14, CLI-01: the published JSON Schemas are those of the code, and what the engine writes fits them."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from engine.bench.record import Row
from engine.bench.record import document as record
from engine.cli.documents import schemas
from engine.schema.classes import CLASSES
from engine.schema.codec import to_json
from engine.schema.enums import EventType
from engine.schema.event import Event
from tests.system.test_run_cli import endpoints, simulator
from tests.unit.event_kit import BUILT, fields_of, sample

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]
NAMES = ("bench", "check", "config", "ctl", "demo", "error", "event", "event.schema", "instruments", "record", "replay", "report", "run",
         "run-ready", "status")


def full_event(event_type: EventType) -> Event:
    """An event with a value in every field."""
    values = {name: sample(event_type, name) for name in fields_of(event_type)}
    if event_type is EventType.MERGED_EVENT:
        values["provider"] = "merged:btc"
    return BUILT[event_type].from_dict(values)


@pytest.fixture(scope="module")
def published(project_root: Path) -> dict[str, Any]:
    folder = project_root / "docs" / "schemas"
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def faults(schema: Any, document: Any) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in Draft202012Validator(schema).iter_errors(document)]


def output(*args: object, cwd: Path, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "engine", *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_d14_what_is_published_is_what_the_code_makes(published: dict[str, Any]) -> None:
    """When this fails: scripts/schemas.py writes them anew; say in the README's Changes what users must change."""
    made = json.loads(msgspec.json.encode(schemas()))
    assert sorted(published) == sorted(made) == list(NAMES)
    assert [name for name in NAMES if published[name] != made[name]] == []


def test_bus_30_the_schema_of_entries_comes_with_the_package(project_root: Path) -> None:
    shipped = resources.files("engine.schema").joinpath("event.schema.json").read_text(encoding="utf-8")
    assert shipped == (project_root / "docs" / "schemas" / "event.schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_schema_of_2020_12(name: str, published: dict[str, Any]) -> None:
    assert published[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(published[name])


@pytest.mark.parametrize("event_type", BUILT, ids=lambda event_type: event_type.class_name)
def test_evt_03_every_event_fits_and_no_field_may_be_missing_added_or_wrong(
    event_type: EventType, published: dict[str, Any]
) -> None:
    document = json.loads(to_json(full_event(event_type)))
    schema = published["event"]
    assert faults(schema, document) == []
    for name in document:
        lacking = {key: value for key, value in document.items() if key != name}
        assert faults(schema, lacking), f"{name} may be missing"
        assert faults(schema, {**document, name: [{"no": "such value"}]}), f"{name} may be anything"
    assert faults(schema, {**document, "more": 1})


def test_evt_03_the_schema_tells_the_fields_of_each_class(published: dict[str, Any]) -> None:
    told = published["event"]["$defs"]
    assert {cls.__name__ for cls in CLASSES} == set(told) - {"Instrument"}
    for event_type in BUILT:
        assert list(told[event_type.class_name]["properties"]) == list(json.loads(to_json(full_event(event_type))))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("price", "1e5"), ("price", 1.5), ("price", "01.5"), ("qty", "+1"), ("symbol", "btc-usd"), ("ts_recv", "2030-01-02"),
        ("trace_id", "5F0C1D2E-3A4B-5968-7786-A5B4C3D2E1F0"), ("flags", ["lately"]), ("side", "none_of_both"),
        ("type", "Trades"), ("kind", "account"), ("epoch", -1), ("price_scale", 19), ("seq_provider", 2**64),
    ],
)  # fmt: skip
def test_evt_03_values_of_the_wrong_form_are_refused(field: str, wrong: object, published: dict[str, Any]) -> None:
    document = json.loads(to_json(full_event(EventType.TRADE)))
    assert faults(published["event"], {**document, field: wrong})


def test_recorded_events_fit(captures: Path, tmp_path: Path, published: dict[str, Any]) -> None:
    for name in ("binance_spot_2021_4pairs", "kraken_v2_btc_eth_d10_20260707"):
        output("replay", captures / f"{name}.jsonl.gz", "--out", "events.jsonl", "--json", cwd=tmp_path)
        check = Draft202012Validator(published["event"])
        lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
        # Every line of each type up to a few dozen: the whole file would tell the same for minutes.
        assert [line for line in _some_of_each_type(lines) if not check.is_valid(json.loads(line))] == []


def _some_of_each_type(lines: list[bytes]) -> Iterator[bytes]:
    seen: dict[bytes, int] = {}
    for line in lines:
        kind = line.split(b'"', 4)[3]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= 30:
            yield line


def test_cli_01_what_each_verb_prints_fits_its_schema(captures: Path, tmp_path: Path, published: dict[str, Any]) -> None:
    capture = captures / "kraken_v2_btcusd_d10_20230730_respelled.jsonl.gz"
    printed = {
        "replay": output("replay", capture, "--json", "--verify", cwd=tmp_path),
        "check": output("check", "--json", "--effective", cwd=tmp_path),
        "demo": output("demo", "--seconds", 0.5, "--json", cwd=tmp_path),
        "instruments": output("instruments", captures / "binance_spot_2021_4pairs.jsonl.gz", "--json", cwd=tmp_path),
        "error": output("replay", "missing.jsonl.gz", "--json", cwd=tmp_path, code=2),
    }
    assert [line for name, document in printed.items() for line in faults(published[name], document)] == []
    more = copy.deepcopy(printed["replay"])
    more[0]["pipeline"]["lost"] = 1
    assert faults(published["replay"], more)


def test_cli_01_what_run_and_record_print_fits_their_schemas(
    tmp_path: Path, project_root: Path, published: dict[str, Any]
) -> None:
    config = project_root / "docs" / "examples" / "three-venues.yaml"
    command = [sys.executable, "-m", "engine", "run", "--config", str(config), "--simulated-providers", "--json",
               "--set", "api.port=0", "--set", "mcp.port=0"]  # fmt: skip
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        printed = {"run-ready": json.loads(process.stdout.readline())}
        process.terminate()
        printed["run"] = json.loads(process.stdout.read())
    with simulator() as addresses:
        options = ("--seconds", 1, "--json", *endpoints(addresses))
        printed["record"] = output("record", "--config", config, "--out", "tapes", *options, cwd=tmp_path)
    assert [line for name, document in printed.items() for line in faults(published[name], document)] == []
    assert set(printed["run"]["resyncs"]) == {"binance", "coinbase", "kraken"}
    printed["run"]["resyncs"] = {"binance": {"gap": "1"}}
    assert faults(published["run"], printed["run"])


def test_cli_01_a_measurement_fits_its_schema(published: dict[str, Any]) -> None:
    row = Row("G7", "in order", "stage", 1.5, "ns", "at_most", limit=2.0)
    result = json.loads(json.dumps({**record("bench", [row], details={"suite": "micro"}), "compared": ["G7: same"]}))
    assert faults(published["bench"], result) == []
    result["rows"][0]["verdict"] = "fine"
    assert faults(published["bench"], result)


def test_a_configuration_fits_where_the_engine_takes_it(published: dict[str, Any]) -> None:
    right = "{schema_version: 1, providers: [{name: kraken, venue: kraken, symbols: [BTC-USD]}]}"
    assert faults(published["config"], yaml.safe_load(right)) == []
    for wrong in (
        right.replace("version: 1", "version: 2"),
        right.replace("venue: kraken", "venue: krakn"),
        right.replace("BTC-USD", "btcusd"),
        right.replace("providers", "provider"),
        right[:-1] + ", dispatcher: {quantum_events: 0}}",
        right[:-1] + ", more: 1}",
    ):
        assert faults(published["config"], yaml.safe_load(wrong)), wrong

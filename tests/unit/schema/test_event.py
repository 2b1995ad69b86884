"""EVT-01 to EVT-07, MEM-07, CON-08: events are read-only for consumers; a detached copy is one's own."""

from __future__ import annotations

import copy
import ctypes
import os
import pickle
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest

from engine.base.clock import ManualClock, SystemClock
from engine.base.errors import MisuseError
from engine.schema.enums import CRITICAL_KINDS, KIND_OF_TYPE, EventFlag, EventKind, EventType
from engine.schema.event import Event, parse_uuid, use_clock
from engine.schema.market import BookSnapshot, BookUpdate, Levels, Trade
from engine.schema.quotes import KlineSummary, Ticker
from tests.unit.event_kit import (
    BASE,
    BOOK_TYPES,
    BUILT,
    DERIVED,
    SAMPLES,
    attributes_of,
    churn,
    fields_of,
    fill_all,
    leased,
    readable,
    recycler,
    sample,
)

# --- read-only ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", BUILT)
def test_mem_07_every_write_to_a_published_event_raises(event_type: EventType) -> None:
    pools = recycler(1)
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    fill_all(lease)
    lease.publish()
    event = lease.event()
    before = readable(event)
    for name in [*attributes_of(BUILT[event_type]), *fields_of(event_type), "anything", "__dict__", "__class__"]:
        with pytest.raises(AttributeError):
            setattr(event, name, SAMPLES.get(name, 1))
        with pytest.raises((AttributeError, TypeError)):
            delattr(event, name)
    for name in fields_of(event_type):
        with pytest.raises(AttributeError, match="read-only"):
            event.fill(name, SAMPLES[name])
    assert readable(event) == before
    with pytest.raises(MisuseError, match="after publish"):
        lease.fill("epoch", 1)
    del event
    lease.release()


@pytest.mark.parametrize("event_type", BOOK_TYPES)
def test_mem_07_levels_and_their_views_are_read_only(event_type: EventType) -> None:
    pools = recycler(1)
    lease = leased(pools, event_type, bids=[(10, 1), (9, 2)], asks=[(11, 3)])
    for levels in (lease.event().bids, lease.event().asks, lease.event().detach().bids):
        with pytest.raises(TypeError):
            levels[0] = (1, 1)
        with pytest.raises(TypeError):
            del levels[0]
        with pytest.raises(AttributeError):
            levels.append((1, 1))
        with pytest.raises(AttributeError):
            levels.anything = 1
        view = memoryview(levels)
        assert view.readonly
        with pytest.raises(TypeError):
            view[0, 0] = 5
        array = np.asarray(levels)
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 5
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)
        with pytest.raises(TypeError, match="not writable"):
            (ctypes.c_char * 16).from_buffer(levels)
        del view, array
    del levels
    lease.release()


@pytest.mark.parametrize("event_type", BUILT)
def test_con_08_no_method_of_an_event_changes_it(event_type: EventType) -> None:
    """What a consumer can reach: reading, copying, and fill(), which refuses; nothing that recycles."""
    methods = {
        name for name in dir(BUILT[event_type]) if not name.startswith("_") and callable(getattr(BUILT[event_type], name))
    }
    assert methods == {"as_dict", "detach", "fill", "from_dict"}
    hidden = {name for name in dir(BUILT[event_type]) if name.startswith("_") and not name.startswith("__")}
    assert hidden == {"_ident"}


# --- copies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", BUILT)
def test_evt_02_a_detached_copy_equals_a_literal_after_1000_reuses(event_type: EventType) -> None:
    pools = recycler(1)
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    values = fill_all(lease)
    lease.publish()
    copy = lease.event().detach()
    assert lease.release() == "recycled"
    churn(pools, event_type, 1000)
    now = readable(copy)
    assert {name: now[name] for name in values} == values
    assert copy.is_detached


@pytest.mark.parametrize("event_type", BUILT)
def test_con_08_a_changed_copy_changes_nobody_else(event_type: EventType) -> None:
    pools = recycler(1)
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    lease.publish()
    before = readable(lease.event())
    copy, other = lease.event().detach(), lease.event().detach()
    for name in fields_of(event_type):
        setattr(copy, name, sample(event_type, name))
        assert readable(copy)[name] == sample(event_type, name)
    assert copy != other
    assert readable(lease.event()) == before == readable(other)
    lease.release()


@pytest.mark.parametrize("event_type", BUILT)
def test_evt_02_only_detached_events_are_pickled(event_type: EventType) -> None:
    pools = recycler(1)
    lease = pools.acquire_lease(event_type)
    assert lease is not None
    fill_all(lease)
    lease.publish()
    for touch in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(MisuseError, match="cannot be pickled"):
            touch(lease.event())
    detached = lease.event().detach()
    for back in (pickle.loads(pickle.dumps(detached)), copy.copy(detached), copy.deepcopy(detached)):
        assert back == detached
        assert back.event_id == detached.event_id
        assert back is not detached
    lease.release()


def test_evt_02_a_pickle_means_the_same_in_a_process_with_other_ids() -> None:
    trade = Trade.from_dict({"provider": "far-away", "symbol": "X-Y", "trade_id": "5", "price_raw": 7})
    candle = KlineSummary.from_dict({"event_id": "far-away:X-Y:KlineSummary:60.4", "open_time_ns": 60})
    script = (
        "import pickle, sys\n"
        "from engine.base.ids import instrument_id\n"
        "from engine.schema import market\n"
        "[instrument_id(f'other{n}', 'A-B') for n in range(50)]\n"
        "for event in pickle.loads(sys.stdin.buffer.read()): print(event.event_id)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], input=pickle.dumps([trade, candle]), capture_output=True, check=True, timeout=5,
        env={**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)},
    )  # fmt: skip
    assert done.stdout.decode().split() == ["far-away:X-Y:Trade:5", "engine::KlineSummary:60.4"]


def test_a_detached_event_takes_its_levels_with_it() -> None:
    event = BookUpdate.from_dict({"bids": [(3, 1)], "asks": [(4, 2), (5, 3)]})
    again = event.detach()
    event.bids = []
    event.asks = [(9, 9)]
    assert (list(event.bids), list(event.asks)) == ([], [(9, 9)])
    assert (list(again.bids), list(again.asks)) == ([(3, 1)], [(4, 2), (5, 3)])
    view = again.bids
    for wrong in ([("a", 1)], [(1, 2**63)], [(1.5, 1)], [(1, Decimal(2))], [(1,)], 5):
        with pytest.raises((TypeError, OverflowError, ValueError)):
            again.bids = wrong
    assert list(view) == list(again.bids) == [(3, 1)]
    assert pickle.loads(pickle.dumps(view)) == [(3, 1)]


# --- fields -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", BUILT)
def test_evt_03_the_base_fields_are_exactly_those_of_the_model(event_type: EventType) -> None:
    event = BUILT[event_type]()
    assert tuple(event.as_dict())[: len(BASE)] == BASE == (
        "type", "kind", "schema_version", "event_id", "provider", "symbol", "seq_provider", "seq_first", "epoch",
        "ts_venue_ns", "ts_recv_ns", "ts_emit_ns", "routing_version", "merge_id", "trace_id", "decision_id", "flags",
        "folded_count", "price_scale", "qty_scale", "venue_meta",
    )  # fmt: skip
    assert event.type is event_type
    assert event.kind is KIND_OF_TYPE[event_type]
    assert event.is_critical is (event.kind in CRITICAL_KINDS)
    assert event.schema_version == 1
    assert (event.provider, event.symbol) == ("engine", None)
    assert (event.merge_id, event.venue_meta, event.decision_id) == (None, None, None)


@pytest.mark.parametrize(
    ("event_type", "own"),
    [
        (EventType.BOOK_SNAPSHOT, {"bids", "asks", "depth_levels", "first_update_id", "final_update_id", "checksum",
                                   "checksum_state", "verified_through_id", "reason"}),
        (EventType.BOOK_UPDATE, {"update_type", "bids", "asks", "first_update_id", "final_update_id", "checksum",
                                 "checksum_state", "verified_through_id", "invalid_reason"}),
        (EventType.TRADE, {"trade_id", "side", "price_raw", "qty_raw", "match_count"}),
        (EventType.TICKER, {"last_price_raw", "bid_price_raw", "bid_qty_raw", "ask_price_raw", "ask_qty_raw",
                            "open_24h_raw", "high_24h_raw", "low_24h_raw", "volume_24h_raw"}),
        (EventType.KLINE_SUMMARY, {"interval_ns", "interval", "open_time_ns", "close_time_ns", "open_raw", "high_raw",
                                   "low_raw", "close_raw", "volume_raw", "trade_count", "is_closed"}),
        (EventType.CONTROL_ACK, {"message_id", "consumer_id", "command_type", "success", "error"}),
        (EventType.CONTROL_RESULT, {"message_id", "consumer_id", "command_type", "result"}),
        (EventType.INSTRUMENT_UPDATE, {"instrument", "change", "changed_fields"}),
        (EventType.BALANCE_UPDATE, {"account", "asset", "asset_scale", "total_raw", "available_raw", "held_raw",
                                    "delta_raw", "cause"}),
        (EventType.MERGED_EVENT, {"rule", "window_open_ns", "window_close_ns", "close_reason", "expected_providers",
                                  "source_providers", "fragments", "fragment_count", "is_complete"}),
        (EventType.EXEC_REPORT, {"client_order_id", "consumer_id", "wire_order_id", "venue_order_id", "exec_id", "report",
                                 "order_state", "order_report_seq", "side", "order_type", "tif", "price_raw", "qty_raw",
                                 "filled_qty_raw", "remaining_qty_raw", "last_qty_raw", "last_price_raw", "cum_notional",
                                 "avg_fill_price", "liquidity", "fees", "reason", "is_open", "anomaly", "source"}),
        (EventType.RISK_CONTROL, {"status", "control", "scope", "breach", "breach_count", "until_ns", "operator", "text"}),
    ],
)  # fmt: skip
def test_evt_11_to_22_own_fields_are_those_of_the_model(event_type: EventType, own: set[str]) -> None:
    assert set(BUILT[event_type]().as_dict()) - set(BASE) == own


@pytest.mark.parametrize("event_type", BUILT)
def test_ins_16_what_is_unknown_is_none(event_type: EventType) -> None:
    optional = {
        "symbol", "decision_id", "first_update_id", "final_update_id", "checksum", "update_type", "invalid_reason",
        "trade_count", "error", "instrument", "change", "delta_raw", "cause", "close_reason",
        "venue_order_id", "exec_id", "report", "order_state", "order_type", "tif", "avg_fill_price", "source",
        "status", "control", "breach", "until_ns", "operator",
    } | ({"price_raw", "last_price_raw", "reason"} if event_type is EventType.EXEC_REPORT else set()) | {name for name in SAMPLES if event_type is EventType.TICKER and name in Ticker().as_dict()} - set(BASE)  # fmt: skip
    event = BUILT[event_type]()
    for name in fields_of(event_type):
        if name in optional:
            assert getattr(event, name) is None, name
            setattr(event, name, sample(event_type, name))
            assert getattr(event, name) is not None, name
            setattr(event, name, None)
        assert (getattr(event, name) is None) is (name in optional), name


def test_a_ticker_has_exactly_the_fields_that_were_set() -> None:
    names = [name for name in fields_of(EventType.TICKER) if name not in BASE]
    for alone in names:
        event = Ticker.from_dict({alone: 0})
        assert [name for name in names if getattr(event, name) is not None] == [alone]
        assert getattr(event, alone) == 0


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Trade.from_dict({"provider": "kraken", "symbol": "BTC-USD", "trade_id": "77", "seq_provider": 5}),
         "kraken:BTC-USD:Trade:77"),
        (BookUpdate.from_dict({"provider": "kraken", "symbol": "BTC-USD", "seq_provider": 18211, "epoch": 3}),
         "kraken:BTC-USD:BookUpdate:3.18211"),
        (BookSnapshot.from_dict({"provider": "engine", "symbol": None, "seq_provider": 2**64 - 1, "epoch": 2**32 - 1}),
         f"engine::BookSnapshot:{2**32 - 1}.{2**64 - 1}"),
        (KlineSummary.from_dict({"provider": "kraken", "symbol": "BTC-USD", "open_time_ns": 60, "seq_provider": 9}),
         "kraken:BTC-USD:KlineSummary:60.0"),
    ],
)  # fmt: skip
def test_evt_04_the_id_is_made_of_names_and_identity_and_of_no_time(event: Event, expected: str) -> None:
    assert event.event_id == expected
    again = event.detach()
    again.ts_recv_ns, again.ts_venue_ns, again.ts_emit_ns = 1, 2, 3
    assert again.event_id == expected
    assert hash(again) == hash(event)


def test_evt_07_lag_is_now_less_the_arrival() -> None:
    clock = ManualClock(1_000)
    use_clock(clock)
    try:
        event = Trade.from_dict({"ts_recv_ns": 400})
        assert event.lag_ns == 600
        clock.advance(50)
        assert event.lag_ns == 650
    finally:
        use_clock(SystemClock())


def test_ins_14_trace_ids_are_lower_case_uuids() -> None:
    event = Trade.from_dict({"trace_id": SAMPLES["trace_id"], "decision_id": SAMPLES["decision_id"]})
    assert (event.trace_id, event.decision_id) == (SAMPLES["trace_id"], SAMPLES["decision_id"])
    assert parse_uuid("00000000-0000-0001-ffff-ffffffffffff") == (1, 2**64 - 1)
    for wrong in ("", "5f0c1d2e", SAMPLES["trace_id"] + "0"):
        with pytest.raises(ValueError, match="UUID"):
            parse_uuid(wrong)


def test_flags_are_a_frozen_set() -> None:
    event = Trade.from_dict({"flags": [EventFlag.LATE, EventFlag.LATE, EventFlag.SYNTHETIC]})
    assert event.flags == frozenset({EventFlag.LATE, EventFlag.SYNTHETIC})
    assert isinstance(event.flags, frozenset)


@pytest.mark.parametrize("event_type", BUILT)
def test_what_is_no_field_is_refused(event_type: EventType) -> None:
    cls = BUILT[event_type]
    with pytest.raises(MisuseError, match="no field 'weight'"):
        cls.from_dict({"weight": 1})
    event = cls()
    foreign = next(name for name in SAMPLES if name not in event.as_dict())
    for name in ("weight", foreign, *(DERIVED - {"interval"})):
        with pytest.raises(AttributeError):
            setattr(event, name, SAMPLES.get(name, 1))
    with pytest.raises(IndexError):
        event.instrument_id = 2**31


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq_provider", -1), ("seq_provider", 2**64), ("epoch", 2**32), ("price_scale", 256), ("price_raw", 2**63),
        ("price_raw", "1"), ("side", 3), ("qty_raw", 1.5), ("price_raw", Decimal(5)), ("epoch", 2.0),
            ("trade_id", "x"), ("trade_id", 5.5), ("trace_id", "x"), ("flags", [3.5]), ("flags", [3]),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(name: str, value: object) -> None:
    event = Trade.from_dict({"price_raw": 5, "flags": [EventFlag.LATE]})
    before = event.as_dict()
    with pytest.raises((ValueError, OverflowError, TypeError)):
        setattr(event, name, value)
    assert event.as_dict() == before


def test_equality_is_of_type_and_fields() -> None:
    one, two = Trade.from_dict({"price_raw": 1}), Trade.from_dict({"price_raw": 1})
    assert one == two
    two.price_raw = 2
    assert one != two
    assert Trade() != Ticker()
    assert Trade() != 5


# --- levels -------------------------------------------------------------------------------------------------


def test_levels_are_a_sequence_of_pairs() -> None:
    rows = [(10, 1), (9, 2), (8, 2**63 - 1)]
    bids = BookUpdate.from_dict({"bids": rows, "asks": [(11, 4)]}).bids
    assert isinstance(bids, Levels)
    assert (len(bids), list(bids), bids[0], bids[-1], bids[1:]) == (3, rows, rows[0], rows[2], rows[1:])
    assert bids == rows
    assert repr(bids) == f"Levels({rows!r})"
    assert rows[1] in bids
    for wrong in (3, -4):
        with pytest.raises(IndexError, match=f"level {wrong} of 3"):
            bids[wrong]


def test_levels_are_an_int64_array_without_a_copy() -> None:
    event = BookUpdate.from_dict({"bids": [(10, 1), (9, 2)], "asks": [(11, 3)]})
    view = memoryview(event.asks)
    assert (view.format, view.shape, view.strides, view.itemsize, view.nbytes) == ("q", (1, 2), (16, 8), 8, 16)
    bids, again = np.asarray(event.bids), np.asarray(event.bids)
    assert (bids.dtype, bids.shape) == (np.dtype(np.int64), (2, 2))
    assert bids.__array_interface__["data"][0] == again.__array_interface__["data"][0]
    assert bids.tolist() == [[10, 1], [9, 2]]
    assert np.asarray(BookUpdate().bids).shape == (0, 2)


def test_levels_of_a_copy_do_not_move_under_an_array() -> None:
    pools = recycler(1)
    lease = pools.acquire_lease(EventType.BOOK_UPDATE)
    assert lease is not None
    copy = BookUpdate()
    for event, fill in ((copy, copy.fill), (lease.event(), lease.fill)):
        fill("bids", [(3, 1)])
        view = event.bids
        array = np.asarray(view)
        with pytest.raises(BufferError, match="in use"):
            fill("bids", [(4, 1)] * 100)
        assert array.tolist() == [[3, 1]]
        del array
        fill("bids", [(4, 1)] * 100)
        assert list(view) == [(4, 1)] * 100
    del event, view
    lease.release()


def test_levels_as_decimals_are_exact() -> None:
    event = BookUpdate.from_dict({"price_scale": 2, "qty_scale": 8, "bids": [(6_125_000, 75_000_000), (1, 0)]})
    assert event.bids.decimals() == [(Decimal("61250.00"), Decimal("0.75000000")), (Decimal("0.01"), Decimal(0))]
    assert [str(qty) for _, qty in event.bids.decimals()] == ["0.75000000", "0E-8"]


def test_ins_02_an_older_event_reads_the_same_after_a_widening() -> None:
    old = BookUpdate.from_dict({"price_scale": 1, "qty_scale": 2, "bids": [(15, 25)]})
    new = old.detach()
    new.price_scale, new.bids = 2, [(150, 25)]
    assert [str(part) for part in old.bids.decimals()[0]] == ["1.5", "0.25"]
    assert old.bids.decimals() == new.bids.decimals()


def test_kinds_follow_from_types() -> None:
    assert set(KIND_OF_TYPE) == set(EventType)
    critical = {event_type for event_type in EventType if KIND_OF_TYPE[event_type] in CRITICAL_KINDS}
    assert critical == {
        EventType.EXEC_REPORT, EventType.CONTROL_ACK, EventType.CONTROL_RESULT, EventType.RISK_CONTROL
    }  # fmt: skip
    assert KIND_OF_TYPE[EventType.BALANCE_UPDATE] is EventKind.ACCOUNT

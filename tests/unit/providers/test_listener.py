"""The listener over real sockets: reads, stamps, messages in parts, pings, ends; and the tap's order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import picows
import pytest
from picows import WSCloseCode, WSMsgType

from engine.base.clock import ManualClock
from engine.pools.frames import FramePools
from engine.providers.listener import FrameListener, FrameTap
from engine.schema.ports import FrameSink
from tests.unit.providers.binance.frames import trade, wired
from tests.unit.providers.socket_kit import Client, ScriptedVenue, on_loop, until
from tests.unit.providers.stream_kit import Wired

START_NS = 1_900_000_000_000_000_000


class Line:
    """A listener with a stream behind it, and the venue at its other end."""

    def __init__(self, kit: Wired, clock: ManualClock, listener: FrameListener, venue_end: Client) -> None:
        self.kit = kit
        self.clock = clock
        self.listener = listener
        self.venue_end = venue_end
        self.lost: list[FrameListener] = []

    async def events(self, count: int) -> list[tuple[str, int]]:
        """(trade id, receive time) of the first *count* events, once they are there."""
        await until(lambda: len(self.kit.events) >= count)
        return [(event.trade_id, event.ts_recv_ns) for event in self.kit.events]


@asynccontextmanager
async def line(
    sink: FrameSink | None = None, frames: FramePools | None = None, **options: Any
) -> AsyncIterator[Line]:
    async with ScriptedVenue() as venue:
        kit, clock = wired(frames=frames), ManualClock(START_NS)
        made: list[Line] = []
        listener = FrameListener(
            sink or kit.stream, clock, 5, on_lost=lambda lost: made[0].lost.append(lost), **options
        )
        transport, _ = await picows.ws_connect(lambda: listener, venue.ws_url, enable_auto_pong=False)
        made.append(Line(kit, clock, listener, await venue.client()))
        yield made[0]
        transport.disconnect(graceful=False)


def text_of(trade_id: int) -> bytes:
    return b'{"e":"trade","E":1,"s":"ABUSDT","t":%d,"p":"10.5","q":"0.25","T":1,"m":true}' % trade_id


def test_frames_of_one_read_share_its_time() -> None:
    async def main() -> None:
        async with line() as it:
            it.venue_end.send(trade(1), trade(2), trade(3))
            assert await it.events(3) == [("1", START_NS), ("2", START_NS), ("3", START_NS)]
            it.clock.set(START_NS + 70)
            it.venue_end.send(trade(4))
            assert (await it.events(4))[3] == ("4", START_NS + 70)
            assert (it.listener.reads, it.listener.frames, it.listener.conn) == (2, 4, 5)

    on_loop(main())


def test_a_read_that_ends_with_a_ping_is_delivered_and_the_ping_answered() -> None:
    async def main() -> None:
        async with line() as it:
            it.venue_end.send(trade(1))
            it.venue_end.transport.send_ping(b"are you there")
            await it.events(1)
            await until(lambda: it.venue_end.pongs == [b"are you there"])

    on_loop(main())


def test_a_read_that_ends_with_our_own_pong_is_delivered() -> None:
    async def main() -> None:
        async with line() as it:
            await it.listener.transport.measure_roundtrip_time(1)  # type: ignore[union-attr]
            it.venue_end.send(trade(1))
            await it.events(1)

    on_loop(main())


def test_a_message_in_parts_is_put_together_with_a_ping_between() -> None:
    async def main() -> None:
        async with line() as it:
            send = it.venue_end.transport.send
            for trade_id in (1, 2):
                text = text_of(trade_id)
                send(WSMsgType.TEXT, text[:10], fin=False)
                send(WSMsgType.CONTINUATION, b"", fin=False)
                it.venue_end.transport.send_ping(b"between")
                send(WSMsgType.CONTINUATION, text[10:], fin=True)
            it.venue_end.send(trade(3))
            assert [trade_id for trade_id, _ in await it.events(3)] == ["1", "2", "3"]
            assert it.listener.frames == 3

    on_loop(main())


def test_parts_are_put_together_in_a_slot_of_their_pool_MEM_01() -> None:
    async def main() -> None:
        async with line() as it:
            for trade_id in (1, 2):
                text = text_of(trade_id)
                it.venue_end.transport.send(WSMsgType.TEXT, text[:10], fin=False)
                await until(lambda: frames_of(it.kit).in_use == 1)
                it.venue_end.transport.send(WSMsgType.CONTINUATION, text[10:], fin=True)
                await it.events(trade_id)
            rows = frames_of(it.kit)
            assert (rows.acquired, rows.recycled, rows.in_use_peak, rows.in_use) == (2, 2, 1, 0)

    on_loop(main())


def test_a_message_that_never_ends_gives_its_slot_back_MEM_15() -> None:
    async def main() -> None:
        async with line() as it:
            it.venue_end.transport.send(WSMsgType.TEXT, b'{"e":', fin=False)
            await until(lambda: frames_of(it.kit).in_use == 1)
            it.venue_end.transport.disconnect(graceful=False)
            await until(lambda: it.lost == [it.listener])
            assert frames_of(it.kit).in_use == 0

    on_loop(main())


def test_without_a_slot_the_connection_ends_and_no_other() -> None:
    async def main() -> None:
        async with line(frames=FramePools(explicit={"WsFrame": 1})) as one, line(one.kit.stream) as two:
            one.venue_end.transport.send(WSMsgType.TEXT, text_of(1)[:10], fin=False)
            await until(lambda: frames_of(one.kit).in_use == 1)
            two.venue_end.transport.send(WSMsgType.TEXT, text_of(2)[:10], fin=False)
            await until(lambda: two.lost == [two.listener])
            one.venue_end.transport.send(WSMsgType.CONTINUATION, text_of(1)[10:], fin=True)
            await one.events(1)
            assert (frames_of(one.kit).exhausted, frames_of(one.kit).in_use) == (1, 0)

    on_loop(main())


def frames_of(kit: Wired) -> Any:
    return kit.pool.statistics().pools["WsFrame"]


def test_a_large_message_in_parts_and_the_buffer_used_again() -> None:
    async def main() -> None:
        async with line() as it:
            for trade_id in (1, 2):
                text = text_of(trade_id)[:-1] + b',"note":"' + b"x" * 50_000 + b'"}'
                for at in range(0, len(text), 7000):
                    kind = WSMsgType.TEXT if at == 0 else WSMsgType.CONTINUATION
                    it.venue_end.transport.send(kind, text[at : at + 7000], fin=at + 7000 >= len(text))
            assert [trade_id for trade_id, _ in await it.events(2)] == ["1", "2"]

    on_loop(main())


def test_parts_past_the_limit_end_the_connection() -> None:
    async def main() -> None:
        async with line(message_bytes_max=100) as it:
            it.venue_end.transport.send(WSMsgType.TEXT, b"x" * 60, fin=False)
            it.venue_end.transport.send(WSMsgType.CONTINUATION, b"x" * 60, fin=True)
            await until(lambda: it.lost == [it.listener])
            assert it.listener.transport is None
            assert it.kit.events == []

    on_loop(main())


@pytest.mark.parametrize(
    "frames",
    [
        [(WSMsgType.CONTINUATION, True)],
        [(WSMsgType.TEXT, False), (WSMsgType.TEXT, True)],
    ],
)
def test_parts_out_of_order_end_the_connection(frames: list[tuple[WSMsgType, bool]]) -> None:
    async def main() -> None:
        async with line() as it:
            for kind, fin in frames:
                it.venue_end.transport.send(kind, b"{}", fin=fin)
            await until(lambda: len(it.lost) == 1)
            assert it.kit.rejects == []

    on_loop(main())


def test_what_is_no_text_is_counted_and_passed_over() -> None:
    async def main() -> None:
        async with line() as it:
            it.venue_end.transport.send(WSMsgType.BINARY, text_of(1))
            it.venue_end.transport.send(WSMsgType.BINARY, text_of(2)[:9], fin=False)
            it.venue_end.transport.send(WSMsgType.CONTINUATION, text_of(2)[9:], fin=True)
            it.venue_end.send(trade(3))
            assert [trade_id for trade_id, _ in await it.events(1)] == ["3"]
            assert it.listener.ignored == 2

    on_loop(main())


def test_the_venues_close_is_answered_and_kept() -> None:
    async def main() -> None:
        async with line() as it:
            it.venue_end.transport.send_close(WSCloseCode.POLICY_VIOLATION, b"no")
            await until(lambda: it.lost == [it.listener])
            assert it.listener.close_code == 1008
            assert it.listener.send(b"{}") is False

    on_loop(main())


def test_a_failing_stage_ends_the_connection_and_sees_no_more_of_the_read() -> None:
    async def main() -> None:
        seen: list[int] = []

        def turn(conn: int, length: int) -> int:
            seen.append(conn)
            raise ValueError("planted")

        async with line(FrameTap(wired().stream, turn)) as it:
            transport = it.listener.transport
            assert transport is not None
            it.venue_end.send(trade(1), trade(2))
            with pytest.raises(ValueError, match="planted"):
                await transport.wait_disconnected()
            assert seen == [5]

    on_loop(main())


class Order:
    """Says whose turn it is: connections in a given order, times counted up."""

    def __init__(self, *conns: int) -> None:
        self.left = list(conns)
        self.now_ns = 100

    def __call__(self, conn: int, length: int) -> int:
        if self.left and self.left[0] == conn:
            del self.left[0]
            self.now_ns += 1
            return self.now_ns
        return -1


def test_the_tap_hands_frames_on_in_the_order_it_is_told() -> None:
    kit = wired()
    tap = FrameTap(kit.stream, Order(0, 1, 0, 1, 1, 0))
    for trade_id, conn in ((2, 1), (4, 1), (5, 1), (1, 0), (3, 0), (6, 0)):
        tap.feed(text_of(trade_id), 0, conn)
    assert tap.waiting_count == 0
    tap.read_end()
    assert [(event.trade_id, event.ts_recv_ns) for event in kit.events] == [
        (str(number), 100 + number) for number in range(1, 7)
    ]


def test_what_waits_in_the_tap_goes_on_when_told_to_look() -> None:
    kit = wired()
    order = Order()
    tap = FrameTap(kit.stream, order)
    tap.feed(text_of(1), 0, 0)
    tap.read_end()
    assert (tap.waiting_count, kit.events) == (1, [])
    order.left = [0]
    tap.look()
    assert (tap.waiting_count, len(kit.events)) == (0, 1)

"""A planned change of connection (BOOK-05): the new one is brought level with the old before that one closes.

For venues whose numbers hold across connections. What the new connection brings is held back while the old one is
still heard; then it is carried through from its beginning, where the stream drops by number what it has already and
would see a gap, and the old connection is closed. Nothing is joined unchecked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from engine.base.errors import NetworkError, VenueError
from engine.providers.backoff import Backoff
from engine.providers.connection import Connection
from engine.providers.listener import HeldFrames
from engine.providers.venuestream import VenueStream
from engine.schema.ports import FrameSink

OVERLAP_S = 1.0
"""Both are heard for at least this long, so that what is under way on the old one arrives on both."""
BEFORE_END_S = 600.0
"""A connection is replaced this long before the venue would end it, and up to twice as long: not all at once."""
LOOK_AGAIN_S = 1.0
HELD_BYTES_MAX = 256 * 1024 * 1024

log = logging.getLogger("engine.providers")


def replace_at_s(stood_from_s: float, lifetime_s: float, share: float) -> float:
    """When a connection is to be replaced; *share* in 0..1 spreads those that began together."""
    return stood_from_s + lifetime_s - BEFORE_END_S * (1.0 + share)


async def replace_in_time(
    connection: Connection,
    lifetime_s: float,
    share: float,
    backoff: Backoff,
    replace: Callable[[], Awaitable[bool]],
) -> None:
    """Replace a connection before the venue ends it, by age or because it said so; try again where that fails.

    Args:
        connection: the one that will end.
        lifetime_s: that the venue gives it.
        share: in 0..1, see replace_at_s().
        backoff: delays between attempts.
        replace: does it; answers whether another one stands in its place.
    """
    loop = asyncio.get_running_loop()
    while True:
        due_s = replace_at_s(connection.stood_from_s, lifetime_s, share)
        if not connection.is_up:
            # It comes back as a new one; its age begins again.
            await asyncio.sleep(LOOK_AGAIN_S)
        elif not connection.ending.is_set() and loop.time() < due_s:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await connection.ending.wait()
        elif await replace():
            return
        else:
            await asyncio.sleep(backoff.next_s())


async def hand_over(
    old: Connection,
    stream: VenueStream,
    sink: FrameSink,
    make: Callable[[HeldFrames], Connection],
    overlap_s: float = OVERLAP_S,
) -> Connection | None:
    """Bring a second connection in and let it take the place of *old*, which is not closed yet.

    Args:
        old: stands, and is heard by *sink*.
        stream: makes events of the frames in the end.
        sink: takes the frames, and hands them to *stream*.
        make: a connection like *old*, not opened, that is heard by what it is given.
        overlap_s: how long both are heard.

    Returns:
        The connection that is heard from now on; None where that could not be: *old* stays what it was.
    """
    held = HeldFrames(HELD_BYTES_MAX)
    new = make(held)
    try:
        await new.open()
        await new.settled()
        await new.round_trip()
        await asyncio.sleep(overlap_s)
        if not old.is_up or not new.is_up or held.is_overfull:
            raise NetworkError("lost or overrun while both were heard", op="connection.replace", provider=old.provider)
    except VenueError as error:
        log.warning("%s", error)
        await new.close()
        return None
    except BaseException:
        await new.close()
        raise
    # From here to the end nothing else runs: no frame is missed and none is heard twice.
    old.hear(HeldFrames(0))
    stream.catching_up = True
    try:
        held.hand_on(sink)
    finally:
        stream.catching_up = False
    new.hear(sink)
    return new

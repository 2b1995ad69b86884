"""Requests under way over connections, and their answers, which come in any order: matched by number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, NamedTuple, Protocol

from engine.base.errors import OutcomeUnknownError, UnavailableError
from engine.providers.userstream import UserStream

FIRST_NUMBER = 1000
"""Logins and subscriptions have those below."""
_OP = "order.ask"

Answer = dict[str, Any]


class OrderLink(Protocol):
    """A private connection that is logged in."""

    @property
    def stream(self) -> UserStream:
        """The venue's private half, of this connection."""

    def post(self, frame: bytes) -> bool:
        """Send at once; False where nothing has left."""


class _Waiting(NamedTuple):
    """Of one request: over which connection it was sent, who waits, and until when."""

    link: OrderLink
    answer: asyncio.Future[Answer]
    end_s: float


class Questions:
    """Owned by one gateway, used on its loop.

    One timer for all of them, which looks at what is left when it is due: most are answered long before.

    Args:
        provider: for texts.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._last = FIRST_NUMBER - 1
        self._waiting: dict[int, _Waiting] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = float("inf")

    def next_number(self) -> int:
        """For the next request."""
        self._last += 1
        return self._last

    def ask(self, link: OrderLink | None, number: int, frame: bytes, end_s: float) -> Awaitable[Answer]:
        """Send a request at once; what is returned waits for its answer, until *end_s* of the loop's clock.

        Raises:
            UnavailableError: nothing has left.
            OutcomeUnknownError: in waiting: it was sent, and no answer came.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if link is None or not link.post(frame):
            raise UnavailableError("there is no connection to send it over", op=_OP, provider=self._provider)
        self._waiting[number] = _Waiting(link, answer, end_s)
        self._wake_at(end_s)
        return answer

    def answered(self, number: int, message: Answer) -> None:
        """An answer came; nobody waits for one that came too late."""
        asked = self._waiting.pop(number, None)
        if asked is not None and not asked.answer.done():
            asked.answer.set_result(message)

    async def all_answered(self, link: OrderLink) -> None:
        """Return when nothing that was asked over *link* waits for its answer any more."""
        if asked := [one.answer for one in self._waiting.values() if one.link is link and not one.answer.done()]:
            await asyncio.wait(asked)

    def lost(self, link: OrderLink, cause: str) -> None:
        """A connection has gone: what was asked over it nobody answers any more."""
        self._fail([number for number, one in self._waiting.items() if one.link is link], f"no answer: {cause}")

    def _fail(self, numbers: Iterable[int], why: str) -> None:
        for number in numbers:
            one = self._waiting.pop(number)
            if not one.answer.done():
                one.answer.set_exception(OutcomeUnknownError(why, op=_OP, provider=self._provider))

    def _wake_at(self, end_s: float) -> None:
        if end_s < self._timer_s:
            self._sleep()
            self._timer, self._timer_s = asyncio.get_running_loop().call_at(end_s, self._wake), end_s

    def _sleep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = None, float("inf")

    def _wake(self) -> None:
        """Some may have waited too long; the next one's time is the next moment to look."""
        now_s = asyncio.get_running_loop().time()
        self._sleep()
        self._fail([number for number, one in self._waiting.items() if one.end_s <= now_s], "no answer in time")
        if self._waiting:
            self._wake_at(min(one.end_s for one in self._waiting.values()))

"""Requests under way over connections, and their answers, which come in any order: matched by number."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

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


class Questions:
    """Owned by one gateway, used on its loop.

    Args:
        provider: for texts.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._last = FIRST_NUMBER - 1
        self._waiting: dict[int, tuple[OrderLink, asyncio.Future[Answer]]] = {}

    def next_number(self) -> int:
        """For the next request."""
        self._last += 1
        return self._last

    async def ask(self, link: OrderLink | None, number: int, frame: bytes, end_s: float) -> Answer:
        """Send a request and wait for its answer, until *end_s* of the loop's clock.

        Raises:
            UnavailableError: nothing has left.
            OutcomeUnknownError: it was sent, and no answer came.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if link is None or not link.post(frame):
            raise UnavailableError("there is no connection to send it over", op=_OP, provider=self._provider)
        self._waiting[number] = (link, answer)
        try:
            async with asyncio.timeout_at(end_s):
                return await answer
        except TimeoutError:
            raise OutcomeUnknownError("no answer in time", op=_OP, provider=self._provider) from None
        finally:
            self._waiting.pop(number, None)

    def answered(self, number: int, message: Answer) -> None:
        """An answer came; nobody waits for one that came too late."""
        _, answer = self._waiting.get(number, (None, None))
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def all_answered(self, link: OrderLink) -> None:
        """Return when nothing that was asked over *link* waits for its answer any more."""
        if asked := [answer for asked_over, answer in self._waiting.values() if asked_over is link]:
            await asyncio.wait(asked)

    def lost(self, link: OrderLink, cause: str) -> None:
        """A connection has gone: what was asked over it nobody answers any more."""
        for asked_over, answer in list(self._waiting.values()):
            if asked_over is link and not answer.done():
                answer.set_exception(OutcomeUnknownError(f"no answer: {cause}", op=_OP, provider=self._provider))

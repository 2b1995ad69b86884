"""One request on its way to the engine's loop, and the answer on its way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from engine.base.errors import CODES, CapacityError, EngineError, NotPermittedError, UnknownSymbolError
from engine.runtime.surface.texts import Texts
from engine.runtime.surface.tokens import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.runtime.live import LiveEngine
    from engine.runtime.orders import LiveOrders
    from engine.schema.command import Ack, Outcome

OPERATOR = "api"
"""Who gives the commands of whoever holds the full token."""
OUTCOME_WITHIN_S = 5.0
_FORBIDDEN, _UNPROCESSABLE = 403, 422


class Refusal(Exception):  # noqa: N818
    """The request is answered with an error body.

    Args:
        status: of HTTP.
        code, message, hint: of the body.
    """

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint or "docs/api.md tells every route, its keys and its errors"


def refusal_of(error: EngineError) -> Refusal:
    """The same as an answer; what is known but not allowed is 403, for 401 asks for a token."""
    status = _FORBIDDEN if isinstance(error, NotPermittedError) else CODES[error.code].http_status
    return Refusal(status, error.code, str(error), error.hint)


@dataclass
class Answer:
    """What goes back: a status, and values that the surface's own thread encodes.

    Attributes:
        body: what never changes any more, or a call that makes it of such things; the surface's thread makes it.
        status: of HTTP.
    """

    body: Any
    status: int = 200

    def made(self) -> Any:
        """The body; not on the engine's loop."""
        return self.body() if callable(self.body) else self.body


@dataclass
class Call:
    """One request, checked for form.

    Attributes:
        live: the engine.
        stop: ends the run in order.
        caller: who asks.
        path: parts of the path by name.
        query, body: of the route's types.
        texts: what has been told already; of the surface's thread.
    """

    live: LiveEngine
    stop: Callable[[], None]
    caller: Caller
    path: dict[str, str]
    query: Any
    body: Any
    texts: Texts

    def consumer(self, named: str | None) -> str | None:
        """The consumer that the request is about: a consumer's token speaks of its own alone.

        Raises:
            NotPermittedError: it names another.
            UnknownSymbolError: there is no such consumer.
        """
        own = self.caller.consumer_id
        if own and named not in (None, own):
            raise NotPermittedError(f"{named} is not yours: the token is of consumer {own}", op="api.call")
        found = own or named
        if found is not None and found not in self.live.engine.runners:
            raise UnknownSymbolError(f"there is no consumer {found}", op="api.call",
                                     hint="GET /consumers lists them")  # fmt: skip
        return found

    def provider(self) -> str:
        """The provider that the path names.

        Raises:
            UnknownSymbolError: there is none of this name.
        """
        name = self.path["provider"]
        if name not in self.live.engine.feeds:
            raise UnknownSymbolError(f"there is no provider {name}", op="api.call", hint="GET /providers lists them")
        return name

    async def obey(
        self, kind: str, payload: dict[str, Any], *, consumer_id: str = "", is_422: bool = False
    ) -> tuple[Ack, Outcome | None]:
        """Give a command on the engine's loop.

        Args:
            kind: its type.
            payload: what it is about.
            consumer_id: in whose name; empty = an operator's.
            is_422: a refusal of its content is told as 422: what stood before stays.

        Raises:
            Refusal: it was refused.
        """
        message_id = getattr(self.body, "message_id", None)
        ack, outcome = await self.live.engine.issuing.obeyed(
            kind, payload, consumer_id, OPERATOR, message_id, OUTCOME_WITHIN_S
        )
        if ack.error is not None:
            code = ack.error["code"]
            status = _FORBIDDEN if code == "auth" else CODES[code].http_status
            if is_422 and code == "invalid_request":
                status = _UNPROCESSABLE
            raise Refusal(status, code, ack.error["message"])
        return ack, outcome

    async def result(self, kind: str, payload: dict[str, Any], **options: Any) -> Outcome:
        """As obey(), for what the command came to.

        Raises:
            Refusal: it was refused.
            CapacityError: it takes longer.
        """
        _, outcome = await self.obey(kind, payload, **options)
        if outcome is None:
            raise CapacityError(f"no result within {OUTCOME_WITHIN_S:g} s", op=kind,
                                hint="ask again with the same message_id")  # fmt: skip
        return outcome

    def orders(self) -> LiveOrders:
        """Orders and risk.

        Raises:
            CapacityError: no provider takes orders.
        """
        if self.live.orders is None:
            raise CapacityError("no provider takes orders", op="api.call", hint="set providers[].orders.enabled")
        return self.live.orders


def page(name: str, rows: Sequence[Any], query: Any) -> dict[str, Any]:
    """One page of a list, and where the next one begins."""
    end = query.cursor + query.limit
    return {name: list(rows[query.cursor : end]), "next_cursor": end if end < len(rows) else None}


def acknowledged(ack: Ack, outcome: Outcome | None) -> dict[str, Any]:
    """A ControlAck, and what came of the command where that is known."""
    told: dict[str, Any] = msgspec.to_builtins(ack)
    return {**told, "result": outcome}

"""A venue's private half, cold: how the stream of an account is opened, and what its frames say. No socket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Protocol

import msgspec

from engine.base.errors import AuthError, ValidationError, VenueError
from engine.providers.rest import RestClient
from engine.schema.enums import BalanceCause
from engine.schema.order import VenueReport

CHECK_HINT = "engine-run check --online asks the venue about the key alone"
_OP = "account.open"


class Holding(msgspec.Struct, frozen=True, gc=False):
    """What an account has of one asset, as plain decimals. What a message does not tell is None, and stays what it was.

    Attributes:
        asset: code of the asset.
        total: what orders may use and what they hold.
        held: what open orders hold.
    """

    asset: str
    total: Decimal | None
    held: Decimal | None


class AccountPort(Protocol):
    """What a frame of a private connection may have to say."""

    def opened(self) -> None:
        """The venue has taken the login, and sends the account's stream."""

    def refused(self, error: VenueError, *, is_doubtful: bool) -> None:
        """The venue refuses the login; *is_doubtful*: with a fresh clock and token it may take it."""

    def broken(self, cause: str) -> None:
        """The stream cannot go on over this connection."""

    def ending(self) -> None:
        """The venue is about to end this connection."""

    def say(self, frames: tuple[bytes, ...]) -> None:
        """Send these."""

    def holds(self, holdings: Sequence[Holding], cause: BalanceCause, ts_venue_ns: int = 0) -> None:
        """So much is there of these assets now."""

    def reported(self, reports: Sequence[VenueReport]) -> None:
        """The frame tells how orders stand, their symbols in the venue's spelling."""

    def order_told(self, venue_order_id: str) -> None:
        """The frame tells of a list of orders, which is never ours."""

    def answered(self, number: int, message: dict[str, Any]) -> None:
        """The frame answers a request that no login made."""

    def throttled(self, said: str) -> None:
        """The venue has left a request unanswered, for there were too many."""

    def unreadable(self, why: str) -> None:
        """A part of the frame could not be read; the rest of it is told."""

    def holdings_doubted(self) -> None:
        """The balances may have changed, and the stream does not tell all of it."""


class UserStream(ABC):
    """One account at one venue. Made anew by the feed for each connection; used on the engine's loop.

    Attributes:
        url: of the private connection.
    """

    tells_holdings: ClassVar[bool] = True
    """Whether balances come over the stream; else holdings() has them, and is asked now and then besides."""
    asked_cause: ClassVar[BalanceCause] = BalanceCause.OTHER
    """Why what holdings() has may differ from what was told before."""
    url: str

    async def prepare(self, rest: RestClient) -> None:  # noqa: B027 - most venues need nothing
        """Get what a login needs before the connection is made.

        Raises:
            VenueError: the venue refuses it, or cannot be reached.
        """

    @abstractmethod
    def frames(self) -> tuple[bytes, ...]:
        """The login and the subscriptions, signed now."""

    @abstractmethod
    def take(self, frame: bytes, port: AccountPort) -> None:
        """Tell *port* what a frame says.

        Raises:
            ValidationError: it is none of the venue's.
        """

    async def holdings(self, rest: RestClient) -> list[Holding]:
        """Balances, asked for by REST; only where the stream does not tell them, or not all of them.

        Raises:
            VenueError: the venue does not answer, or refuses.
            ValidationError: it answers with something else.
        """
        raise NotImplementedError(type(self).__name__)


def message_of(frame: bytes) -> dict[str, Any]:
    """A frame's object; its numbers are exact decimals.

    Raises:
        ValidationError: it is no JSON object.
    """
    try:
        return _DECODER.decode(frame)
    except msgspec.DecodeError as error:
        raise ValidationError(f"no JSON object: {error}", op="account.read") from None


_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def amount(value: object) -> Decimal:
    """A decimal of a text or a number.

    Raises:
        ValidationError: it is none.
    """
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return number
    raise ValidationError(f"{value!r} is no amount", op="account.read")


Told = Iterator[Callable[[], None]]
"""What a frame says, as calls still to be made."""


def tell(said: Told) -> None:
    """Read a frame to its end, then tell what it said: none of it where it cannot be read.

    Raises:
        ValidationError: a field is missing or of another kind.
    """
    try:
        calls = list(said)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValidationError(f"{type(error).__name__}: {error}", op="account.read") from None
    for call in calls:
        call()


def rows_of(read: Callable[[dict[str, Any]], list[Holding]], page: dict[str, Any]) -> list[Holding]:
    """Holdings of an answer by REST.

    Raises:
        ValidationError: a field is missing or of another kind.
    """
    try:
        return read(page)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValidationError(f"{type(error).__name__}: {error}", op="account.read") from None


def refusal(provider: str, said: str, hint: str, code: str | None = None) -> AuthError:
    """The venue does not take a key, a signature, a token or a time."""
    return AuthError(
        f"the venue refuses the login: {said}",
        op=_OP,
        provider=provider,
        venue_code=code,
        venue_message=said,
        hint=f"{hint}; {CHECK_HINT}",
    )

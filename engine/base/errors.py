"""Every error the engine raises, in one tree; the branch says who must act.

::

    EngineError
    +-- MisuseError                 you (or the configuration) asked for what cannot be
    |   +-- ConfigError             the configuration has faults; all of them are listed
    |   +-- ValidationError         an argument, file or message is malformed
    |   +-- UnknownSymbolError      no such symbol, order, consumer or subscription here
    |   +-- NotPermittedError       known, but not allowed to you
    |   +-- ScaleOverflowError      a number does not fit 64 bits at its scale
    |   +-- WrongThreadError        called from a thread that must not
    |   +-- UseAfterRecycleError    an event was read after it went back to its pool
    |   `-- CapacityError           something bounded is full or gone
    |       +-- PoolTimeoutError    no pooled object came free in time
    |       +-- MailboxFullError    a consumer's mailbox is full
    |       `-- EngineGoneError     the engine this process was attached to has ended
    +-- VenueError                  the venue refused, or could not be reached
    |   +-- RateLimitedError        too many requests; retry_after_s says how long to wait
    |   +-- AuthError               key, signature, clock or permission
    |   +-- InvalidRequestError     the venue calls the request malformed
    |   +-- ExchangeError           refused by the venue's own rules
    |   +-- NotFoundError           the venue does not know it
    |   +-- ConflictError           an identifier is taken, or the state does not allow it
    |   +-- UnavailableError        maintenance, or starting
    |   +-- NetworkError            connect, TLS, timeout, reset
    |   |   `-- OutcomeUnknownError sent, no answer: reconcile, never resend
    |   `-- ProtocolError           the venue sent what its protocol does not allow
    |       +-- ChecksumError       a book does not have the checksum the venue sent
    |       +-- SequenceGapError    a number is missing
    |       `-- UnknownEnumError    a value outside the known set
    `-- InternalError               we have a bug
        +-- InvariantError          something that always holds did not
        +-- DoubleRecycleError      an event went back to its pool twice
        `-- JournalError            the order journal failed

Several failures at once travel as one :class:`EngineErrorGroup`. Refusals of risk, switch and duplicates are
values, not errors. Hot paths return codes; these classes belong to the cold ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.base.secrets import mask_bytes, mask_text

RAW_LIMIT_BYTES = 4096
OWN_NAME = "engine"


@dataclass(frozen=True, slots=True)
class CodeRow:
    """What a canonical code means to a caller."""

    meaning: str
    http_status: int
    retry: str


CODES: dict[str, CodeRow] = {
    "rate_limited": CodeRow("venue's or our limit", 429, "after retry_after_s"),
    "auth": CodeRow("key, signature, clock, permission, token", 401, "no"),
    "invalid_request": CodeRow("malformed, off the grid, unknown key or type, overflow, misuse", 400, "no"),
    "exchange_error": CodeRow("refused by the venue's rules, or bad data from it", 502, "no"),
    "network": CodeRow("connect, TLS, timeout, reset", 504, "reads only"),
    "not_found": CodeRow("symbol, order, consumer, subscription, report", 404, "no"),
    "conflict": CodeRow("message id reused, name taken, wrong state, tag clash", 409, "no"),
    "unavailable": CodeRow("starting, stopping, reconciling, full, venue maintenance", 503, "yes"),
    "internal": CodeRow("a bug of ours, never a venue's", 500, "no"),
}


class EngineError(Exception):
    """Base of all; raise a leaf of the tree.

    Text: ``[provider] op failed: reason (code: X)``, with ``engine`` where no provider is concerned.
    Reason, venue message and raw bytes are kept with secrets masked; raw at most 4 KiB.

    Attributes:
        reason: what went wrong, one line.
        op: the operation that failed, dotted: ``book.apply``, ``config.load``.
        provider, symbol: whose, where one is concerned.
        http_status, venue_code, venue_message: the venue's own words.
        retry_after_s: seconds to wait before asking again, where known.
        trace_id, decision_id: of the event or order that led here.
        raw: the bytes that caused it.
        hint: what to do about it.
    """

    code: ClassVar[str] = "internal"
    default_hint: ClassVar[str] = "report this with the log around it"

    def __init__(
        self,
        reason: str,
        *,
        op: str,
        provider: str | None = None,
        symbol: str | None = None,
        http_status: int | None = None,
        venue_code: str | None = None,
        venue_message: str | None = None,
        retry_after_s: float | None = None,
        trace_id: str | None = None,
        decision_id: str | None = None,
        raw: bytes | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = mask_text(reason)
        self.op = op
        self.provider = provider
        self.symbol = symbol
        self.http_status = http_status
        self.venue_code = venue_code
        self.venue_message = None if venue_message is None else mask_text(venue_message)
        self.retry_after_s = retry_after_s
        self.trace_id = trace_id
        self.decision_id = decision_id
        # Masked before it is cut: a cut secret would no longer be recognised.
        self.raw = None if raw is None else mask_bytes(raw)[:RAW_LIMIT_BYTES]
        self.hint = mask_text(hint or self.default_hint)
        self.args = (self.reason,)

    def __str__(self) -> str:
        return f"[{self.provider or OWN_NAME}] {self.op} failed: {self.reason} (code: {self.code})"

    def fields(self) -> dict[str, Any]:
        """Code, text and every field that is set, without raw: for a log line or an HTTP body."""
        named = {name: getattr(self, name) for name in _FIELD_NAMES}
        return {"code": self.code, "message": str(self)} | {k: v for k, v in named.items() if v is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.reason, dict(self.__dict__))


_FIELD_NAMES = (
    "op", "provider", "symbol", "http_status", "venue_code", "venue_message", "retry_after_s", "trace_id",
    "decision_id", "hint",
)  # fmt: skip


def _rebuild(cls: type[EngineError], reason: str, state: dict[str, Any]) -> EngineError:
    error = cls.__new__(cls, reason)
    error.__dict__.update(state)
    return error


# -- you asked for what cannot be ------------------------------------------------------------------


class MisuseError(EngineError):
    """You, or the configuration, asked for what cannot be."""

    code = "invalid_request"
    default_hint = "correct the call; repeating it cannot help"


class ConfigError(MisuseError):
    """The configuration has faults; nothing was started.

    Attributes:
        faults: every fault found, in file order (:class:`engine.config.faults.Fault`).
    """

    default_hint = "correct every line listed, then run `engine-run check`"

    def __init__(
        self, reason: str, *, op: str = "config.load", faults: Sequence[object] = (), **fields: Any
    ) -> None:
        super().__init__(reason, op=op, **fields)
        self.faults = tuple(faults)


class ValidationError(MisuseError):
    """An argument, file or message is malformed.

    Attributes:
        path: the file concerned, if one is.
        record: 0-based record in that file.
    """

    default_hint = "correct the input named in the text"

    def __init__(
        self, reason: str, *, op: str, path: str | None = None, record: int | None = None, **fields: Any
    ) -> None:
        super().__init__(reason, op=op, **fields)
        self.path = path
        self.record = record


class UnknownSymbolError(MisuseError):
    """No such symbol, order, consumer or subscription here."""

    code = "not_found"
    default_hint = "list what there is with `engine-run instruments`"


class NotPermittedError(MisuseError):
    """Known, but not allowed to you."""

    code = "auth"
    default_hint = "use what belongs to your own consumer, or ask the operator"


class ScaleOverflowError(MisuseError):
    """A number does not fit 64 bits at its decimal scale; it is refused, never wrapped or rounded."""

    default_hint = "the value needs more than 18 digits at this scale; use a smaller one"


class WrongThreadError(MisuseError):
    """Called from a thread that must not call it."""

    default_hint = "call it from the thread the text names"


class UseAfterRecycleError(MisuseError):
    """An event was read after it went back to its pool."""

    default_hint = "keep event.detach() instead of the event"


class CapacityError(MisuseError):
    """Something bounded is full or gone."""

    code = "unavailable"
    default_hint = "try again later, or raise the capacity named in the text"


class PoolTimeoutError(CapacityError):
    """No pooled object came free in time.

    Attributes:
        pool, in_use, capacity: the pool and its fill.
        holder: who holds the longest, where known.
    """

    default_hint = "raise pools.<type>.capacity, or release what the holder keeps"

    def __init__(
        self,
        reason: str,
        *,
        op: str,
        pool: str = "",
        in_use: int = 0,
        capacity: int = 0,
        holder: str | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(reason, op=op, **fields)
        self.pool = pool
        self.in_use = in_use
        self.capacity = capacity
        self.holder = holder


class MailboxFullError(CapacityError):
    """A consumer's mailbox is full."""

    default_hint = "raise consumers[].mailbox_capacity, or make the callback faster"


class EngineGoneError(CapacityError):
    """The engine this process was attached to has ended."""

    default_hint = "start the engine, then attach again"


# -- the venue refused, or could not be reached ----------------------------------------------------


class VenueError(EngineError):
    """The venue refused, or could not be reached; its own code and message are kept."""

    code = "exchange_error"
    default_hint = "see venue_code and venue_message"


class RateLimitedError(VenueError):
    """Too many requests, by the venue's count or ours."""

    code = "rate_limited"
    default_hint = "wait retry_after_s before the next call"


class AuthError(VenueError):
    """Key, signature, clock, permission or token."""

    code = "auth"
    default_hint = "check the key, its permissions and the clock; orders of this provider are halted"


class InvalidRequestError(VenueError):
    """The venue calls the request malformed."""

    code = "invalid_request"
    default_hint = "the request breaks the venue's format; see venue_message"


class ExchangeError(VenueError):
    """Refused by the venue's own rules: balance, filter, post-only."""

    default_hint = "the venue's rules forbid it; see venue_code"


class NotFoundError(VenueError):
    """The venue does not know the symbol, order or report."""

    code = "not_found"
    default_hint = "check the spelling against the venue's catalogue"


class ConflictError(VenueError):
    """An identifier is taken, or the state does not allow the request."""

    code = "conflict"
    default_hint = "query the present state before asking again"


class UnavailableError(VenueError):
    """Maintenance, starting or overloaded."""

    code = "unavailable"
    default_hint = "try again later"


class NetworkError(VenueError):
    """Connect, TLS, timeout or reset."""

    code = "network"
    default_hint = "check the address, the proxy variables and the network"


class OutcomeUnknownError(NetworkError):
    """Sent, and no answer came."""

    default_hint = "reconcile with the venue; never send it again"


class ProtocolError(VenueError):
    """The venue sent what its protocol does not allow; the bytes are kept."""

    default_hint = "the frame was put aside; see raw"


class ChecksumError(ProtocolError):
    """A book does not have the checksum the venue sent."""

    default_hint = "the book is thrown away and loaded again"


class SequenceGapError(ProtocolError):
    """A number is missing."""

    default_hint = "the stream resynchronises"


class UnknownEnumError(ProtocolError):
    """A value outside the set we know; never mapped to a default."""

    default_hint = "the venue added a value; this version does not know it"


# -- we have a bug ---------------------------------------------------------------------------------


class InternalError(EngineError):
    """We have a bug; never used for a venue."""


class InvariantError(InternalError):
    """Something that always holds did not."""


class DoubleRecycleError(InternalError):
    """An event went back to its pool twice; the second time was refused."""


class JournalError(InternalError):
    """The order journal failed; new orders are refused until it works."""

    default_hint = "check the disk under engine.state_dir"


# -- several at once -------------------------------------------------------------------------------


class EngineErrorGroup(ExceptionGroup[Exception]):
    """Several failures of one operation, all of them; its text has one line for each.

    Members are errors of this tree, and what user code raised in a callback.
    """

    def __str__(self) -> str:
        return "\n".join(
            [f"{len(self.exceptions)} failures: {self.message}", *(f"  {e}" for e in self.exceptions)]
        )

    def derive(self, excs: Sequence[Exception], /) -> EngineErrorGroup:  # type: ignore[override]
        """The same group with other members, as ``except*`` needs it."""
        return EngineErrorGroup(self.message, excs)

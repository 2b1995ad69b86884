"""Which streams are this node's: who lives, leases, takeover, handing over. It owns the set (DST-03 to DST-11)."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.base.clock import monotonic_now
from engine.base.wakeup import Wakeup
from engine.base.workers import Answer, new_lock, start_thread
from engine.config.sections_surfaces import CoordinationConfig
from engine.distribution.holding import Holding, fence_of
from engine.distribution.leases import Leases
from engine.distribution.membership import Membership
from engine.distribution.placement import heir, ranked
from engine.distribution.servers import Client, disconnect, subscribe
from engine.observability.logs import with_fields

if TYPE_CHECKING:
    from redis.client import PubSub

HANDOVER_CHANNEL = "nt:handover"
"""A stream that was given back is told here, as ``<node_id> <stream key>``."""

NS_PER_MS = 1_000_000
FIRST_LOOK_MS = 500
PAUSE_S = 0.1
LAST_WORDS_S = 2.0
_LOG = logging.getLogger("engine.distribution")


@dataclass(frozen=True, slots=True)
class Change:
    """What whoever reads the streams has to do.

    Attributes:
        kind: ``gained`` = rebuild and read it; ``leave`` = stop, then :meth:`Coordinator.let_go`; ``lost`` = stop.
        holding: of which stream.
    """

    kind: Literal["gained", "leave", "lost"]
    holding: Holding


@dataclass(slots=True)
class _Absence:
    """A lease that nobody has: since when, and who gave it back."""

    since_ns: int
    giver: str = ""


class Coordinator:
    """Owns one thread, which renews, polls and compares; what changes is taken by whoever reads the streams.

    Args:
        client: of the server, which answers quickly or not at all.
        settings: ``bus.coordination``.
        keys: streams that are shared out.
        node_id: of this process.
        nonce: tells it from another process of the same id.
        now_ns: the monotonic clock.
        rng: spreads heartbeats and comparisons of several nodes.
    """

    def __init__(
        self,
        client: Client,
        settings: CoordinationConfig,
        keys: Sequence[str],
        node_id: str,
        nonce: str,
        now_ns: Callable[[], int] = monotonic_now,
        rng: random.Random | None = None,
    ) -> None:
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError)
        self._client = client
        self._settings = settings
        self._keys = tuple(sorted(keys))
        self._now_ns = now_ns
        self._rng = rng or random.Random()
        self.node_id = node_id
        self.leases = Leases(client, node_id, nonce, settings.lease_ttl_ms)
        self.membership = Membership(client, node_id, settings.heartbeat_ms, settings.heartbeat_ttl_ms)
        self.alive = {node_id}
        """Nodes that live, as of the last heartbeat."""
        self.wakeup = Wakeup()
        """Posted when there are changes."""
        self._lock = new_lock()
        self._asking = new_lock()
        """Held while leases are renewed or lifted: what a lease says is known in between."""
        self._held: dict[str, Holding] = {}
        self._changes: deque[Change] = deque()
        self._absent: dict[str, _Absence] = {}
        self._given_back: dict[str, str] = {}
        self._in_conflict: set[str] = set()
        self._notices: PubSub | None = None
        begun_ns = now_ns()
        self._beat_ns = self._renew_ns = self._poll_ns = begun_ns
        self._compare_ns = begun_ns + FIRST_LOOK_MS * NS_PER_MS
        self._pause = Wakeup()
        self._ended: Answer[bool] | None = None
        self._is_retired = False
        self._is_stopping = False
        self.is_up = False
        """Whether the server answers."""
        self.conflicts = 0
        """Leases that somebody else had, where this node took them for its own or for nobody's."""
        self.rebalances = 0
        """Streams that this node handed over to one that is to have them."""
        self.takeovers = 0
        """Streams that this node took which another had until its lease ended."""

    # -- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take part from here on."""
        self._ended = Answer()
        start_thread("engine-coordinator", self._run)

    def retire(self) -> None:
        """Take nothing more. What is held goes on until it is let go."""
        with self._lock:
            self._is_retired = True

    def stop(self) -> None:
        """Take no further part; streams that are still held are left to their end. Idempotent."""
        if self._ended is not None and not self._is_stopping:
            self._is_stopping = True
            self._pause.wake()
            self._ended.get(LAST_WORDS_S)
            disconnect(self._client)

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                try:
                    self.listen(self.turn())
                    self.is_up = True
                except Exception as error:  # whatever it is: leases that are not looked after end
                    self._rest(error)
            try:
                self.membership.leave()
            except self._failures as error:
                self._rest(error)
        finally:
            self._close_notices()
            assert self._ended is not None
            self._ended.give(True)

    def _rest(self, error: Exception) -> None:
        if self.is_up:
            stack = None if isinstance(error, self._failures) else error
            _LOG.warning("leases cannot be looked after: %s", error, extra=self._fields("bus_lost"), exc_info=stack)
        self.is_up = False
        self._close_notices()
        self._pause.wait_for(PAUSE_S)
        self._beat_ns = self._now_ns()  # it may have forgotten this node
        self._expire(self._beat_ns)

    def listen(self, wait_s: float) -> None:
        """Wait for what others give back, at most so long.

        Raises:
            RedisError: the server is away.
        """
        if self._notices is None:
            self._notices = subscribe(self._client, HANDOVER_CHANNEL)
        message = self._notices.get_message(timeout=max(0.0, wait_s))
        while message is not None:
            giver, _, key = message["data"].decode("utf-8", "replace").partition(" ")
            if key in self._keys and giver != self.node_id:
                self._given_back[key] = giver
            message = self._notices.get_message(timeout=0)

    def _close_notices(self) -> None:
        if self._notices is not None:
            self._notices.close()
            self._notices = None

    # -- one turn ---------------------------------------------------------------------------------------------

    def turn(self) -> float:
        """Do what is due; answers in how many seconds something is again.

        Raises:
            RedisError: the server is away; what is due stays due.
        """
        settings = self._settings
        now_ns = self._now_ns()
        self._expire(now_ns)
        if now_ns >= self._renew_ns:
            self._renew(now_ns)
            self._renew_ns = now_ns + settings.lease_renew_ms * NS_PER_MS
        if now_ns >= self._beat_ns:
            self.alive = self.membership.beat()
            self._beat_ns = now_ns + self._about(settings.heartbeat_ms)
        if now_ns >= self._poll_ns:
            self._look(self._keys, now_ns)
            self._poll_ns = now_ns + settings.lease_poll_ms * NS_PER_MS
        elif self._given_back:
            self._look(tuple(self._given_back), now_ns)
        self._given_back.clear()
        next_ns = self._try(now_ns)
        if now_ns >= self._compare_ns:
            self._compare(now_ns)
            self._compare_ns = now_ns + self._about(settings.rebalance_ms)
        return (min(next_ns, self._renew_ns, self._beat_ns, self._poll_ns, self._compare_ns) - self._now_ns()) / 1e9

    def _about(self, period_ms: int) -> int:
        """A period give or take a tenth, in ns, so that nodes do not come at once."""
        return int(period_ms * NS_PER_MS * self._rng.uniform(0.9, 1.1))

    def _renew(self, now_ns: int) -> None:
        with self._asking:
            with self._lock:
                held = dict(self._held)
            gone = self.leases.renew({key: holding.token for key, holding in held.items()})
        until_ns = now_ns + self._span_ns()
        for key, holding in held.items():
            if key not in gone:
                holding.deadline_ns = until_ns
        if held and _LOG.isEnabledFor(logging.DEBUG):
            kept = len(held) - len(gone)
            _LOG.debug("%d leases were renewed", kept, extra=self._fields("lease_renewed"))
        for key, other in gone.items():
            if self._lose(held[key], f"{other or 'nobody'} has it") and other:
                self._note_conflict(key, other)

    def _span_ns(self) -> int:
        """How long a lease is good for after it was asked for."""
        return (self._settings.lease_ttl_ms - self._settings.lease_margin_ms) * NS_PER_MS

    def _expire(self, now_ns: int) -> None:
        """What could not be renewed in time is given up by itself (DST-06)."""
        with self._lock:
            late = [holding for holding in self._held.values() if now_ns >= holding.deadline_ns]
        for holding in late:
            self._lose(holding, "it was not renewed in time")

    def _lose(self, holding: Holding, why: str) -> bool:
        with self._lock:
            if self._held.get(holding.key) is not holding:
                return False
            del self._held[holding.key]
            holding.is_lost = True
            self._changes.append(Change("lost", holding))
        self.wakeup.wake()
        key, token = holding.key, holding.token
        _LOG.warning("the lease of %s is lost: %s", key, why, extra=self._fields("lease_lost", key, token))
        self._note_drop(holding, "its lease is lost")
        return True

    def _note_drop(self, holding: Holding, why: str) -> None:
        told = self._fields("shard_dropped", holding.key, holding.token)
        _LOG.info("%s is not read here any more: %s", holding.key, why, extra=told)

    # -- taking -----------------------------------------------------------------------------------------------

    def _look(self, keys: Sequence[str], now_ns: int) -> None:
        """Which leases nobody has, of those that this node is a candidate for."""
        near = [key for key in keys if key not in self._held and self._rank(key) is not None]
        for key, holder in self.leases.holders(near).items():
            if not holder:
                self._absent.setdefault(key, _Absence(now_ns)).giver = self._given_back.get(key, "")
                self._in_conflict.discard(key)
                continue
            self._absent.pop(key, None)
            owner = holder.rpartition("/")[0]
            if owner != self.leases.owner and owner.partition("/")[0] == self.node_id:
                self._note_conflict(key, holder)

    def _rank(self, key: str, giver: str = "") -> int | None:
        """This node's place among those that live for a stream, 0 = the first; None = it is no candidate."""
        place = ranked(self.alive - {giver} | {self.node_id}, key).index(self.node_id)
        return place if place < self._settings.candidates else None

    def _try(self, now_ns: int) -> int:
        """Take what nobody has and is this node's turn to take; answers when the next turn comes."""
        next_ns = now_ns + self._settings.lease_poll_ms * NS_PER_MS
        for key, absence in list(self._absent.items()):
            rank = None if self._is_retired else self._rank(key, absence.giver)
            due_ns = absence.since_ns + (rank or 0) * self._settings.rank_wait_ms * NS_PER_MS
            if rank is None or key in self._held:
                del self._absent[key]
            elif due_ns > now_ns:
                next_ns = min(next_ns, due_ns)
            else:
                del self._absent[key]
                self._acquire(key, was_given=bool(absence.giver), is_first=rank == 0)
        return next_ns

    def _acquire(self, key: str, *, was_given: bool, is_first: bool) -> None:
        asked_ns = self._now_ns()
        found = self.leases.acquire(key)
        if isinstance(found, str):
            if is_first:  # else one before this node has taken it in its turn
                self._note_conflict(key, found)
            return
        fence = fence_of(found, self.leases.owner)
        holding = Holding(key, found, fence, asked_ns, asked_ns + self._span_ns())
        with self._lock:
            is_late = self._is_retired
            if not is_late:
                self._held[key] = holding
                self._changes.append(Change("gained", holding))
        if is_late:
            self._release(holding)
            return
        self.takeovers += found > 1 and not was_given
        self.wakeup.wake()
        _LOG.info("the lease of %s is this node's", key, extra=self._fields("lease_acquired", key, found))

    def _note_conflict(self, key: str, other: str) -> None:
        """Told once until it is over: somebody has what this node wanted, or thought its own."""
        self.conflicts += 1
        if key not in self._in_conflict:
            self._in_conflict.add(key)
            _LOG.warning("%s has the lease of %s", other, key, extra=self._fields("lease_conflict", key))

    def _compare(self, now_ns: int) -> None:
        """Hand over what another node is to have (DST-11)."""
        settings = self._settings
        with self._lock:
            held = [one for one in self._held.values() if one.is_active and not one.is_leaving]
        for holding in held:
            if now_ns - holding.since_ns < settings.min_hold_ms * NS_PER_MS:
                continue
            other = heir(self.membership.steady, holding.key, self.node_id, settings.sticky_pct)
            if other is not None:
                holding.is_leaving = True
                self.rebalances += 1
                told = self._fields("rebalance_triggered", holding.key)
                _LOG.info("%s is to have %s", other, holding.key, extra=told)
                self._tell(Change("leave", holding))

    def _tell(self, change: Change) -> None:
        with self._lock:
            self._changes.append(change)
        self.wakeup.wake()

    # -- for whoever reads the streams ------------------------------------------------------------------------

    def take_changes(self) -> list[Change]:
        """What has changed since the last call, in its order."""
        with self._lock:
            found = list(self._changes)
            self._changes.clear()
        return found

    def is_due(self, holding: Holding) -> bool:
        """Whether a stream may still be read and its reports written; if not, it is given up. From any thread."""
        now_ns = self._now_ns()
        if not holding.may_write(now_ns):
            self._expire(now_ns)
        return holding.may_write(now_ns)

    def left_ms(self, holding: Holding) -> int:
        """How long it may, without the server's being asked again."""
        return max(0, holding.deadline_ns - self._now_ns()) // NS_PER_MS

    def held(self) -> list[Holding]:
        """What is this node's now, by key."""
        with self._lock:
            return [self._held[key] for key in sorted(self._held)]

    def candidate_keys(self) -> list[str]:
        """Streams that another node has and this one is to take when that ends."""
        return [key for key in self._keys if key not in self._held and self._rank(key) is not None]

    def lift(self, holding: Holding, seen: int) -> bool:
        """A token above one that was seen where this node was to write; False = the lease is another's.

        Raises:
            RedisError: the server is away.
        """
        with self._asking:
            token = self.leases.lift(holding.key, holding.token, seen)
            if not token:
                return False
            holding.token = token
            holding.fence = fence_of(token, self.leases.owner)
        return True

    def give_up(self, holding: Holding, why: str) -> None:
        """It cannot be written here: whoever can may have it. From any thread."""
        if self._lose(holding, why):
            self._release(holding)

    def activate(self, holding: Holding) -> None:
        """Its symbols are claimed: reports are written from here on."""
        holding.is_active = True
        told = self._fields("shard_assigned", holding.key, holding.token)
        _LOG.info("%s is read here", holding.key, extra=told)

    def let_go(self, holding: Holding, why: str = "handed over") -> None:
        """Nothing of it is in hand any more: give the lease back, and say so. Whoever is away hears it by its end."""
        with self._lock:
            if self._held.get(holding.key) is holding:
                del self._held[holding.key]
        holding.is_lost = True
        self._note_drop(holding, why)
        self._release(holding)

    def _release(self, holding: Holding) -> None:
        try:
            if self.leases.release(holding.key, holding.token):
                self._client.publish(HANDOVER_CHANNEL, f"{self.node_id} {holding.key}")
                told = self._fields("lease_released", holding.key, holding.token)
                _LOG.info("the lease of %s is given back", holding.key, extra=told)
        except self._failures as error:
            _LOG.warning("a lease ends by itself: %s", error, extra=self._fields("bus_lost", holding.key))

    def _fields(self, event_type: str, key: str | None = None, token: int | None = None) -> dict[str, Any]:
        return with_fields({
            "component": "coordinator",
            "symbol": None,
            "lag_ms": None,
            "stream_id": None,
            "event_type": event_type,
            "node_id": self.node_id,
            "shard": key,
            "token": token,
        })  # fmt: skip

"""Streams that are this node's, on the thread that reads them: rebuild, claim, hand over (DST-08 to DST-10)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.base.clock import Clock
from engine.base.errors import ValidationError
from engine.distribution.carried import AGAIN_MINUTES, MINUTE_MS, closed_before, outdated, read, written
from engine.distribution.codec import EntryDecoder
from engine.distribution.coordinator import Coordinator
from engine.distribution.fencing import carry_key, claim, leave_behind
from engine.distribution.holding import Holding
from engine.distribution.reading import StreamReader
from engine.distribution.servers import Client
from engine.distribution.store import StoredReports
from engine.observability.logs import with_fields
from engine.reports.settings import ReportSettings
from engine.reports.worker import ReportWorker
from engine.runtime.following import Follower, id_before, is_reached
from engine.runtime.symbols import StreamSymbol, StreamSymbols

QUICK_MS = 2000
WINDOW_MARGIN_MS = 70_000
"""What a book is written whole within, while it does not change."""

CATCH_UP_MS = 20_000
"""Ticks that are taken at once where a stream has been silent."""

STANDBY_EVERY_S = 0.1
NS_PER_MS = 1_000_000
_LOG = logging.getLogger("engine.worker")


@dataclass(slots=True)
class _Owned:
    """A stream that is read here.

    Attributes:
        holding: for how long.
        behind: reads the whole window back; None = the state is whole.
        carried_ms: minutes before this are told to a successor.
        carry_s: when that is due again; monotonic.
    """

    holding: Holding
    behind: Follower | None
    carried_ms: int
    carry_s: float


class ShardKeeper:
    """Does what the coordinator decides. On the thread of the worker.

    Args:
        client: of the server.
        coordinator: decides.
        reader: reads for the group.
        store: writes the reports.
        symbols: what is in the streams.
        decoder: of entries.
        analytics: of the symbols that are this node's.
        make: analytics that take slow ticks alone.
        settings: windows and periods.
        clock: of ticks.
        settle_ms: how long after its T a tick is taken.
        count: most entries of a step.
        is_warm: streams of others are followed as well.
    """

    def __init__(
        self,
        client: Client,
        coordinator: Coordinator,
        reader: StreamReader,
        store: StoredReports,
        symbols: StreamSymbols,
        decoder: EntryDecoder,
        analytics: ReportWorker,
        make: Callable[[], ReportWorker],
        settings: ReportSettings,
        clock: Clock,
        settle_ms: int,
        count: int,
        *,
        is_warm: bool,
    ) -> None:
        self._client = client
        self._coordinator = coordinator
        self._reader = reader
        self._store = store
        self._symbols = symbols
        self._decoder = decoder
        self._analytics = analytics
        self._make = make
        self._settings = settings
        self._clock = clock
        self._settle_ms = settle_ms
        self._count = count
        self._is_warm = is_warm
        self._owned: dict[str, _Owned] = {}
        self._standby: dict[str, Follower] = {}
        self._level: set[str] = set()
        """Streams whose follower has read all there was."""
        self._rested_s = 0.0
        """Until when nothing is read back, so that it takes half of a core at most."""

    # -- one turn ---------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Do what was decided, then a little of what is read back.

        Raises:
            RedisError: the server is away.
        """
        self.may_read()
        for change in self._coordinator.take_changes():
            holding = change.holding
            if change.kind == "lost":
                self._drop(holding)
            elif change.kind == "leave" and not holding.is_lost:
                self._leave(holding, "handed over")
            elif not holding.is_lost:
                self._gain(holding)
        begun_s = time.monotonic()
        if begun_s >= self._rested_s and self._read_back():
            ended_s = time.monotonic()
            self._rested_s = max(2 * ended_s - begun_s, 0.0 if self.is_behind() else begun_s + STANDBY_EVERY_S)
        for owned in list(self._owned.values()):
            if owned.behind is None and begun_s >= owned.carry_s:
                self._leave_behind(owned)

    def may_read(self) -> bool:
        """Whether all that is read here is still this node's: who has slept may have lost it, and gives it up."""
        return all(self._coordinator.is_due(owned.holding) for owned in self._owned.values())

    def wait_ms(self, most_ms: int) -> int:
        """How long what is read next may be waited for: no longer than it is this node's to read."""
        left = [self._coordinator.left_ms(owned.holding) for owned in self._owned.values()]
        if self.is_behind():
            left.append(int((self._rested_s - time.monotonic()) * 1000))
        return max(1, min([most_ms, *left]))

    def is_behind(self) -> bool:
        """Whether something is being read back."""
        return any(owned.behind for owned in self._owned.values()) or not self._standby.keys() <= self._level

    def owns(self, key: str) -> bool:
        """Whether a stream is read here."""
        return key in self._owned

    def carry(self, symbol: StreamSymbol) -> None:
        """A symbol has become known; it is taken where its stream is read here."""
        owned = self._owned.get(symbol.key)
        if owned is not None:
            self._carry_in(self._analytics, symbol, self._clock.now(), owned.holding.token)
            self._claim(owned.holding, [symbol])

    def close(self) -> None:
        """Hand everything over, as far as the server hears it, what has not been begun with among it."""
        self._coordinator.retire()
        for holding in self._coordinator.held():
            self._leave(holding, "this node ends")

    # -- taking over ------------------------------------------------------------------------------------------

    def _gain(self, holding: Holding) -> None:
        try:
            self._take_over(holding)
        except Exception as error:
            self._drop(holding)
            self._coordinator.give_up(holding, f"it could not be taken over: {error}")
            raise

    def _take_over(self, holding: Holding) -> None:
        """Quick: what the group has read within two seconds, what is pending, what has come since; then claim it."""
        key = holding.key
        self._symbols.learn([key])
        delivered = self._reader.join(key)
        known = self._symbols.of(key)
        follower = self._standby.pop(key, None)
        is_whole = follower is not None and key in self._level
        self._level.discard(key)
        if follower is None or not is_whole:
            follower = self._follow(key, id_before(delivered, QUICK_MS), is_whole=False)
        while not is_reached(follower.last_id, delivered) and follower.step(delivered):
            pass
        due_ms = self._first_tick(follower, is_whole=is_whole)
        for symbol in known:
            if not self._analytics.adopt(follower.analytics, symbol.place, due_ms):
                self._carry_in(self._analytics, symbol, self._clock.now(), holding.token)
            self._analytics.sign(symbol.place, holding.token)
        behind = None
        if not is_whole:
            span_ms = self._settings.profile_ms + WINDOW_MARGIN_MS
            behind = self._follow(key, id_before(delivered, span_ms), is_whole=True)
        self._owned[key] = _Owned(holding, behind, 0, time.monotonic() + MINUTE_MS / 1000)
        self._reader.last_ids[key] = delivered
        for symbol in known:
            if not self._analytics.has_book(symbol.place):
                self._reader.ask(*symbol.pair)
        self._reader.add(key)
        if not self._claim(holding, known):
            self._drop(holding)
            return
        self._coordinator.activate(holding)
        # At once, not at the next tick: what was composed on the way waits.
        self._analytics.advance(self._now_ms())
        self._store.flush()

    def _first_tick(self, follower: Follower, *, is_whole: bool) -> int:
        """The first T whose report has seen what was read back."""
        fast_ms = self._settings.fast_ms
        now_ms = self._now_ms()
        follower.begin(now_ms * NS_PER_MS)
        if not is_whole and follower.last_recv_ns // NS_PER_MS < now_ms - CATCH_UP_MS:
            # Of a stream that is silent nothing was there to be seen at the ticks since.
            follower.analytics.skip(now_ms - CATCH_UP_MS)
            return now_ms // fast_ms * fast_ms
        # Slow ticks that were taken there are taken once.
        seen_ms = max(follower.last_recv_ns // NS_PER_MS, follower.ticked_ms)
        return (seen_ms // fast_ms + 1) * fast_ms

    def _claim(self, holding: Holding, symbols: list[StreamSymbol]) -> bool:
        """Be the one writer of some symbols; where another was later than this node knew, with a token above its."""
        key = holding.key
        pairs = [symbol.pair for symbol in symbols]
        while seen := claim(self._client, pairs, holding.fence):
            self._store.fenced += 1
            if not self._coordinator.lift(holding, seen):
                self._coordinator.give_up(holding, f"token {seen} was given to another")
                return False
            # All of the stream are this token's now, and what was composed before bears another.
            pairs = [symbol.pair for symbol in self._symbols.of(key)]
            self._store.forget(pairs)
            for symbol in self._symbols.of(key):
                self._analytics.sign(symbol.place, holding.token)
        self._store.hold(pairs, holding)
        return True

    # -- letting go -------------------------------------------------------------------------------------------

    def _leave(self, holding: Holding, why: str) -> None:
        """Stop publishing; what was read is applied and acknowledged; then the lease is given back."""
        self._drop(holding)
        self._coordinator.let_go(holding, why)

    def _drop(self, holding: Holding) -> None:
        owned = self._owned.get(holding.key)
        if owned is None or owned.holding is not holding:
            return
        del self._owned[holding.key]
        symbols = self._symbols.of(holding.key)
        self._store.forget([symbol.pair for symbol in symbols])
        self._reader.drop(holding.key)
        for symbol in symbols:
            self._analytics.drop(symbol.place)

    # -- what is read back ------------------------------------------------------------------------------------

    def _follow(self, key: str, after_id: str, *, is_whole: bool) -> Follower:
        begin = self._begin_whole if is_whole else self._begin
        return Follower(self._client, key, after_id, self._count, self._decoder, self._make(), begin)

    def _begin(self, follower: Follower, begun_ns: int) -> None:
        for symbol in self._symbols.of(follower.key):
            self._carry_in(follower.analytics, symbol, begun_ns, 1)

    def _begin_whole(self, follower: Follower, begun_ns: int) -> None:
        """With what the stream does not hold any more."""
        self._begin(follower, begun_ns)
        for symbol in self._symbols.of(follower.key):
            fields: Any = self._client.hgetall(carry_key(*symbol.pair))
            if not fields:
                continue
            try:
                facts = read(fields, begun_ns // NS_PER_MS, symbol.price_scale, symbol.qty_scale)
            except ValidationError as error:
                line = _fields("carry_refused", symbol=":".join(symbol.pair))
                _LOG.warning("a day that was left behind cannot be used: %s", error.reason, extra=line)
                continue
            follower.analytics.load_day(symbol.place, facts)

    @staticmethod
    def _carry_in(analytics: ReportWorker, symbol: StreamSymbol, begun_ns: int, token: int) -> None:
        analytics.carry(
            symbol.place, *symbol.pair, symbol.price_scale, symbol.qty_scale, symbol.tick_raw, begun_ns, token
        )

    def _read_back(self) -> bool:
        """One step of one follower; whether there was anything to do."""
        for owned in self._owned.values():
            if owned.behind is not None:
                self._step_behind(owned, owned.behind)
                return True
        return self._is_warm and self._step_standby()

    def _step_behind(self, owned: _Owned, behind: Follower) -> None:
        """Towards what is known here; once it is level it takes the place of what was rebuilt quickly."""
        key = owned.holding.key
        goal = self._reader.last_ids[key]
        if not is_reached(behind.last_id, goal) and behind.step(goal):
            return
        now_ms = self._now_ms()
        behind.begin(now_ms * NS_PER_MS)
        symbols = self._symbols.of(key)
        # No further than what is known here: a tick has to see what came before it.
        dues = [self._analytics.due_ms(symbol.place) - 1 for symbol in symbols]
        if not behind.catch_up(min([now_ms - self._settings.slow_ms, *dues]), CATCH_UP_MS):
            return
        for symbol in symbols:
            self._analytics.adopt(behind.analytics, symbol.place, now_ms)
            self._analytics.sign(symbol.place, owned.holding.token)
        owned.behind = None
        told = _fields("shard_rebuilt", stream_id=behind.last_id)
        _LOG.info("%s is known as far back as its windows reach", key, extra=told)

    def _step_standby(self) -> bool:
        """Streams of others, for the day that they are not."""
        wanted = self._coordinator.candidate_keys()
        for key in [key for key in self._standby if key not in wanted]:
            del self._standby[key]
            self._level.discard(key)
        busy = False
        for key in wanted:
            follower = self._standby.get(key)
            if follower is None:
                self._symbols.learn([key])
                last_id = self._reader.join(key)
                span_ms = self._settings.profile_ms + WINDOW_MARGIN_MS
                follower = self._standby[key] = self._follow(key, id_before(last_id, span_ms), is_whole=True)
            if follower.step() == self._count:
                self._level.discard(key)
                return True
            follower.begin(self._clock.now())
            if follower.catch_up(self._now_ms() - self._settings.slow_ms, CATCH_UP_MS):
                self._level.add(key)
            busy = True
        return busy

    def _leave_behind(self, owned: _Owned) -> None:
        """Once a minute: what a successor cannot read back from the stream."""
        now_ms = self._now_ms()
        owned.carry_s += MINUTE_MS / 1000
        until_ms = closed_before(now_ms)
        from_ms = max(0, owned.carried_ms - AGAIN_MINUTES * MINUTE_MS)
        rows = [
            (symbol.pair, written(self._analytics.day_facts(symbol.place, from_ms, until_ms)))
            for symbol in self._symbols.of(owned.holding.key)
        ]
        refused = leave_behind(self._client, rows, owned.holding.fence, outdated(now_ms))
        owned.carried_ms = until_ms
        if refused:
            self._store.fenced += refused
            self._coordinator.give_up(owned.holding, "another node is the writer of its symbols")

    def _now_ms(self) -> int:
        return self._clock.now() // NS_PER_MS - self._settle_ms


def _fields(event_type: str, *, symbol: str | None = None, stream_id: str | None = None) -> dict[str, Any]:
    fields = {"component": "worker", "symbol": symbol, "lag_ms": None, "stream_id": stream_id}
    return with_fields({**fields, "event_type": event_type})

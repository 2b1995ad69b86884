"""Reads the report bus: groups, acknowledging after applying, what is pending, dead letters (BUS-21 to BUS-28)."""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.distribution.codec import EntryDecoder
from engine.distribution.faults import InvalidEntryError
from engine.distribution.keys import RESYNC_CHANNEL
from engine.distribution.servers import Client, batch_of
from engine.distribution.streams import is_cluster
from engine.observability.logs import with_fields
from engine.schema.busentry import HeldEntry

SWEEP_EVERY_S = 5.0
TIDY_EVERY_S = 600.0
GONE_AFTER_MS = 3_600_000
CATCH_UP_S = 0.5
LOOK_AGAIN_S = 0.005
"""Where a call reads one stream alone, none of them waits."""

KEPT_OF_A_LETTER = 65_536
_LOG = logging.getLogger("engine.distribution")
Rows = Sequence[tuple[bytes, dict[bytes, bytes] | None]]


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How the streams are read.

    Attributes:
        group: of all readers, on every node.
        count: most entries of a call.
        claim_idle_ms: what its reader has not acknowledged for so long is taken over.
        max_deliveries: how often an entry is tried that cannot be applied.
        dlq_key: where it goes then.
    """

    group: str
    count: int
    claim_idle_ms: int
    max_deliveries: int
    dlq_key: str


class StreamReader:
    """The one reader of its streams. Called on one thread.

    Args:
        client: of the server.
        settings: how to read.
        streams: keys; nobody else reads them. More may be added, and dropped.
        decoder: of their entries.
        take: applies entries of one stream in their order.
        learn: called as learn(venue, symbol) for a symbol that the decoder does not know; whether it does now.
        on_lost: called as on_lost(key) where entries were trimmed that nobody had applied.
        node_id: of this process.
    """

    def __init__(
        self,
        client: Client,
        settings: ReadSettings,
        streams: Sequence[str],
        decoder: EntryDecoder,
        take: Callable[[list[HeldEntry]], None],
        learn: Callable[[str, str], bool],
        on_lost: Callable[[str], None],
        node_id: str,
    ) -> None:
        self._client = client
        self._settings = settings
        self.streams = list(streams)
        """Keys of what is read."""
        self._decoder = decoder
        self._take = take
        self._learn = learn
        self._on_lost = on_lost
        self.consumer = f"{node_id}.{secrets.token_hex(4)}"
        """Its name in the group: a process has another one each time it starts."""
        self._is_cluster = False
        self._swept_s = self._tidied_s = 0.0
        self.last_ids: dict[str, str] = {}
        """The entry of each stream that was read last, by this reader."""
        self.entries = 0
        """Entries that were read, those that could not be used among them."""
        self.dead: Counter[tuple[str, str]] = Counter()
        """(stream, why) of entries that went to the dead-letter stream."""
        self.lost: Counter[str] = Counter()
        """Entries that were trimmed while they were pending, by stream."""

    def open(self) -> None:
        """Join the group, which begins with the oldest entry there is, and take over what is pending.

        Raises:
            RedisError: the server is away.
        """
        self._is_cluster = is_cluster(self._client)
        for key in self.streams:
            self.join(key)
        # Nobody else reads these streams: what is pending has no reader any more.
        self._sweep(self.streams, 0)

    def join(self, key: str) -> str:
        """Join the group of a stream; answers the id of the entry that was delivered last.

        Raises:
            RedisError: the server is away.
        """
        from redis.exceptions import ResponseError

        group = self._settings.group
        try:
            self._client.xgroup_create(key, group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        groups: Any = self._client.xinfo_groups(key)
        return next(str(one["last-delivered-id"].decode()) for one in groups if one["name"] == group.encode())

    def add(self, key: str) -> None:
        """Read a stream as well: what another has left of it, and what has come since, for half a second at most.

        Raises:
            RedisError: the server is away.
        """
        ends_s = time.monotonic() + CATCH_UP_S
        self._sweep([key], 0)
        while self._read([key], None) == self._settings.count and time.monotonic() < ends_s:
            pass
        self.streams.append(key)

    def drop(self, key: str) -> None:
        """Read a stream no more. What was read of it has been acknowledged, or belongs to the next reader."""
        if key in self.streams:
            self.streams.remove(key)
        self.last_ids.pop(key, None)

    def turn(self, block_ms: int | None) -> int:
        """Read what has come, apply it and acknowledge it; answers how many it were.

        Args:
            block_ms: how long it is waited for, None = not at all.

        Raises:
            RedisError: the server is away; what was not acknowledged comes again.
        """
        count = self._read(self.streams, block_ms)
        now_s = time.monotonic()
        if now_s - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now_s
            self._sweep(self.streams, self._settings.claim_idle_ms)
        if now_s - self._tidied_s >= TIDY_EVERY_S:
            self._tidy(now_s)
        return count

    def _read(self, keys: Sequence[str], block_ms: int | None) -> int:
        settings = self._settings
        if self._is_cluster and len(keys) > 1:
            return self._read_apart(keys, block_ms)
        found: Any = self._client.xreadgroup(
            settings.group, self.consumer, dict.fromkeys(keys, ">"), count=settings.count, block=block_ms
        )
        return self._found(found)

    def _read_apart(self, keys: Sequence[str], block_ms: int | None) -> int:
        """The same by one command a stream: each is in a slot of its own, and none may keep the others waiting."""
        ends_s = time.monotonic() + (block_ms or 0) / 1e3
        while True:
            with batch_of(self._client) as pipe:
                for key in keys:
                    pipe.at(key).xreadgroup(self._settings.group, self.consumer, {key: ">"}, count=self._settings.count)
                count = sum(map(self._found, pipe.execute()))
            if count or time.monotonic() >= ends_s:
                return count
            time.sleep(LOOK_AGAIN_S)

    def _found(self, found: Any) -> int:
        count = 0
        for key, rows in found.items() if isinstance(found, dict) else found or ():
            flat = rows[0] if rows and isinstance(rows[0], list) else rows
            count += self._process(key.decode(), flat)
            self.last_ids[key.decode()] = flat[-1][0].decode()
        return count

    def ask(self, venue: str, symbol: str) -> None:
        """Have the publisher write a book whole."""
        self._client.publish(RESYNC_CHANNEL, f"{venue}:{symbol}")

    def pending(self) -> dict[str, int]:
        """Entries that were delivered and not acknowledged, by stream.

        Raises:
            RedisError: the server is away.
        """
        return {key: int(self._client.xpending(key, self._settings.group)["pending"]) for key in self.streams}

    # -- entries ----------------------------------------------------------------------------------------------

    def _process(self, key: str, rows: Rows) -> int:
        entries: list[tuple[bytes, bytes, HeldEntry]] = []
        letters: list[tuple[bytes, bytes, str, int]] = []
        for row_id, fields in rows:
            data = (fields or {}).get(b"data", b"")
            try:
                entries.append((row_id, data, self._decoded(data)))
            except InvalidEntryError as error:
                letters.append((row_id, data, f"{error.why}: {error.reason}", 1))
                self.dead[key, error.why] += 1
        try:
            if entries:
                self._take([entry for _, _, entry in entries])
        except Exception:
            # One of them: each by itself. Those that have been applied are known by their numbers.
            for row_id, data, entry in entries:
                reason = self._tried(entry)
                if reason is not None:
                    letters.append((row_id, data, reason, self._settings.max_deliveries))
                    self.dead[key, "not_applied"] += 1
        with batch_of(self._client) as pipe:
            for row_id, data, reason, deliveries in letters:
                pipe.at(self._settings.dlq_key).xadd(self._settings.dlq_key, {
                    "reason": reason, "stream_key": key, "stream_id": row_id, "deliveries": deliveries,
                    "data": data[:KEPT_OF_A_LETTER],
                })  # fmt: skip
                if sum(self.dead.values()) <= 1:
                    _LOG.error("an entry cannot be used: %s", reason, extra=_fields("entry_dead_lettered", row_id))
            pipe.at(key).xack(key, self._settings.group, *(row_id for row_id, _ in rows))
            pipe.execute()
        self.entries += len(rows)
        return len(rows)

    def _decoded(self, data: bytes) -> HeldEntry:
        try:
            return self._decoder.decode(data)
        except InvalidEntryError as error:
            if error.why != "unknown_instrument" or not self._learn(*self._decoder.whose()):
                raise
        return self._decoder.decode(data)

    def _tried(self, entry: HeldEntry) -> str | None:
        """Why an entry cannot be applied, None = it can."""
        reason = None
        for _ in range(self._settings.max_deliveries):
            try:
                self._take([entry])
                return None
            except Exception as error:
                reason = f"not_applied: {type(error).__name__}: {error}"
        return reason

    # -- what others left -------------------------------------------------------------------------------------

    def _sweep(self, keys: Sequence[str], idle_ms: int) -> None:
        """Take over what has been pending for so long; what was trimmed meanwhile is lost (BUS-25, BUS-28)."""
        for key in keys:
            cursor = b"0-0"
            while True:
                found: Any = self._client.xautoclaim(
                    key, self._settings.group, self.consumer, idle_ms, start_id=cursor, count=self._settings.count
                )
                cursor, rows, trimmed = found
                if rows:
                    self._process(key, rows)
                if trimmed:
                    self.lost[key] += len(trimmed)
                    self._on_lost(key)
                if cursor == b"0-0":
                    break

    def _tidy(self, now_s: float) -> None:
        """Readers that ended long ago, and left nothing behind, are forgotten."""
        self._tidied_s = now_s
        for key in self.streams:
            for other in self._client.xinfo_consumers(key, self._settings.group):
                name = other["name"].decode()
                if name != self.consumer and other["pending"] == 0 and other["idle"] > GONE_AFTER_MS:
                    self._client.xgroup_delconsumer(key, self._settings.group, name)


def _fields(event_type: str, stream_id: bytes) -> dict[str, Any]:
    return with_fields(
        {
            "component": "worker",
            "symbol": None,
            "lag_ms": None,
            "stream_id": stream_id.decode(),
            "event_type": event_type,
        }
    )

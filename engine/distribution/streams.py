"""Writes the report bus to Redis Streams, on a thread of its own that nobody waits for (BUS-12 to BUS-19, BUS-29)."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from engine.base.errors import ConfigError
from engine.base.jsontext import decode_shape, encode
from engine.base.wakeup import Wakeup
from engine.base.workers import Answer, start_thread
from engine.distribution.keys import META_VERSION, RESYNC_CHANNEL, instruments_key, meta_key
from engine.distribution.lines import Line, SharedLines, open_lines
from engine.distribution.outgoing import Outgoing
from engine.distribution.servers import (
    ANSWER_TIMEOUT_S,
    Client,
    SharedKeys,
    batch_of,
    connect,
    disconnect,
    each_server,
    subscribe,
)
from engine.observability.logs import with_fields

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import PubSub

LINGER_S = 0.005
"""How long entries may gather before they go out."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
TRIM_EVERY_S = 5.0
LAST_WRITES_S = 2.0
OLDEST_SERVER = 7
_LOG = logging.getLogger("engine.distribution")


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Where the streams are, and how long entries stay.

    Attributes:
        url: of the server, with the password if it has one.
        shards: streams a venue.
        retention_s: older entries may be trimmed.
        maxlen_cap: most entries a stream holds, about.
    """

    url: str
    shards: int
    retention_s: int
    maxlen_cap: int


def check_server(client: Client, venues: tuple[str, ...], shards: int) -> None:
    """See that the server keeps what it is given, and that everybody means the same streams (BUS-03, BUS-29).

    Raises:
        ConfigError: too old, it may evict a stream, has the keys of some slots alone, or a venue's streams are laid out
            otherwise.
        RedisError: it does not answer.
    """
    for server in each_server(client):
        _check_keeps(server)
    if not isinstance(client, SharedKeys) and is_cluster(client):
        _check_has_all_slots(client)
    for venue in venues:
        told = {"v": META_VERSION, "shards": shards}
        client.set(meta_key(venue), encode(told), nx=True)
        found = cast("bytes", client.get(meta_key(venue)))
        if decode_shape(found) != told:
            raise ConfigError(
                f"{meta_key(venue)} says {found.decode('utf-8', 'replace')}, bus.shards is {shards}",
                op="bus.check",
                hint="use the same bus.shards everywhere; to change it, drain the venue's streams and delete the key",
            )


def _check_keeps(server: Redis) -> None:
    version = str(server.info("server")["redis_version"])
    if int(version.partition(".")[0]) < OLDEST_SERVER:
        raise ConfigError(f"the server is {version}", op="bus.check", hint=f"use {OLDEST_SERVER}.0 or newer")
    policy = str(server.info("memory")["maxmemory_policy"])
    if policy.startswith("allkeys-"):
        raise ConfigError(
            f"the server may evict a stream with its group: maxmemory-policy is {policy}",
            op="bus.check",
            hint="set maxmemory-policy noeviction",
        )


def is_cluster(client: Client) -> bool:
    """Whether only commands are taken whose keys are all of one slot.

    Raises:
        RedisError: it does not answer.
    """
    if isinstance(client, SharedKeys):
        return True
    return int(client.info("cluster").get("cluster_enabled", 0)) == 1


def _check_has_all_slots(client: Redis) -> None:
    from redis.exceptions import ResponseError

    try:
        told: Any = client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    except ResponseError:
        return  # no right to ask, or a proxy that does not know it: what belongs elsewhere is refused, and counted
    nodes = int(told["cluster_size"])
    if nodes > 1:
        raise ConfigError(
            f"the server is one of {nodes} that share the keys, and is asked for all of them",
            op="bus.check",
            hint="name the cluster: redis+cluster://host:port, or rediss+cluster:// as before",
        )


class StreamPublisher:
    """Owns one thread, which takes what has gathered, writes it and reads the answers.

    While the server is away entries gather at their source, which folds and sheds them. A batch whose answers did not
    come is written again: readers know entries by their number.

    Args:
        outgoing: makes the commands; the thread's own from :meth:`start` on.
        wakeup: posted when much has gathered.
        settings: where to.
        places: instrument ids by ``venue:SYMBOL``.
        instruments: called for what is known of these, as JSON by (venue, symbol), for readers to learn; the same
            object while nothing changes.
    """

    def __init__(
        self,
        outgoing: Outgoing,
        wakeup: Wakeup,
        settings: StreamSettings,
        places: Mapping[str, int],
        instruments: Callable[[], Mapping[tuple[str, str], bytes]],
    ) -> None:
        self._client = connect(settings.url)
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError)
        self._outgoing = outgoing
        self._wakeup = wakeup
        self._settings = settings
        self._places = dict(places)
        self._instruments = instruments
        self._told: dict[tuple[str, str], bytes] = {}
        self._seen: Mapping[tuple[str, str], bytes] | None = None
        self._venues = tuple(sorted({name.partition(":")[0] for name in places}))
        self._lines: Line | SharedLines | None = None
        self._requests: PubSub | None = None
        self._unanswered = b""
        self._trimmed_s = 0.0
        self._ended: Answer[bool] | None = None
        self._is_stopping = False
        self.is_up = False
        """Whether the server answers."""
        self.losses = 0
        """Times that it did no longer."""
        self.refused = 0
        """Entries that it refused."""
        self.resyncs: Counter[str] = Counter()
        """Books that readers asked for whole, by venue."""

    # -- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to write; a server that is away is waited for, one that must not be used is refused.

        Raises:
            ConfigError: as :func:`check_server` tells.
        """
        try:
            self._open()
        except self._failures as error:
            self._lose(error)
        self._ended = Answer()
        start_thread("engine-publisher", self._run)

    def stop(self) -> None:
        """Write what has gathered, if the server takes it within two seconds, and end. Idempotent."""
        if self._ended is not None and not self._is_stopping:
            self._is_stopping = True
            self._wakeup.wake()
            self._ended.get(2 * LAST_WRITES_S + ANSWER_TIMEOUT_S)

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        ends_s = float("inf")
        try:
            while time.monotonic() < ends_s:
                if self._is_stopping and ends_s == float("inf"):
                    ends_s = time.monotonic() + LAST_WRITES_S
                try:
                    count = self.turn()
                    pause_s = FIRST_PAUSE_S
                    if count == 0 and self._is_stopping:
                        return
                    if not self._is_stopping:
                        self._wakeup.wait_for(LINGER_S)
                except ConfigError as error:
                    _LOG.error("%s; %s", error, error.hint, extra=_fields("bus_refused"))
                    self._pause(LONGEST_PAUSE_S)
                except self._failures as error:
                    self._lose(error)
                    self._pause(pause_s * (0.5 + random.random() / 2))
                    pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        finally:
            self._close()
            assert self._ended is not None
            self._ended.give(True)

    def _pause(self, seconds: float) -> None:
        ends_s = time.monotonic() + seconds
        while not self._is_stopping and (left_s := ends_s - time.monotonic()) > 0:
            self._wakeup.wait_for(left_s)

    # -- the server -------------------------------------------------------------------------------------------

    def _open(self) -> None:
        check_server(self._client, self._venues, self._settings.shards)
        self._requests = subscribe(self._client, RESYNC_CHANNEL)
        self._lines = open_lines(self._client)
        self._told, self._seen = {}, None
        self.is_up = True
        self._outgoing.want()
        _LOG.info("the bus is written to %d streams", len(self._outgoing.keys), extra=_fields("bus_connected"))

    def _lose(self, error: Exception) -> None:
        if self.is_up or self.losses == 0:
            _LOG.warning("the server of the bus is away: %s", error, extra=_fields("bus_lost"))
            self.losses += 1
        self._close()

    def _close(self) -> None:
        self.is_up = False
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        disconnect(self._client)

    # -- writing ----------------------------------------------------------------------------------------------

    def turn(self) -> int:
        """Write what has gathered; answers how many entries that were. For the thread, or whoever stands in for it.

        Raises:
            ConfigError: the server must not be used as it is.
            RedisError: it is away.
        """
        count = 0
        if self._lines is None:
            self._open()
        self._tell_instruments()
        if self._unanswered:
            self._write(self._unanswered)
        while batch := self._fill():
            count += self._write(batch)
        self._take_requests()
        if time.monotonic() - self._trimmed_s >= TRIM_EVERY_S:
            self.trim()
        self._outgoing.take(time.monotonic_ns())
        while batch := self._fill():
            count += self._write(batch)
        return count

    def _fill(self) -> bytes:
        return self._outgoing.fill(int(time.time() - self._settings.retention_s) * 1000, time.monotonic_ns())

    def _write(self, batch: bytes) -> int:
        """One round trip."""
        self._unanswered = batch
        assert self._lines is not None
        for number, error in self._lines.write(batch, self._outgoing.parts, self._outgoing.count).items():
            self._outgoing.lost(number)
            self.refused += 1
            if self.refused == 1:
                _LOG.error("the server refuses entries: %s", error, extra=_fields("bus_refused"))
        self._unanswered = b""
        return self._outgoing.count

    def _tell_instruments(self) -> None:
        """Before their first entries."""
        now = self._instruments()
        if now is not self._seen:
            with batch_of(self._client) as pipe:
                for (venue, symbol), document in now.items():
                    if self._told.get((venue, symbol)) != document:
                        pipe.at(instruments_key(venue)).hset(instruments_key(venue), symbol, document)
                pipe.execute()
            self._seen, self._told = now, dict(now)

    def _take_requests(self) -> None:
        """Readers ask for books by ``venue:SYMBOL``."""
        assert self._requests is not None
        while (message := self._requests.get_message(timeout=0)) is not None:
            name = message["data"].decode("utf-8", "replace")
            if name in self._places:
                self._outgoing.want(self._places[name])
                self.resyncs[name.partition(":")[0]] += 1

    def trim(self) -> None:
        """What a MINID cannot: no stream grows without bound, however many entries a second there are.

        Raises:
            RedisError: the server is away.
        """
        self._trimmed_s = time.monotonic()
        with batch_of(self._client) as pipe:
            for key in sorted(self._outgoing.keys):
                pipe.at(key).xtrim(key, maxlen=self._settings.maxlen_cap, approximate=True)
            pipe.execute()


def _fields(event_type: str) -> dict[str, Any]:
    return with_fields(
        {"component": "publisher", "symbol": None, "lag_ms": None, "stream_id": None, "event_type": event_type}
    )

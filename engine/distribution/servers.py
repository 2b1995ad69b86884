"""The server of the keys, or several that share them: where a command goes, and what goes together (DST-13)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from engine.base.errors import ConfigError
from engine.base.workers import new_lock

if TYPE_CHECKING:
    from types import TracebackType

    from redis import Redis
    from redis.client import Pipeline, PubSub
    from redis.cluster import ClusterNode, RedisCluster

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 2.0
MOST_CONNECTIONS = 20
HEALTH_CHECK_S = 30
"""A connection that was idle for so long is tried before it is used."""

SHARED = "+cluster"
"""At the end of an address's scheme: of several servers that share the keys."""

_HINT = "as redis://host:6379/0, or redis+cluster://host:6379,other:6379 for servers that share the keys"


def connect(url: str, answer_s: float | None = None) -> Client:
    """A client of the server, or of a cluster, for any thread; nothing is sent yet.

    Args:
        url: ``redis://`` or ``rediss://`` of one; ``redis+cluster://`` or ``rediss+cluster://`` of a cluster, with one
            or more of its servers, by commas: the others are found through them.
        answer_s: how long an answer is waited for, None = two seconds.

    Raises:
        ConfigError: the package is not installed, or the address is none.
    """
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigError(
            "bus.backend redis needs the package redis", op="bus.connect", hint="pip install 'engine[redis]'"
        ) from error
    options = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": answer_s or ANSWER_TIMEOUT_S,
        "max_connections": MOST_CONNECTIONS,
        "health_check_interval": HEALTH_CHECK_S,
        # What was read and did not arrive is pending: asked again by itself, the client would get what comes after.
        "retry": Retry(NoBackoff(), 0),
    }
    if is_shared(url):
        return SharedKeys(url, options)
    try:
        return Redis.from_url(url, **options)
    except ValueError as error:
        raise not_usable(error) from error


def not_usable(error: ValueError) -> ConfigError:
    """What an address is that is none."""
    return ConfigError(f"the address of the server cannot be used: {error}", op="bus.connect", hint=_HINT)


def is_shared(url: str) -> bool:
    """Whether an address is that of a cluster."""
    return urlsplit(url).scheme.endswith(SHARED)


def servers_of(url: str) -> tuple[str, list[tuple[str, int]]]:
    """The address of the first server that a cluster's address names, and (host, port) of the others.

    Raises:
        ConfigError: the address is none.
    """
    from redis.connection import parse_url

    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    scheme = parts.scheme.removesuffix(SHARED)
    found: list[tuple[str, dict[str, Any]]] = []
    try:
        for host in hosts.split(","):
            one = urlunsplit((scheme, f"{login}{at}{host}", parts.path, parts.query, ""))
            found.append((one, dict(parse_url(one)) if host else {}))  # type: ignore[no-untyped-call]
            if not found[-1][1].get("host"):
                raise ValueError("a server without a host")
        if int(found[0][1].get("db", 0)):
            raise ValueError("servers that share the keys have the database 0 alone")
    except ValueError as error:
        raise not_usable(error) from error
    return found[0][0], [(options["host"], int(options.get("port", 6379))) for _, options in found[1:]]


class SharedKeys:
    """Several servers, each of which has some of the keys (Redis Cluster).

    Any command of the client's that is about one key may be called here: it goes to the server that has it, also while
    keys are moved from one to another. Commands that go together: :func:`batch_of`. Nothing is sent before the first.

    Args:
        url: of some of them.
        options: of the connections.

    Raises:
        ConfigError: the address is none.
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._url, self._others = servers_of(url)
        self._options = options
        self._lock = new_lock()
        self._cluster: RedisCluster | None = None

    def __getattr__(self, command: str) -> Any:
        called = getattr(self.routed(), command)

        def routed(*args: Any, **options: Any) -> Any:
            with _told():
                return called(*args, **options)

        return routed

    def routed(self) -> RedisCluster:
        """The library's client, which knows who has what.

        Raises:
            RedisError: none of the servers answers.
            ConfigError: they share no keys.
        """
        with self._lock:
            if self._cluster is None:
                self._cluster = self._found()
            return self._cluster

    def _found(self) -> RedisCluster:
        from redis.cluster import ClusterNode, RedisCluster
        from redis.exceptions import ConnectionError

        try:
            with _told():
                others = [ClusterNode(host, port) for host, port in self._others]  # type: ignore[no-untyped-call]
                return RedisCluster.from_url(self._url, startup_nodes=others, **self._options)
        except ConnectionError as error:
            if "Cluster mode is not enabled" in str(error):
                raise ConfigError(
                    "the address is that of a cluster, and the server does not say who has which keys",
                    op="bus.connect",
                    hint="use redis:// for a server by itself; a user of a cluster needs +cluster|slots and +command",
                ) from error
            raise

    def look_again(self) -> None:
        """Ask the servers who has what.

        Raises:
            RedisError: none of them answers.
        """
        with _told():
            self.routed().nodes_manager.initialize()

    def node_of(self, key: str) -> ClusterNode:
        """Who has a key, as far as is known.

        Raises:
            RedisError: nobody has it.
        """
        with _told():
            node: ClusterNode | None = self.routed().get_node_from_key(key)  # type: ignore[no-untyped-call]
        assert node is not None
        return node

    def close(self) -> None:
        """Close the connections; the next command opens others."""
        with self._lock:
            if self._cluster is not None:
                # Who there is stays known: the servers of the address may be those that are gone.
                self._cluster.disconnect_connection_pools()  # type: ignore[no-untyped-call]


Client: TypeAlias = "Redis | SharedKeys"


@contextmanager
def _told() -> Iterator[None]:
    """What the library has of its own for clusters is no error of the server's to it; to whoever calls it is one."""
    from redis.exceptions import ConnectionError, RedisClusterException

    try:
        yield
    except RedisClusterException as error:
        raise ConnectionError(str(error)) from error


def each_server(client: Client) -> list[Redis]:
    """Every server that has keys, as they are now.

    Raises:
        RedisError: none answers.
    """
    if not isinstance(client, SharedKeys):
        return [client]
    client.look_again()
    found: list[ClusterNode] = client.routed().get_primaries()  # type: ignore[no-untyped-call]
    return [connection_of(node) for node in found]


def connection_of(node: ClusterNode) -> Redis:
    """The client of one of several servers."""
    found: Redis | None = node.redis_connection
    assert found is not None
    return found


def subscribe(client: Client, channel: str) -> PubSub:
    """Messages of a channel, which all servers of a cluster pass on.

    Raises:
        RedisError: the server is away.
    """
    found: PubSub = client.pubsub(ignore_subscribe_messages=True)
    found.subscribe(channel)
    return found


def disconnect(client: Client) -> None:
    """Close the connections; the next command opens others."""
    if isinstance(client, SharedKeys):
        client.close()
    else:
        client.connection_pool.disconnect()


# -- what goes together ---------------------------------------------------------------------------------------


class Batch:
    """Commands for one server that go out together."""

    def __init__(self, client: Redis) -> None:
        self._pipe = client.pipeline(transaction=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pipe.reset()

    def at(self, key: str) -> Pipeline:
        """Takes one command about a key."""
        return self._pipe

    def execute(self) -> list[Any]:
        """The answers, in the order of the commands.

        Raises:
            RedisError: a command was refused, or the server is away.
        """
        return self._pipe.execute()


class SharedBatch(Batch):
    """The same for several servers: each is sent what is about its keys."""

    def __init__(self, shared: SharedKeys) -> None:
        self._shared = shared
        self._pipes: dict[str, Pipeline] = {}
        self._order: list[str] = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pipe in self._pipes.values():
            pipe.reset()

    def at(self, key: str) -> Pipeline:
        """Takes one command about a key."""
        node = self._shared.node_of(key)
        if node.name not in self._pipes:
            self._pipes[node.name] = connection_of(node).pipeline(transaction=False)
        self._order.append(node.name)
        return self._pipes[node.name]

    def execute(self) -> list[Any]:
        """The answers, in the order of the commands; what belongs elsewhere meanwhile is asked there.

        Raises:
            RedisError: a command was refused, or a server is away.
        """
        from redis.exceptions import ConnectionError, TimeoutError

        found: dict[str, Iterator[Any]] = {}
        try:
            for name, pipe in self._pipes.items():
                commands = list(pipe.command_stack)
                answers = pipe.execute(raise_on_error=False)
                found[name] = iter([self._settled(*both) for both in zip(commands, answers, strict=True)])
        except (ConnectionError, TimeoutError):
            self._shared.look_again()
            raise
        order, self._order = self._order, []
        return [next(found[name]) for name in order]

    def _settled(self, command: tuple[Sequence[Any], dict[str, Any]], answer: Any) -> Any:
        from redis.exceptions import AskError, MovedError, TryAgainError

        if isinstance(answer, (MovedError, AskError, TryAgainError)):
            words, options = command
            return self._shared.execute_command(*words, **options)
        if isinstance(answer, Exception):
            raise answer
        return answer


def batch_of(client: Client) -> Batch:
    """An empty one."""
    return SharedBatch(client) if isinstance(client, SharedKeys) else Batch(client)

"""Connections that packed commands go through as they are, to the server that has their key (BUS-19, DST-13)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine.distribution.servers import Client, SharedKeys, connection_of

if TYPE_CHECKING:
    from redis import Redis
    from redis.exceptions import AskError, ResponseError

MOST_MOVES = 5
_ASKING = b"*1\r\n$6\r\nASKING\r\n"
Parts = Sequence[tuple[str, int]]
"""(key, where it ends in the batch) of each command."""


class Line:
    """A connection to one server.

    Raises:
        RedisError: it is away.
    """

    def __init__(self, client: Redis) -> None:
        from redis.exceptions import ClusterDownError, MasterDownError, ReadOnlyError, ResponseError

        self._refusal = ResponseError
        # Another will be asked, or this one later: no fault of the command's.
        self._not_now = (ClusterDownError, MasterDownError, ReadOnlyError)
        self._pool: Any = client.connection_pool
        self._connection: Any = self._pool.get_connection()

    def send(self, batch: bytes) -> None:
        """Have it sent; what it is answered is to be read.

        Raises:
            RedisError: the server is away.
        """
        self._connection.send_packed_command([batch])

    def refused(self) -> ResponseError | None:
        """Why the server refuses the next command that was sent, None = it does not.

        Raises:
            RedisError: it is away, or can take nothing as it is.
        """
        try:
            self._connection.read_response(disable_decoding=True)
        except self._refusal as error:
            if isinstance(error, self._not_now):
                raise
            return error
        return None

    def write(self, batch: bytes, parts: Callable[[], Parts], count: int) -> dict[int, ResponseError]:
        """One round trip; answers which commands were refused, by their number.

        Args:
            batch: packed commands.
            parts: of what it consists.
            count: of its commands.

        Raises:
            RedisError: the server is away; nobody knows what it has taken.
        """
        self.send(batch)
        answers = [self.refused() for _ in range(count)]
        return {number: error for number, error in enumerate(answers) if error is not None}

    def close(self) -> None:
        """Idempotent."""
        if self._connection is not None:
            self._connection.disconnect()
            self._pool.release(self._connection)
            self._connection = None


class SharedLines:
    """A connection to each of several servers that share the keys, as far as it is needed."""

    def __init__(self, shared: SharedKeys) -> None:
        self._shared = shared
        self._lines: dict[str, Line] = {}

    def write(self, batch: bytes, parts: Callable[[], Parts], count: int) -> dict[int, ResponseError]:
        """One round trip to each; more where keys are being moved. As :meth:`Line.write`."""
        from redis.exceptions import AskError, ConnectionError, MovedError

        told = parts()
        begins = [0, *(end for _, end in told)]
        commands = [batch[begin:end] for begin, (_, end) in zip(begins, told, strict=False)]
        refused: dict[int, ResponseError] = {}
        waiting = list(range(count))
        for _ in range(MOST_MOVES):
            moved: list[int] = []
            for number, why in self._sent(commands, told, waiting).items():
                error: ResponseError | None = why
                if isinstance(error, AskError) and not isinstance(error, MovedError):  # which is one to the library
                    error = self._asked(error, commands[number])
                if isinstance(error, MovedError):
                    moved.append(number)
                elif error is not None:
                    refused[number] = error
            if not moved:
                return refused
            self._shared.look_again()
            waiting = moved
        raise ConnectionError(f"{told[waiting[0]][0]} is moved from server to server")

    def _sent(self, commands: Sequence[bytes], parts: Parts, numbers: Sequence[int]) -> dict[int, ResponseError]:
        places: dict[str, Line] = {}
        shares: dict[Line, list[int]] = {}
        for number in numbers:
            key = parts[number][0]
            if key not in places:
                places[key] = self._line_of(self._shared.node_of(key))
            shares.setdefault(places[key], []).append(number)
        for line, share in shares.items():
            line.send(b"".join([commands[number] for number in share]))
        answers = ((number, line.refused()) for line, share in shares.items() for number in share)
        return dict(sorted((number, error) for number, error in answers if error is not None))

    def _asked(self, where: AskError, command: bytes) -> ResponseError | None:
        """Where a key is that has gone ahead of the others of its slot."""
        cluster: Any = self._shared.routed()
        line = self._line_of(cluster.get_node(node_name=f"{where.host}:{where.port}"))
        line.send(_ASKING + command)
        line.refused()
        return line.refused()

    def _line_of(self, node: Any) -> Line:
        from redis.exceptions import ConnectionError

        if node is None:
            raise ConnectionError("keys go to a server that nobody has told of")
        if node.name not in self._lines:
            self._lines[node.name] = Line(connection_of(node))
        return self._lines[node.name]

    def close(self) -> None:
        """Idempotent."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()


def open_lines(client: Client) -> Line | SharedLines:
    """To where the keys are.

    Raises:
        RedisError: the server is away.
    """
    return SharedLines(client) if isinstance(client, SharedKeys) else Line(client)

"""An engine in a thread of its own, for a program that has other things to do: commands, consumers that come and go."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from engine.base.errors import CapacityError, EngineGoneError
from engine.base.workers import Answer, start_thread
from engine.config.load import load_config
from engine.runtime import membership
from engine.runtime.live import LiveEngine, run_on_loop
from engine.runtime.service import ReadyReport, Service, ServiceResult
from engine.runtime.summary import EngineSummary
from engine.schema.command import Ack, Outcome, Reply

Found = TypeVar("Found")
READY_WITHIN_S = 60.0
ANSWERS_WITHIN_S = 40.0
"""Longer than a consumer's on_start may take."""


class Served:
    """A running engine: a context manager; every call from any thread but the engine's own.

    Args:
        config: a configuration file; None = defaults and *sets*.
        sets: ``PATH=VALUE``, as of ``engine-run --set``.

    Raises:
        ConfigError: faults in the configuration; nothing is started.
    """

    def __init__(self, config: str | os.PathLike[str] | None = None, sets: Sequence[str] = ()) -> None:
        self._service = Service(load_config(None if config is None else Path(config), sets), self._is_ready)
        self._ready: Answer[ReadyReport] = Answer()
        self._ended: Answer[ServiceResult | BaseException] = Answer()
        self.ready: ReadyReport | None = None
        """What it started with, once it has."""

    def __enter__(self) -> Self:
        start_thread("engine-loop", self._run)
        self.ready = self._ready.get(READY_WITHIN_S)
        ended = self._ended.get(0.0)
        if isinstance(ended, BaseException):
            raise ended
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def command(
        self,
        kind: str,
        payload: Mapping[str, Any] | None = None,
        *,
        operator: str = "operator",
        consumer_id: str = "",
        message_id: str | None = None,
    ) -> Reply[Outcome]:
        """Give a command; as :meth:`engine.Engine.command`.

        Raises:
            EngineGoneError: the engine has ended.
        """
        return self._live().engine.command(
            kind, payload, operator=operator, consumer_id=consumer_id, message_id=message_id
        )

    def join(
        self,
        consumer_id: str,
        handler: object,
        *,
        mode: str = "thread",
        subscriptions: Sequence[Mapping[str, Any]] = (),
        **options: Any,
    ) -> list[Ack]:
        """Connect a consumer to the running engine and start it.

        Args:
            consumer_id: its id.
            handler: the strategy.
            mode: ``thread`` or ``inline``.
            subscriptions: payloads of subscribe commands: ``{"symbol": .., "event_types": [..]}``.
            options: further ones of :meth:`engine.Engine.add_consumer`: ``capacity``, ``weight``, ``params`` ..

        Returns:
            The acknowledgements of its subscriptions.

        Raises:
            ConfigError: the name is taken, or the handler has no method to call.
            EngineGoneError: the engine has ended.
            Exception: whatever on_start raised.
        """
        live = self._live()
        return self._do(
            live,
            lambda: membership.join(live.engine, consumer_id, handler, subscriptions, mode=mode, **options),
        )

    def leave(self, consumer_id: str) -> str:
        """Disconnect a consumer, within a second; ``stopped``, or ``stalled`` where its callback does not return.

        Raises:
            UnknownSymbolError: there is no such consumer.
            EngineGoneError: the engine has ended.
            Exception: whatever on_stop raised.
        """
        live = self._live()
        return self._do(live, lambda: membership.leave(live.engine, consumer_id))

    def consumers(self) -> dict[str, dict[str, Any]]:
        """By consumer id: name, mode, state, its trading switch, and its counts."""
        engine = self._live().engine
        return {
            consumer_id: {
                "name": engine.names[consumer_id],
                "mode": runner.mode,
                "state": runner.state,
                "trading_enabled": engine.switches.is_enabled(consumer_id),
                **runner.statistics(),
            }
            for consumer_id, runner in list(engine.runners.items())
        }

    def summary(self) -> EngineSummary:
        """Counts, pools and latencies at this moment."""
        live = self._live()

        async def look() -> EngineSummary:
            return live.engine.summary()

        return self._do(live, look)

    def stop(self) -> ServiceResult:
        """End the run in order, as SIGTERM does. Idempotent.

        Raises:
            Exception: whatever ended it.
        """
        live = self._service.live
        if live is not None and live.engine.post is not None:
            live.engine.post(self._service.stop)
        ended = self._ended.get(READY_WITHIN_S)
        if ended is None:
            raise CapacityError(f"the engine has not ended within {READY_WITHIN_S:g} s", op="serve.stop")
        if isinstance(ended, BaseException):
            raise ended
        return ended

    # -- its thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._ended.give(run_on_loop(self._service.run()))
        except BaseException as error:
            self._ended.give(error)
        # Whoever waits for its first moment waits no longer; a run that was ready has told so before.
        self._ready.give(ReadyReport("", (), ()))

    def _is_ready(self, report: ReadyReport) -> None:
        self._ready.give(report)

    def _live(self) -> LiveEngine:
        live = self._service.live
        if live is None:
            raise EngineGoneError("the engine does not run", op="serve.command")
        return live

    def _do(self, live: LiveEngine, work: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
        """Run a coroutine on the engine's loop and wait for what it returns or raises."""
        answer: Answer[Found | BaseException] = Answer()

        async def doing() -> None:
            try:
                answer.give(await work())
            except Exception as error:
                answer.give(error)

        if live.engine.post is None:
            raise EngineGoneError("the engine does not run", op="serve.command")
        def begin() -> None:
            live.scope.start(doing())

        live.engine.post(begin)
        found = answer.get(ANSWERS_WITHIN_S)
        if isinstance(found, BaseException):
            raise found
        if found is None:
            raise CapacityError("no answer in time", op="serve.command")
        return found


def serve(config: str | os.PathLike[str] | None = None, sets: Sequence[str] = ()) -> Served:
    """The engine of a configuration on its venues, in a thread of its own: ``with engine.serve(FILE) as running:``.

    Leaving the block ends it in order. Inside, :meth:`Served.command` gives commands as an operator,
    :meth:`Served.join` and :meth:`Served.leave` connect and disconnect strategies.

    Args:
        config: a configuration file; None = defaults and *sets*.
        sets: ``PATH=VALUE``, as of ``engine-run --set``.

    Raises:
        ConfigError: faults in the configuration; nothing is started.
    """
    return Served(config, sets)

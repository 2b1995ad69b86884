"""The one module that knows threads and starts tasks: waiting, answers across threads, tasks that end with a scope."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from engine.base.errors import EngineErrorGroup

Found = TypeVar("Found")


class Waiting:
    """Callers that wait until something is there; notify() makes all of them look again."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._futures: list[asyncio.Future[None]] = []

    @staticmethod
    def on_loop() -> bool:
        """Whether the calling thread runs an event loop right now."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    def notify(self) -> None:
        """Something came back; called from any thread, never blocks for long."""
        with self._condition:
            self._condition.notify_all()
            futures, self._futures = self._futures, []
        for future in futures:
            future.get_loop().call_soon_threadsafe(_wake, future)

    def until(self, look: Callable[[], Found | None], timeout_s: float) -> Found | None:
        """Wait in this thread until look() finds something; None after *timeout_s*."""
        deadline_s = time.monotonic() + timeout_s
        with self._condition:
            while (found := look()) is None:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._condition.wait(left_s):
                    return look()
        return found

    async def until_async(self, look: Callable[[], Found | None], timeout_s: float) -> Found | None:
        """Wait in this coroutine until look() finds something; None after *timeout_s*."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while (found := look()) is None:
            left_s = deadline_s - loop.time()
            if left_s <= 0:
                return None
            future: asyncio.Future[None] = loop.create_future()
            self._futures.append(future)
            await asyncio.wait([future], timeout=left_s)
        return found


class Answer(Generic[Found]):
    """What one thread will tell another, once."""

    def __init__(self) -> None:
        # Held until it is told: a lock alone, as each command has one of these and nearly none is waited for.
        self._untold = threading.Lock()
        self._untold.acquire()
        self._value: Found | None = None

    def give(self, value: Found) -> None:
        """Tell it, by one thread; only the first one counts, and None is nothing told."""
        if self._value is None and value is not None:
            self._value = value
            self._untold.release()

    def get(self, timeout_s: float) -> Found | None:
        """Wait for it; None after *timeout_s*."""
        if self._untold.acquire(timeout=min(max(timeout_s, 0), threading.TIMEOUT_MAX)):
            self._untold.release()
        return self._value


def start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    """Run *run* in a thread; whoever starts it ends it. One that is left behind does not keep the process."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def new_lock() -> threading.RLock:
    """A lock that its holder may take again."""
    return threading.RLock()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class TaskScope:
    """Tasks that do not outlive their scope: leaving it cancels those that still run and waits for them.

    A task that fails cancels the others and whoever is inside the scope; leaving it then raises that error, or an
    :class:`~engine.base.errors.EngineErrorGroup` of several.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Found]) -> asyncio.Task[Found]:
        """Run *work* beside the caller; only inside the scope."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cancel(self) -> None:
        """End every task; leaving the scope waits for them."""
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            failures = [one for one in group.exceptions if isinstance(one, Exception)]
            if len(group.exceptions) == 1 or len(failures) != len(group.exceptions):
                raise group.exceptions[0] from None
            raise EngineErrorGroup("several tasks failed", failures) from None

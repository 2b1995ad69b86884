"""Tasks end with their scope, and what fails in one is not lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from engine.base.errors import EngineErrorGroup
from engine.base.workers import TaskScope


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("cancelled")


async def fail(error: Exception) -> None:
    raise error


async def failing_beside(ended: list[str], *errors: Exception) -> None:
    """A body that waits for ever beside a task that does, until others fail."""
    try:
        async with TaskScope() as scope:
            scope.start(for_ever(ended))
            await asyncio.sleep(0)
            for error in errors:
                scope.start(fail(error))
            await asyncio.Event().wait()
    finally:
        ended.append("body")


def test_leaving_the_scope_ends_its_tasks() -> None:
    async def main() -> None:
        ended: list[str] = []
        async with TaskScope() as scope:
            task = scope.start(for_ever(ended))
            await asyncio.sleep(0)
        assert ended == ["cancelled"]
        assert task.cancelled()

    run(main())


def test_a_failing_task_ends_the_body_and_the_others_with_its_own_error() -> None:
    async def main() -> None:
        ended: list[str] = []
        with pytest.raises(ValueError, match="planted"):
            await failing_beside(ended, ValueError("planted"))
        assert ended == ["cancelled", "body"]

    run(main())


def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    async def main() -> None:
        async def body() -> None:
            async with TaskScope() as scope:
                scope.start(for_ever([]))
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await body()

    run(main())


def test_several_failures_come_out_together() -> None:
    async def main() -> None:
        with pytest.raises(EngineErrorGroup) as caught:
            await failing_beside([], ValueError("one"), KeyError("two"))
        assert {type(error) for error in caught.value.exceptions} == {ValueError, KeyError}

    run(main())


def test_a_result_can_be_had() -> None:
    async def main() -> None:
        async def answer() -> int:
            return 42

        async with TaskScope() as scope:
            assert await scope.start(answer()) == 42

    run(main())

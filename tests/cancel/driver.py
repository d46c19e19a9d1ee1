"""Cancellation at every moment there is: before each step of a coroutine, and in each turn of the loop."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from attrs import define

T = TypeVar("T")


@define
class Cut:
    """Where the cancellation struck, and whether it did."""

    at: int
    struck: bool = False


When = Callable[[asyncio.Task[Any], asyncio.Future[Any] | None], None]


def asleep(task: asyncio.Task[Any], _: asyncio.Future[Any] | None) -> None:
    """The task is cancelled while it waits."""
    asyncio.get_running_loop().call_soon(task.cancel)


def at_once(task: asyncio.Task[Any], _: asyncio.Future[Any] | None) -> None:
    """The task is cancelled before it begins to wait."""
    task.cancel()


def waking(task: asyncio.Task[Any], future: asyncio.Future[Any] | None) -> None:
    """The task is cancelled when what it waits for is there, and it has not been told yet."""
    if future is None:
        task.cancel()
    else:
        future.add_done_callback(lambda _: task.cancel())


WHENS: tuple[When, ...] = (asleep, at_once, waking)


@types.coroutine
def cut(work: Coroutine[Any, Any, T], where: Cut, when: When) -> Generator[Any, Any, T]:
    """*work*, whose task is cancelled at its suspension number ``where.at``."""
    task = asyncio.current_task()
    assert task is not None
    step: Callable[[], Any] = lambda: work.send(None)  # noqa: E731 # replaced at each step
    suspensions = 0
    while True:
        try:
            future = step()
        except StopIteration as end:
            return end.value
        suspensions += 1
        if suspensions == where.at:
            where.struck = True
            when(task, future)
        try:
            sent = yield future
        except BaseException as error:  # noqa: BLE001 # it belongs to the coroutine
            step = lambda error=error: work.throw(error)  # noqa: E731 # as above
        else:
            step = lambda sent=sent: work.send(sent)  # noqa: E731 # as above


async def after_turns(task: asyncio.Task[Any], turns: int) -> None:
    """Cancel *task* after so many turns of the loop, among the first callbacks of the turn."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()


async def settle(turns: int = 5) -> None:
    """Let callbacks run that are due now."""
    for _ in range(turns):
        await asyncio.sleep(0)

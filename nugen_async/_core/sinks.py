"""Where a wait's news goes: to a callback, to a stream of changes, to a queue of outcomes."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, Generic, Protocol, TypeVar

from ..errors import NugenError
from .logs import log
from .outcome import Ending, Snapshot

J = TypeVar("J", bound=Snapshot)
U = TypeVar("U")
J_contra = TypeVar("J_contra", bound=Snapshot, contravariant=True)

OnUpdate = Callable[[U], Awaitable[object] | object]
"""Called with each changed snapshot; may be a coroutine function."""

PATIENCE = 5.0
"""Seconds that the end of a wait leaves a slow callback to take the last snapshot."""


class Sink(Protocol[J_contra]):
    """What the poller tells a waiter. It never waits for the answer, and no waiter can break it."""

    @property
    def listens(self) -> bool:
        """Whether changes go to anybody, who may keep the snapshot."""
        ...

    def changed(self, job: J_contra) -> None:
        """The job looks different from the last look."""

    def ended(self, outcome: Ending[J_contra]) -> None:
        """The wait for one job is over."""

    def broken(self, error: NugenError) -> None:
        """The wait itself cannot go on (the client was closed)."""


class Notifier(Generic[J]):
    """Runs a caller's callback in the caller's context, one at a time, newest snapshot first.

    A callback that raises is told of once in the log; a slow one misses snapshots, never the last.
    """

    __slots__ = ("_call", "_context", "_pending", "_silent", "_task")

    def __init__(self, call: OnUpdate[J]) -> None:
        self._call = call
        self._context: Context = copy_context()
        self._pending: J | None = None
        self._silent = False
        self._task: asyncio.Task[None] | None = None

    def tell(self, job: J) -> None:
        """Pass *job* on, now or when the callback is free."""
        if self._task is not None and not self._task.done():
            self._pending = job
            return
        answer = self._context.run(self._called, job)
        if answer is not None:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._finish(answer), context=self._context)

    def _called(self, job: J) -> Awaitable[object] | None:
        """What is to be awaited of the callback's answer, if anything."""
        try:
            answer = self._call(job)
        except Exception as error:  # noqa: BLE001 # whatever a callback raises is the caller's affair
            self._complain(error)
            return None
        return answer if inspect.isawaitable(answer) else None

    async def _finish(self, answer: Awaitable[object] | None) -> None:
        while answer is not None:
            try:
                await answer
            except Exception as error:  # noqa: BLE001 # as above
                self._complain(error)
            job, self._pending = self._pending, None
            answer = None if job is None else self._called(job)

    def _complain(self, error: Exception) -> None:
        if not self._silent:
            self._silent = True
            log.warning("on_update raised; the wait goes on: %r", error, exc_info=error)

    async def drain(self) -> None:
        """Let a running callback end, but not for ever."""
        if self._task is None or self._task.done():
            return
        try:
            done, _ = await asyncio.wait({self._task}, timeout=PATIENCE)
        except asyncio.CancelledError:
            self.stop()
            raise
        if not done:
            log.warning("on_update still ran %.0f s after the end of its wait; cancelled", PATIENCE)
            self.stop()

    def stop(self) -> None:
        """Cancel a running callback: its wait is gone."""
        if self._task is not None:
            self._task.cancel()


class Feed(Generic[J]):
    """One reader that takes items at its own speed; `put` never waits."""

    __slots__ = ("_error", "_items", "_waker", "notifier")

    def __init__(self, notifier: Notifier[J] | None = None) -> None:
        self._items: deque[Any] = deque()
        self._waker: asyncio.Future[None] | None = None
        self._error: NugenError | None = None
        self.notifier = notifier

    async def get(self) -> Any:
        """The next item; raises what broke the feed once all items are taken."""
        while not self._items:
            if self._error is not None:
                raise self._error
            self._waker = asyncio.get_running_loop().create_future()
            try:
                await self._waker
            finally:
                self._waker = None
        return self._items.popleft()

    def put(self, item: Any) -> None:
        """Add *item* and wake the reader."""
        self._items.append(item)
        self._wake()

    def broken(self, error: NugenError) -> None:
        """End the feed with *error*."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)


class Outcomes(Feed[J]):
    """The outcomes of many jobs, as they end."""

    __slots__ = ()

    @property
    def listens(self) -> bool:
        """Whether somebody wants to be called back."""
        return self.notifier is not None

    def changed(self, job: J) -> None:
        """Call back, if asked to."""
        if self.notifier is not None:
            self.notifier.tell(job)

    def ended(self, outcome: Ending[J]) -> None:
        """Queue the outcome."""
        self.put(outcome)


class Changes(Feed[J]):
    """The changes of one job; a slow reader sees the newest, not each."""

    __slots__ = ()

    @property
    def listens(self) -> bool:
        """Always."""
        return True

    def changed(self, job: J) -> None:
        """Replace what the reader has not taken yet."""
        self._items.clear()
        self.put(job)

    def ended(self, outcome: Ending[J]) -> None:
        """Queue the end behind the last change."""
        self.put(outcome)

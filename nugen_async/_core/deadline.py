"""Time-outs of many requests on one timer.

`asyncio.timeout` sets a timer of the loop for each request, which with a hundred in flight is a tenth of a
request's CPU time. The time-outs of one client are nearly always equally long, so the oldest is the next
to end: one timer stands for all, and moves only when it fires.
"""

from __future__ import annotations

import asyncio
import math
from contextvars import Context
from types import TracebackType
from typing import Self


class Bound:
    """A block of one task with an end: a `TimeoutError` replaces the cancellation that enforces it."""

    __slots__ = ("_all", "_cancelling", "_over", "_task", "when")

    def __init__(self, everyone: Deadlines, task: asyncio.Task[object], when: float) -> None:
        self._all = everyone
        self._task = task
        self._cancelling = task.cancelling()
        self._over = False
        self.when = when

    def postpone(self, when: float) -> None:
        """End at *when*, in the loop's time, if that is later; the timer finds out when it fires."""
        self.when = max(self.when, when)

    def expire(self) -> None:
        """The time is over."""
        self._over = True
        self._task.cancel()

    def __enter__(self) -> Self:
        self._all.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._over:
            self._all.discard(self)
        elif (
            self._task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):  # somebody else's cancellation, at the same time, goes on as one
            raise TimeoutError from error


class Deadlines:
    """All blocks of one loop whose time is running."""

    __slots__ = ("_bounds", "_loop", "_timer")

    def __init__(self) -> None:
        self._bounds: set[Bound] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float | None, latest: float | None = None) -> Bound:
        """A block of the current task that ends with a `TimeoutError`.

        It ends after *seconds*, and at *latest* in the loop's time; None is no end.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 # only tasks await
        when = math.inf if seconds is None else self._loop.time() + seconds
        return Bound(self, task, when if latest is None else min(when, latest))

    def add(self, bound: Bound) -> None:
        """Start to watch *bound*."""
        if bound.when < math.inf:
            self._bounds.add(bound)
            if self._timer is None or bound.when < self._timer.when():
                self._set(bound.when)

    def discard(self, bound: Bound) -> None:
        """Watch *bound* no more; the timer stays, since the next request is likely to need it."""
        self._bounds.discard(bound)

    def close(self) -> None:
        """Take the timer out of the loop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, when: float) -> None:
        self.close()
        self._timer = self._loop.call_at(when, self._ring, when, context=Context())

    def _ring(self, now: float) -> None:
        self._timer = None
        over = [bound for bound in self._bounds if bound.when <= now]
        self._bounds.difference_update(over)
        for bound in over:
            bound.expire()
        if self._bounds:
            self._set(min(bound.when for bound in self._bounds))

"""The gate in front of the network: at most so many requests at once, and no faster than the pace allows.

A time-out starts only behind the gate, so that waiting for one's turn is never mistaken for a slow server.
"""

from __future__ import annotations

import asyncio
import enum
import weakref
from collections import deque

from .pace import Pace


class Urgency(enum.IntEnum):
    """Who goes first when requests queue."""

    CREATE = 0
    CALL = 1
    POLL = 2


class Gate:
    """Slots for requests in flight; whoever waits for one is let in by urgency, then by arrival."""

    __slots__ = ("_free", "_loop", "_queues", "_timer", "pace")

    def __init__(self, slots: int, pace: Pace) -> None:
        self.pace = pace
        self._free = slots
        self._loop = asyncio.get_running_loop()
        self._queues: tuple[deque[asyncio.Future[None]], ...] = tuple(deque() for _ in Urgency)
        self._timer: asyncio.TimerHandle | None = None

    def enter_now(self, urgency: Urgency) -> bool:
        """Take a slot if one is free, nobody waits and the pace allows it."""
        if self._free <= 0 or any(self._queues) or self.pace.admit(self._loop.time(), urgency) > 0:
            return False
        self._take()
        return True

    async def enter(self, urgency: Urgency) -> None:
        """Take a slot, after those who came before and those who are more urgent."""
        turn = self._loop.create_future()
        self._queues[urgency].append(turn)
        self._pump()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            else:
                self._pump()
            raise

    def leave(self) -> None:
        """Give the slot back."""
        self._free += 1
        if any(self._queues):
            self._pump()

    def close(self, error: Exception) -> None:
        """Turn everybody away who waits for a slot."""
        if self._timer is not None:
            self._timer.cancel()
        for queue in self._queues:
            while queue:
                if not (turn := queue.popleft()).done():
                    turn.set_exception(error)

    def answered(self, status: int, retry_after: float | None) -> None:
        """Tell the pace what the server said: 429 and 503 are the account's state, not one call's."""
        self.pace.answered(status, retry_after, self._loop.time())
        if any(self._queues):
            self._pump()

    def _take(self) -> None:
        self._free -= 1
        self.pace.sent(self._loop.time())

    def _pump(self) -> None:
        if self._free <= 0:
            return  # whoever leaves next comes here again
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for urgency, queue in enumerate(self._queues):
            while queue and self._free > 0:
                if queue[0].done():
                    queue.popleft()
                    continue
                pause = self.pace.admit(self._loop.time(), urgency)
                if pause > 0:
                    self._timer = self._loop.call_later(pause, self._pump)
                    return
                self._take()
                queue.popleft().set_result(None)


_paces: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, weakref.WeakValueDictionary[tuple[str, str], Pace]
] = weakref.WeakKeyDictionary()


def shared_pace(origin: str, key: str) -> Pace:
    """The one limiter of all clients on this loop with the same host and key.

    *key* is a digest, never the API key.
    """
    here = _paces.setdefault(asyncio.get_running_loop(), weakref.WeakValueDictionary())
    pace = here.get((origin, key))
    if pace is None:
        pace = here[origin, key] = Pace()
    return pace

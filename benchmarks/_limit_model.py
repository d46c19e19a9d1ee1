"""A pure model of a rate limit: three kinds of server, and a client that wants twice what they give."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from attrs import define, field, frozen

from nugen_async._core.pace import Pace


class Server(Protocol):
    """A limit of ten requests a second, one way or another."""

    def ask(self, now: float) -> float | None:
        """Return None: taken. Else: refused, and the seconds until another try may be taken."""


@define
class Bucket:
    """Tokens that come back one by one."""

    rate: float
    capacity: float
    _tokens: float = field(init=False)
    _at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._tokens = self.capacity

    def ask(self, now: float) -> float | None:
        """Take a token."""
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self.rate
        self._tokens -= 1
        return None


@define
class FixedWindow:
    """So many requests in each window, counted from the full minute or second."""

    requests: int
    seconds: float
    _window: int = -1
    _count: int = 0

    def ask(self, now: float) -> float | None:
        """Count one, if there is room in the present window."""
        window = int(now // self.seconds)
        if window != self._window:
            self._window, self._count = window, 0
        if self._count >= self.requests:
            return (window + 1) * self.seconds - now
        self._count += 1
        return None


@define
class SlidingWindow:
    """So many requests in any window of this length."""

    requests: int
    seconds: float
    _taken: deque[float] = field(factory=deque[float])

    def ask(self, now: float) -> float | None:
        """Count one, if the last window has room."""
        while self._taken and self._taken[0] <= now - self.seconds:
            self._taken.popleft()
        if len(self._taken) >= self.requests:
            return self._taken[0] + self.seconds - now
        self._taken.append(now)
        return None


SERVERS: dict[str, Callable[[], Server]] = {
    "token bucket, 10/s, burst 10": lambda: Bucket(10, 10),
    "token bucket, 10/s, burst 100": lambda: Bucket(10, 100),
    "fixed window, 10 in 1 s": lambda: FixedWindow(10, 1),
    "fixed window, 100 in 10 s": lambda: FixedWindow(100, 10),
    "fixed window, 600 in 60 s": lambda: FixedWindow(600, 60),
    "sliding window, 10 in 1 s": lambda: SlidingWindow(10, 1),
    "sliding window, 100 in 10 s": lambda: SlidingWindow(100, 10),
    "sliding window, 600 in 60 s": lambda: SlidingWindow(600, 60),
}

POSSIBLE = 6000
"""Requests that each of these servers takes in the ten minutes of a `run`, but for a first burst."""


@frozen
class Outcome:
    """What came of ten minutes."""

    served: int
    refused: int

    @property
    def goodput(self) -> float:
        """Of what was possible."""
        return self.served / POSSIBLE

    @property
    def share_refused(self) -> float:
        """Of all requests sent."""
        return self.refused / (self.served + self.refused)


def run(server: Server, seed: int, *, latency: float = 0.1, hint: bool = True) -> Outcome:
    """Ten minutes of twenty new requests a second; a refused one is sent again.

    Answers take *latency* seconds; with *hint* a refusal says ``Retry-After`` in whole seconds.
    """
    rng = random.Random(seed)
    pace = Pace(rng=random.Random(seed))
    now, waiting, served, refused = 0.0, 0, 0, 0
    arrival = rng.expovariate(20.0)
    answers: list[tuple[float, int, float | None]] = []
    while now < 600:
        nexts = [arrival, *(answer[0] for answer in answers[:1])]
        if waiting:
            pause = pace.admit(now)
            if pause <= 0:
                waiting -= 1
                pace.sent(now)
                verdict = server.ask(now + latency / 2)
                heapq.heappush(answers, (now + latency, served + refused + len(answers), verdict))
                continue
            nexts.append(now + pause)
        now = min(nexts)
        if answers and answers[0][0] <= now:
            verdict = heapq.heappop(answers)[2]
            if verdict is None:
                served += 1
                pace.answered(200, None, now)
            else:
                refused += 1
                waiting += 1
                pace.answered(429, float(math.ceil(verdict)) if hint else None, now)
        if arrival <= now:
            waiting += 1
            arrival = now + rng.expovariate(20.0)
    return Outcome(served, refused)

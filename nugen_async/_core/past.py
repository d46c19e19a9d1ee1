"""What jobs that ended teach about those of their kind that run (pure)."""

from __future__ import annotations

import math
from typing import ClassVar

from attrs import define, field

_SMALLEST, _LARGEST = 1e-6, 1e9
"""Nonsense beyond these would make what is said of the others overflow."""


@define
class Lognormal:
    """What some positive numbers are like: running, in constant space, the last twenty counting most."""

    ENOUGH: ClassVar[int] = 5
    """So many must have been seen before anything is said of them."""

    count: int = 0
    _log: float = 0.0
    _spread: float = 0.0

    def learn(self, value: float) -> None:
        """Add one of them; what is no positive number is passed over."""
        if not 0 < value < math.inf:
            return
        self.count += 1
        gain = max(1 / self.count, 0.05)
        off = math.log(min(max(value, _SMALLEST), _LARGEST)) - self._log
        self._log += gain * off
        self._spread = (1 - gain) * (self._spread + gain * off * off)

    def quantile(self, deviations: float) -> float | None:
        """The value so many standard deviations above the middle; None before `ENOUGH` were seen."""
        if self.count < self.ENOUGH:
            return None
        return math.exp(self._log + deviations * math.sqrt(self._spread))


@define
class Past:
    """How long this account's jobs of one kind took, and how far off the estimates of that were."""

    LEAST: ClassVar[float] = -1.2816
    """Nine of ten are above it."""
    MOST: ClassVar[float] = 1.75
    """So far on each side of the middle lie all errors that are spread evenly."""

    durations: Lognormal = field(factory=Lognormal)
    errors: Lognormal = field(factory=Lognormal)
    """Of each job, what it took over what it was last said to take."""

    def learn(self, seconds: float, estimated: float | None) -> None:
        """Add a job that took so many *seconds*, and was *estimated* to."""
        self.durations.learn(seconds)
        if estimated is not None and estimated > 0:
            self.errors.learn(seconds / estimated)

    @property
    def least(self) -> float:
        """What nine jobs of ten exceed; 0 while that is not known."""
        return self.durations.quantile(self.LEAST) or 0.0

    def between(self, estimated: float) -> tuple[float, float]:
        """The least and the most that a job takes which is *estimated* to take so long."""
        low, high = self.errors.quantile(-self.MOST), self.errors.quantile(self.MOST)
        if low is None or high is None:
            return estimated, estimated
        return estimated * low, estimated * high


UNKNOWN = Past()
"""Nothing has ended yet. Not to be taught."""

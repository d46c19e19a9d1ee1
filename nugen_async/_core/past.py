"""What jobs that ended teach about those of their kind that run (pure)."""

from __future__ import annotations

import math
from typing import ClassVar

from attrs import define


@define
class Durations:
    """How long this account's jobs of one kind took: a running low quantile, in constant space."""

    ENOUGH: ClassVar[int] = 5

    count: int = 0
    _log: float = 0.0
    _spread: float = 0.0

    def learn(self, seconds: float) -> None:
        """Add one finished job."""
        if not 0 < seconds < math.inf:
            return
        self.count += 1
        gain = max(1 / self.count, 0.05)
        off = math.log(seconds) - self._log
        self._log += gain * off
        self._spread = (1 - gain) * (self._spread + gain * off * off)

    @property
    def least(self) -> float:
        """What nine jobs of ten exceed (by a lognormal fit), or 0.0 before `ENOUGH` were seen."""
        if self.count < self.ENOUGH:
            return 0.0
        return math.exp(self._log - 1.2816 * math.sqrt(self._spread))

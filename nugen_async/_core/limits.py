"""The limits that a caller sets a wait: a total, and a time without movement (pure)."""

from __future__ import annotations

import math

from attrs import define, frozen


def check_timeout(timeout: float | None) -> None:
    """Raise ValueError unless *timeout* is None (no limit) or a number that is not negative."""
    if timeout is None:
        return
    if not isinstance(timeout, int | float) or not timeout >= 0:
        raise ValueError(f"a timeout is None or seconds from 0 on, not {timeout!r}")


def margin(timeout: float, latency: float = math.inf) -> float:
    """How long before the deadline the last look goes out, when looks take *latency* seconds."""
    return min(max(4 * latency, 0.05), timeout / 10)


@frozen
class Stalled:
    """Neither status nor progress has moved since then."""

    since: float


@define
class Movement:
    """When status or progress last moved, for a waiter that asked for ``stalled_after``."""

    since: float
    _seen: tuple[str, float | None] | None = None

    def observe(
        self, status: str, progress: float | None, now: float, limit: float
    ) -> Stalled | None:
        """`Stalled` when neither has moved for *limit* seconds."""
        seen = (status, progress)
        if seen != self._seen:
            self._seen, self.since = seen, now
        return Stalled(self.since) if now - self.since >= limit else None

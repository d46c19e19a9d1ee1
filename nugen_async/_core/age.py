"""How old a job is: by the server's own clock, never by ours, and never negative. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from attrs import frozen


@frozen
class Seen:
    """When a snapshot was received, and what the server's clock said then."""

    at: float
    """``loop.time()`` when the answer was in."""
    date: str | None = None
    """The answer's ``Date`` header."""
    fresh: bool = False
    """It is the answer to the job's own creation, so its age was 0."""


@lru_cache(maxsize=16)
def server_time(date: str | None) -> datetime | None:
    """The instant that a ``Date`` header tells; None where it tells none."""
    if not date:
        return None
    try:
        told = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def clock_at(seen: Seen, now: float) -> datetime | None:
    """What the server's clock says *now* (by the loop's); None where what was *seen* tells no time."""
    told = server_time(seen.date)
    try:
        return told and told + timedelta(seconds=now - seen.at)
    except OverflowError:  # the last second of the year 9999
        return None


def age_at(seen: Seen, created: datetime | None) -> float | None:
    """Seconds from *created* to the moment when the snapshot was *seen*; None where that is not known."""
    if seen.fresh:
        return 0.0
    now = server_time(seen.date)
    if created is None or now is None:
        return None
    return max(0.0, (now - created).total_seconds())

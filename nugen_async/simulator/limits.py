"""The limit that a server sets to its callers, and how it says when to come back."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from attrs import define, field

from .exchange import SimResponse


@define(kw_only=True, eq=False)
class RateLimit:
    """A token bucket over all requests: *rate* a second, *burst* at once, else 429."""

    rate: float
    burst: float = 1.0
    retry_after: bool = True
    as_date: bool = False
    body: Any = field(factory=lambda: {"detail": "Rate limit exceeded"})
    served: int = field(default=0, init=False)
    excess: int = field(default=0, init=False)
    _tokens: float = field(init=False)
    _at: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._tokens = self.burst

    def refuse(self, now: float, wall: datetime) -> SimResponse | None:
        """The 429, or None if the request may pass."""
        if self._at is not None:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            self.served += 1
            return None
        self.excess += 1
        headers = {"Content-Type": "application/json"}
        if self.retry_after:
            wait = (1.0 - self._tokens) / self.rate
            headers["Retry-After"] = retry_after(wait, wall, self.as_date)
        return SimResponse(status=429, headers=headers, body=json.dumps(self.body).encode())


def retry_after(seconds: float, wall: datetime, as_date: bool) -> str:  # noqa: FBT001
    """The header's value: whole seconds, rounded up, or the date they lead to."""
    if not as_date:
        return str(math.ceil(seconds))
    until = wall + timedelta(seconds=seconds)
    if until.microsecond:
        until = until.replace(microsecond=0) + timedelta(seconds=1)
    return format_datetime(until, usegmt=True)

"""The limiter of one account on one host: a gate that closes, and a pacer that opens it again
(pure).

429 and 503 are the state of the account, not of one call: ``Retry-After`` closes the gate for
everything the client sends. It opens again *paced*: at a rate learned from what the server took so
far, cut by a fraction at each refusal and grown slowly in between. Until the first refusal nothing
is held back, since no limit of this API is published.
"""

from __future__ import annotations

import math
import random
from datetime import UTC
from email.utils import parsedate_to_datetime

from attrs import define, field

LONGEST_PAUSE = 3600.0
"""A ``Retry-After`` beyond an hour counts as an hour."""

_TOO_MANY, _UNAVAILABLE, _ERRORS = 429, 503, 400

POLL = 2
"""The priority from which on a request lets others pass; 0 are creates, 1 other calls."""


def retry_after(value: str | None, wall_now: float) -> float | None:
    """Seconds to wait, from a ``Retry-After`` header: a number or an HTTP date; None for anything
    else.

    *wall_now* is the wall clock's POSIX time, which only a date is compared with (RFC 9110,
    10.2.3).
    """
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text) if text.isascii() else math.nan
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - wall_now
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_PAUSE)


@define(eq=False)
class Pace:
    """How fast this account may send; told what was sent and refused, it says how long to hold
    back.

    Share one among all senders of an account. `admit` promises nothing by itself: ask again after
    the wait, and report with `sent` what did go out.
    """

    _rng: random.Random = field(factory=random.Random, repr=False, alias="rng")
    _opens: float = -math.inf
    """The gate is closed until then."""
    _base: float | None = None
    """Requests a second right after the last cut; None: no limit is known."""
    _slot: float = -math.inf
    """When the next request may go, by the rate."""
    _urgent: float = -math.inf
    """Polls let others pass until then."""
    _since: float | None = None
    """When counting began, for the rate that the server did take."""
    _count: int = 0
    _refusals: int = 0
    """Refusals in a row without a ``Retry-After``."""

    def rate(self, now: float) -> float | None:
        """Requests a second that are let through now; None without a limit.

        It grows by a tenth in the first minute after the gate opened, twelvefold in ten.
        """
        if self._base is None:
            return None
        minutes = max(0.0, now - self._opens) / 60
        return self._base * (1 + 0.1 * minutes + 0.1 * minutes * minutes)

    def admit(self, now: float, priority: int = 1) -> float:
        """0: go now. Else: the seconds to wait before asking again."""
        rate = self.rate(now)
        free = self._opens if rate is None else max(self._opens, self._slot)
        if priority >= POLL:
            free = max(free, self._urgent)
        elif free > now and rate is not None:
            self._urgent = free + 0.5 / rate
        return max(0.0, free - now)

    def sent(self, now: float) -> None:
        """Note that a request went out."""
        if self._since is None:
            self._since = now
        self._count += 1
        rate = self.rate(now)
        if rate is not None:
            self._slot = max(self._slot, now) + 1 / rate

    def answered(self, status: int, retry_after: float | None, now: float) -> None:
        """Note an answer: 429, and 503 with a ``Retry-After``, close the gate; the rest is
        welcome."""
        if status != _TOO_MANY and (status != _UNAVAILABLE or retry_after is None):
            if status < _ERRORS:
                self._refusals = 0
            return
        same = now < self._opens + 1.0
        if retry_after is None:
            retry_after = min(2.0 ** min(self._refusals, 6), 60.0)
            self._refusals += not same
        pause = min(max(retry_after, 0.0), LONGEST_PAUSE)
        opens = now + pause + self._rng.random() * min(1.0, 0.1 * pause)
        if not same:
            self._cut(now, opens)
        self._opens = max(self._opens, opens)

    def _cut(self, now: float, opens: float) -> None:
        since = now if self._since is None else self._since
        taken = self._count / max(opens - since, 1.0)
        rate = self.rate(now)
        self._base = max(0.05, taken * 0.7 if rate is None else min(rate * 0.85, taken * 0.95))
        self._slot = opens
        self._since, self._count = opens, 0

"""The limiter of one account on one host: a gate that closes, a pacer that opens it again (pure).

429 and 503 are the state of the account, not of one call: ``Retry-After`` closes the gate for all that
the client sends. It opens again for one request, and when that is taken, *paced*: at a rate learned from
what the server took so far, cut at each refusal and grown slowly in between. Until the first refusal
nothing is held back, since no limit of this API is published.
"""

from __future__ import annotations

import math
import random
from datetime import UTC
from email.utils import parsedate_to_datetime

from attrs import define, field

LONGEST_PAUSE = 3600.0
"""A ``Retry-After`` beyond an hour counts as an hour."""

POLL = 2
"""The priority from which on a request lets others pass; 0 are creates, 1 other calls."""

_TOO_MANY, _UNAVAILABLE = 429, 503
_TRIAL = 10.0
"""Seconds after which an unanswered trial is forgotten and another request may be one."""
_RECHECK = 0.25
"""While a trial is on its way: ask again so often, since its answer may be there."""
_SLOWEST = 0.02
"""Requests a second that are let through whatever was learned."""
_WINDOW = 60.0
"""Seconds over which requests are counted, as long as no limit is known."""
_LEAST_GUESS = 0.2
"""Requests a second: light traffic teaches no lower limit, nor does a 503."""
_SAMPLE = 50
"""Requests that are enough to tell a quota by."""
_DOUBLING = 15.0
"""Seconds in which the first guess of a rate doubles, until a refusal makes it a measurement."""
_STEP = 400
"""Requests taken until a measured rate has grown by a fifth, if a refusal hits one request at a time."""


def retry_after(value: str | None, wall_now: float) -> float | None:
    """Seconds to wait, from a ``Retry-After`` header: a number or an HTTP date; None for the rest.

    *wall_now* is the wall clock's POSIX time, which only a date is compared with (RFC 9110, 10.2.3).
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
    """How fast this account may send; told what was sent and refused, it says how long to hold back.

    Share one among all senders of an account. `admit` promises nothing: ask again after the wait, and
    report with `sent` what did go out.
    """

    _rng: random.Random = field(factory=random.Random, repr=False, alias="rng")
    _opens: float = -math.inf
    """The gate is closed until then."""
    _base: float | None = None
    """Requests a second right after the last cut; None: no limit is known."""
    _guess: bool = True
    """The rate comes from one refusal only."""
    _trial: float | None = None
    """The gate has opened and nothing was taken yet: one request, and the next one not before."""
    _slot: float = -math.inf
    """When the next request may go, by the rate."""
    _urgent: float = -math.inf
    """Polls let others pass until then."""
    _since: float | None = None
    """Since when `_taken` is counted."""
    _taken: int = 0
    _refused: int = 0
    """Refusals since the gate was last closed: as many as were in flight."""
    _futile: int = 0
    """Times the gate was closed in a row, with nothing taken in between."""

    def rate(self, now: float) -> float | None:
        """Requests a second that are let through now; None without a limit.

        A measured rate has doubled 1,000 requests after the last refusal, or half an hour.
        """
        if self._base is None:
            return None
        idle = max(0.0, now - self._opens)
        if self._guess:
            return self._base * math.exp2(min(idle / _DOUBLING, 20.0))
        steps = self._taken / (_STEP * max(1.0, self._refused / 3)) + idle / 600
        return self._base * (1 + 0.1 * steps + 0.1 * steps * steps)

    def admit(self, now: float, priority: int = 1) -> float:
        """0: go now. Else: the seconds to wait before asking again."""
        rate = self.rate(now)
        if rate is None:
            return 0.0  # nothing was ever refused
        free = max(self._opens, self._slot)
        if self._trial is not None and self._trial > max(free, now):
            return max(free - now, min(self._trial - now, _RECHECK))
        if priority >= POLL:
            free = max(free, self._urgent)
        elif free > now:
            self._urgent = free + 0.5 / rate
        return max(0.0, free - now)

    def sent(self, now: float) -> None:
        """Note that a request went out."""
        if self._since is None or (self._base is None and now > self._since + _WINDOW):
            self._since, self._taken = now, 0
        rate = self.rate(now)
        if rate is not None:
            self._slot = max(self._slot, now) + 1 / rate
        if self._trial is not None and now >= self._opens:
            self._trial = now + _TRIAL

    def answered(self, status: int, retry_after: float | None, now: float) -> None:
        """Note an answer: 429, and 503 with a ``Retry-After``, close the gate; others open it."""
        if status != _TOO_MANY and (status != _UNAVAILABLE or retry_after is None):
            self._taken += 1
            if now >= self._opens:
                self._futile, self._trial = 0, None
            return
        if now < self._opens:
            self._refused += 1
            self._opens = max(self._opens, now + min(retry_after or 0.0, LONGEST_PAUSE))
            return
        # A hint that proved too short, and none at all, are helped by doubling.
        own = 2.0**self._futile if self._futile or retry_after is None else 0.0
        pause = min(max(retry_after or 0.0, own), LONGEST_PAUSE)
        opens = now + pause + self._rng.random() * min(1.0, 0.1 * pause)
        if self._taken or self._base is None:
            self._cut(now, opens)
        self._futile = min(self._futile + 1, 6)
        self._trial = self._opens = self._slot = opens
        self._refused = 1

    def _cut(self, now: float, opens: float) -> None:
        since = now if self._since is None else self._since
        taken = max(self._taken, 1) / max(opens - since, 1.0)
        base, rate = self._base, self.rate(now)
        if base is None or rate is None:
            # A quota that is used up closes for long; a bucket that ran dry for moments, and what it
            # took until then says little.
            quota = self._taken >= _SAMPLE and opens - now >= (now - since) / 4
            base = 0.95 * taken if quota else max(_LEAST_GUESS, 0.7 * taken)
            self._guess = not quota
        elif self._guess or rate < 2 * base:
            # What was taken counts only if the rate was used, and did not double and double.
            used = not self._guess and taken > 0.6 * base
            base = min(0.85 * rate, 0.95 * taken if used else math.inf)
            self._guess = False
        else:
            base = rate / 2
        self._base = max(_SLOWEST, base)
        self._since, self._taken = opens, 0

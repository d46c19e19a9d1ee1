"""Which failures deserve another try, and when. Pure: an error and a count in, seconds or None out.

The classes of a create's failure are the table on which nothing may be paid twice: only what was surely
not taken by the server is sent again.
"""

from __future__ import annotations

import enum
import random

from attrs import field, frozen

from ..errors import APIConnectionError, APIStatusError, DecodeError, NugenError
from .wire import Effect

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSED = frozenset(
    {400, 401, 402, 403, 404, 405, 407, 409, 410, 411, 412, 413, 414, 415}
    | {417, 421, 422, 423, 426, 428, 431, 451}
)
"""By their definition nothing was done. Of 406, 408, 424, 425 and a server's own (499) that is not sure."""
_SEE_OTHER = 303
"""It was done, and its answer is elsewhere."""


class Fate(enum.Enum):
    """What became of a request that failed."""

    NOT_DELIVERED = "not delivered"
    """Nothing reached the server: refused, DNS, TLS, no free connection in time."""
    NOT_STARTED = "rejected unstarted"
    """The server said "later" before doing anything: 429, or 503 with Retry-After."""
    REFUSED = "rejected for good"
    """The server said no: the same request will be refused again."""
    UNKNOWN = "unknown"
    """It was sent, and whether it was done cannot be told from the answer."""


def fate(error: NugenError) -> Fate:
    """Classify *error*, the failure of one sending."""
    match error:
        case APIConnectionError():
            return Fate.UNKNOWN if error.sent else Fate.NOT_DELIVERED
        case APIStatusError(status=429):
            return Fate.NOT_STARTED
        case APIStatusError(status=503) if error.retry_after is not None:
            return Fate.NOT_STARTED
        case APIStatusError(status=status) if status in _REFUSED:
            return Fate.REFUSED
        case APIStatusError(status=status) if 300 <= status < 400 and status != _SEE_OTHER:  # noqa: PLR2004 # HTTP's redirects
            return Fate.REFUSED
        case APIStatusError() | DecodeError():
            return Fate.UNKNOWN
        case _:
            return Fate.REFUSED


@frozen
class Retry:
    """How often a failed request is sent again.

    Pauses grow as `backoff.expo` from *first* to *cap* seconds, spread upward by at most *spread*; a
    Retry-After is a floor, and one over *longest* ends the retries, since a caller should hear of it.
    """

    limit: int = 3
    first: float = 0.5
    cap: float = 20.0
    longest: float = 300.0
    spread: float = 0.25
    rng: random.Random = field(factory=random.Random, eq=False, repr=False)

    def pause(self, error: NugenError, effect: Effect, tries: int) -> float | None:
        """Seconds until the next sending, after *tries* failed, the last with *error*; None to stop."""
        if tries > self.limit or not self._again(error, effect):
            return None
        floor = getattr(error, "retry_after", None) or 0.0
        if floor > self.longest:
            return None
        return max(floor, self._step(tries)) * (1 + self.spread * self.rng.random())

    def _step(self, tries: int) -> float:
        from backoff import expo  # noqa: PLC0415 # most programs start without a failure

        steps = expo(base=2, factor=self.first, max_value=self.cap)
        next(steps)  # backoff's generators yield None first
        delay = self.first
        for _ in range(tries):
            delay = next(steps)
        return delay

    @staticmethod
    def _again(error: NugenError, effect: Effect) -> bool:
        match fate(error):
            case Fate.NOT_DELIVERED | Fate.NOT_STARTED:
                return True
            case Fate.REFUSED:
                return False
            case Fate.UNKNOWN:
                if effect in {Effect.CREATE, Effect.ONCE}:
                    return False
                return not isinstance(error, APIStatusError) or error.status in _TRANSIENT

"""Looks that fail: where to ask next, and when to give up (pure)."""

from __future__ import annotations

import enum

from attrs import define, frozen

from ..errors import NotFoundError, NugenError


class Route(enum.Enum):
    """Where one job's state can be asked for."""

    STATUS = "status"
    DETAIL = "detail"
    LIST = "list"


@frozen(kw_only=True)
class Budget:
    """How much trouble a wait takes before it gives up: both the count *and* the seconds."""

    failures: int = 20
    seconds: float = 900.0
    grace: float = 60.0
    """A job may answer 404 for so long, counted from the first 404: right after create it may not
    be there yet."""
    patience: int = 2
    """Failures in a row on one route before the next one is tried."""


BUDGET = Budget()


@frozen
class Ask:
    """Try again, on this route."""

    route: Route


@frozen
class Abandon:
    """The budget is used up: report the last failure."""

    failures: int
    seconds: float
    missing: bool
    """The last answer was 404."""


@define
class Trouble:
    """The failed looks at one job, in a row; made at the first failure, dropped at a success."""

    failures: int = 0
    since: float = 0.0
    last: NugenError | None = None
    missing_since: float | None = None
    missed: NotFoundError | None = None
    """The last 404."""

    def failed(
        self, now: float, routes: tuple[Route, ...], budget: Budget, *, missing: bool = False
    ) -> Ask | Abandon:
        """Count one more failure (*missing*: it was a 404) and decide."""
        if not self.failures:
            self.since = now
        self.failures += 1
        waited = now - self.since
        if missing:
            if self.missing_since is None:
                self.missing_since = now
            if now - self.missing_since >= budget.grace:
                return Abandon(self.failures, waited, missing=True)
        if self.failures >= budget.failures and waited >= budget.seconds:
            return Abandon(self.failures, waited, missing=missing)
        return Ask(self.route(routes, budget))

    def route(self, routes: tuple[Route, ...], budget: Budget) -> Route:
        """The route whose turn it is: `Budget.patience` tries each, and round again."""
        return routes[self.failures // budget.patience % len(routes)]

"""Who is told what happens: nobody, unless somebody asked. The seam for tracing and metrics.

What is told must neither raise nor take long; it is called in the middle of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from ..errors import NugenError
from .outcome import Ending
from .wire import Call, Response

Sent = Callable[[Response | NugenError | None], None]
"""Told how one sending ended; None where it was cancelled."""

Failed = Callable[[NugenError | None], None]
"""Told that a piece of work failed, where its error is not raised."""


class Wait(Protocol):
    """One wait for one or many jobs, from its beginning to its end."""

    def joined(self) -> None:
        """One more job is waited for."""

    def ended(self, outcome: Ending[Any]) -> None:
        """The wait for one of the jobs is over."""

    def left(self) -> None:
        """The whole wait is over; the jobs that did not end are not waited for any more."""


class Observer(Protocol):
    """Whoever wants to be told."""

    def sending(self, call: Call[Any], base_url: str, *, look: bool, resends: int) -> Sent:
        """A request goes out; *look* when a poller asks on its own account."""
        ...

    def waiting(self, noun: str, job_id: str | None) -> Wait:
        """Somebody waits, for one job or (None) for many."""
        ...

    def doing(self, what: str, about: Mapping[str, str]) -> AbstractContextManager[Failed]:
        """A longer piece of work begins; the context is all of it."""
        ...


_observer: Observer | None = None


def tell(observer: Observer | None) -> None:
    """Have *observer* told from now on, in all clients of this process; None for nobody."""
    global _observer  # noqa: PLW0603 # there is one for the process, as with logging
    _observer = observer


def sending(call: Call[Any], base_url: str, *, look: bool, resends: int) -> Sent | None:
    """Tell that a request goes out."""
    told = _observer
    return None if told is None else told.sending(call, base_url, look=look, resends=resends)


def waiting(noun: str, job_id: str | None) -> Wait | None:
    """Tell that somebody waits."""
    return None if _observer is None else _observer.waiting(noun, job_id)


def doing(what: str, **about: str) -> AbstractContextManager[Failed]:
    """Tell that a longer piece of work begins."""
    return nullcontext(_nothing) if _observer is None else _observer.doing(what, about)


def _nothing(_: NugenError | None) -> None:
    return None

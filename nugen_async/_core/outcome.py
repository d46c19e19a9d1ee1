"""How a wait can end: one small record each, with the last snapshot."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from attrs import frozen, has

from ..errors import (
    JobCancelledError,
    JobFailedError,
    JobParkedError,
    JobStalledError,
    JobUnreachableError,
    NugenError,
    WaitTimeoutError,
)
from . import html


class Snapshot(Protocol):
    """As much of a job as an outcome needs."""

    @property
    def id(self) -> str: ...  # the job's
    @property
    def status(self) -> str: ...  # the job's
    @property
    def reason(self) -> str: ...  # the job's
    def resume_token(self) -> str: ...  # the job's


S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
"""A job. Its bound is left to `_told`: with one, pyright cannot make an `Outcome` of a job."""


@frozen
class Ending(Generic[S_co]):
    """How the wait for one job ended; `job` is its last snapshot."""

    job: S_co

    def error(self) -> NugenError | None:
        """The error that `wait_until_ready` raises for this outcome; None for `Ready`."""
        return None

    @property
    def _told(self) -> Snapshot:
        return cast("Snapshot", self.job)

    def _facts(self) -> dict[str, Any]:
        job = self._told
        return {
            "job": job,
            "job_id": job.id,
            "status": job.status,
            "resume_token": job.resume_token(),
        }

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        error = self.error()
        facts = html.facts(self.job) if has(type(self.job)) else [("job", self.job)]
        return html.table(
            f"{type(self).__name__}: {type(self.job).__name__}",
            facts,
            "" if error is None else str(error),
        )

    def unwrap(self) -> S_co:
        """The ready job, or this outcome's error raised."""
        error = self.error()
        if error is not None:
            raise error
        return self.job


@frozen
class Ready(Ending[S_co]):
    """The job ended well."""


@frozen
class Failed(Ending[S_co]):
    """The job ended, and not well; waiting again will not help."""

    @property
    def reason(self) -> str:
        """What the server said of it; may be empty."""
        return self._told.reason

    def error(self) -> NugenError:
        """`JobFailedError`."""
        return JobFailedError(reason=self._told.reason, **self._facts())


@frozen
class Cancelled(Failed[S_co]):
    """The job was stopped on the server's side."""

    def error(self) -> NugenError:
        """`JobCancelledError`."""
        return JobCancelledError(reason=self._told.reason, **self._facts())


@frozen
class Parked(Ending[S_co]):
    """The job waits for a person or a call of yours."""

    def error(self) -> NugenError:
        """`JobParkedError`."""
        return JobParkedError(hint=self._told.reason, **self._facts())


@frozen
class TimedOut(Ending[S_co]):
    """The wait's own time was over after `waited` seconds; the job goes on.

    `last` is why the last look brought nothing, where it did not.
    """

    waited: float
    last: NugenError | None = None

    def error(self) -> NugenError:
        """`WaitTimeoutError`; `last` itself is its cause."""
        error = WaitTimeoutError(waited=self.waited, last=self.last, **self._facts())
        error.__cause__ = self.last
        return error


@frozen
class Stalled(Ending[S_co]):
    """Neither status nor progress moved for `still` seconds; the job may go on."""

    still: float

    def error(self) -> NugenError:
        """`JobStalledError`."""
        return JobStalledError(still=self.still, **self._facts())


@frozen
class Unreachable(Ending[S_co]):
    """The job's state could not be learned: `last` is why. The job may go on."""

    last: NugenError
    failures: int = 1

    def error(self) -> NugenError:
        """`JobUnreachableError`; `last` itself is its cause."""
        error = JobUnreachableError(failures=self.failures, last=self.last, **self._facts())
        error.__cause__ = self.last
        return error


Outcome: TypeAlias = (
    Ready[S] | Failed[S] | Cancelled[S] | Parked[S] | TimedOut[S] | Stalled[S] | Unreachable[S]
)
"""How a wait can end: each has the last snapshot as `job`, its `error()` (None for `Ready`), and `unwrap()`,
which returns the ready job or raises the error. A union, so that a type checker knows when all cases are met.
"""

"""How a wait can end: one small record each, with the last snapshot."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

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


S_co = TypeVar("S_co", bound=Snapshot, covariant=True)


@frozen
class Outcome(Generic[S_co]):
    """How the wait for one job ended; `job` is its last snapshot."""

    job: S_co

    def error(self) -> NugenError | None:
        """The error that `wait_until_ready` raises for this outcome; None for `Ready`."""
        return None

    def _facts(self) -> dict[str, Any]:
        job = self.job
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
class Ready(Outcome[S_co]):
    """The job ended well."""


@frozen
class Failed(Outcome[S_co]):
    """The job ended, and not well; waiting again will not help."""

    @property
    def reason(self) -> str:
        """What the server said of it; may be empty."""
        return self.job.reason

    def error(self) -> NugenError:
        """`JobFailedError`."""
        return JobFailedError(reason=self.job.reason, **self._facts())


@frozen
class Cancelled(Failed[S_co]):
    """The job was stopped on the server's side."""

    def error(self) -> NugenError:
        """`JobCancelledError`."""
        return JobCancelledError(reason=self.job.reason, **self._facts())


@frozen
class Parked(Outcome[S_co]):
    """The job waits for a person or a call of yours."""

    def error(self) -> NugenError:
        """`JobParkedError`."""
        return JobParkedError(hint=self.job.reason, **self._facts())


@frozen
class TimedOut(Outcome[S_co]):
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
class Stalled(Outcome[S_co]):
    """Neither status nor progress moved for `still` seconds; the job may go on."""

    still: float

    def error(self) -> NugenError:
        """`JobStalledError`."""
        return JobStalledError(still=self.still, **self._facts())


@frozen
class Unreachable(Outcome[S_co]):
    """The job's state could not be learned: `last` is why. The job may go on."""

    last: NugenError
    failures: int = 1

    def error(self) -> NugenError:
        """`JobUnreachableError`; `last` itself is its cause."""
        error = JobUnreachableError(failures=self.failures, last=self.last, **self._facts())
        error.__cause__ = self.last
        return error

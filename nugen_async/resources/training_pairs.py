"""SeekrFlow's alignment jobs: training pairs made from files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Any, ClassVar, Literal

from attrs import field, frozen

from .._core.age import Seen, server_time
from .._core.codec import seen_as
from .._core.page import Page
from .._core.schedule import Hints
from .._core.tolerance import ErrorText
from .._core.wire import Call, Effect, Route, Routes
from . import _checks
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._nouns import JobCollection
from ._records import Job, Resource

_BASE = "/v1/flow/alignment"

LIFECYCLE = Lifecycle(
    ready=frozenset({"completed"}),
    failed=frozenset({"failed"}),
    cancelled=frozenset({"cancelled", "canceled", "stopped"}),
    moving=frozenset({"pending", "queued", "running"}),
)
"""The words of every SeekrFlow job that does not park."""


@frozen(kw_only=True)
class TrainingPairsJob(Job):
    """One job that makes training pairs, as the server last described it."""

    rows: ClassVar = ("data",)
    lifecycle: ClassVar = LIFECYCLE
    fleeting: ClassVar = frozenset(
        {"status", "progress", "current_step", "step_progress", "eta_minutes", "status_message"}
        | {"estimated_completion_at"}
    )

    id: str
    created_at: datetime | None = None
    status: str = field(default="", metadata=seen_as(required=True))
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    stopped_at: datetime | None = None
    current_step: str | None = None
    step_progress: float | str | None = None
    """A number or a text, as the server likes."""
    progress: float | None = None
    """Percent (inferred)."""
    estimated_completion_at: datetime | None = None
    eta_minutes: int | None = None
    status_message: ErrorText | None = field(default=None, metadata=seen_as("error"))
    output_files: tuple[Any, ...] = ()

    @property
    def reason(self) -> str:
        """What the server says about a failure."""
        return self.status_message or ""

    @property
    def created(self) -> datetime | None:
        """When it was started."""
        return self.created_at

    def hints(self, seen: Seen | None = None) -> Hints:
        """Progress in percent; the time left in minutes, or until the estimated end."""
        left = None if self.eta_minutes is None else max(0.0, self.eta_minutes * 60.0)
        end = self.estimated_completion_at
        seen = seen or self.seen
        now = server_time(seen.date) if seen is not None else None
        if left is None and end is not None and now is not None:
            left = max(0.0, (end - now).total_seconds())
        progress = None if self.progress is None else min(1.0, max(0.0, self.progress / 100))
        return Hints(progress=progress, left=left)


@frozen(kw_only=True)
class OutputFile(Resource):
    """A file that a job made; the one for `fine-tune` is what training takes."""

    rows: ClassVar = ("data",)

    id: str
    filename: str = ""
    bytes: int | None = None
    created_at: datetime | None = None
    file_type: str | None = None
    purpose: str | None = None


@frozen(eq=False)
class TrainingPairs(JobCollection[TrainingPairsJob]):
    """``seekr.alignment``."""

    service: ClassVar = "seekrflow"
    noun: ClassVar = "alignment"
    record: ClassVar = TrainingPairsJob
    routes: ClassVar[Mapping[str, Routes]] = {
        "generate": Routes(Route("POST", f"{_BASE}/generate")),
        "get": Routes(Route("GET", f"{_BASE}/{{id}}")),
        "list": Routes(Route("GET", _BASE)),
        "outputs": Routes(Route("GET", f"{_BASE}/{{id}}/outputs")),
        "cancel": Routes(Route("POST", f"{_BASE}/{{id}}/cancel")),
        "delete": Routes(Route("DELETE", f"{_BASE}/{{id}}")),
    }

    async def generate(
        self,
        *,
        instructions: str,
        files: Sequence[str],
        type: Literal["principle", "context_data"] = "principle",
        system_prompt: str | None = None,
        vector_database_id: str | None = None,
        **extra: Any,
    ) -> TrainingPairsJob:
        """Start to make training pairs from files. Deprecated by the API: use `data_jobs`.

        `files` may be empty where a vector database is given. `system_prompt` goes into every conversation;
        without one it is written from the instructions. The vendor's client warns that it is ignored for
        ``context_data``. Other keyword arguments are sent as further fields (seed page).

        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        warnings.warn(
            "alignment.generate() is deprecated by the API; use data_jobs.create() and .start()",
            DeprecationWarning,
            stacklevel=2,
        )
        fields = {
            "instructions": _checks.text("instructions", instructions),
            "files": _checks.texts("files", files, at_least=1 if vector_database_id is None else 0),
            "type": _checks.choice("type", type, ("principle", "context_data")),
            "system_prompt": _checks.optional_text("system_prompt", system_prompt),
            "vector_database_id": _checks.optional_text("vector_database_id", vector_database_id),
        }
        body = _checks.merged(fields, extra)
        call = self._call("generate", TrainingPairsJob, json=body, effect=Effect.CREATE)
        return await self._send(call)

    async def get(self, job_id: str) -> TrainingPairsJob:
        """Fetch one job (retrieve-alignment)."""
        return await self._send(self._look(job_id))

    def list(self) -> Listing[TrainingPairsJob]:
        """List every job (attested by the vendor's client only)."""
        return Listing(lambda _offset, _limit: self._send(self._page(0, 0)))

    async def outputs(self, job_id: str) -> Page[OutputFile]:
        """List the files that a job made (alignment-outputs)."""
        return await self._send(self._call("outputs", Page[OutputFile], ids={"id": job_id}))

    async def cancel(self, job_id: str) -> TrainingPairsJob:
        """Stop a job; one that is cancelled already is a success (attested by the vendor's client only)."""
        call = self._call("cancel", TrainingPairsJob, ids={"id": job_id}, effect=Effect.SETTLE)
        return await self._stopped(call)

    async def delete(self, job_id: str) -> None:
        """Delete a job (attested by the vendor's client only)."""
        call = self._call("delete", NoneType, ids={"id": job_id}, effect=Effect.SETTLE)
        await self._send(call)

    def _look(self, job_id: str) -> Call[TrainingPairsJob]:
        return self._asking("get", TrainingPairsJob, job_id)

    def _page(self, offset: int, limit: int) -> Call[Page[TrainingPairsJob]]:  # noqa: ARG002 # the list comes whole
        return self._call("list", Page[TrainingPairsJob])

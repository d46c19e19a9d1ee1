"""SeekrFlow's data jobs: files in, a system prompt, training pairs out; the successor of `generate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Any, ClassVar, Literal

from attrs import evolve, field, frozen

from .._core.age import Seen
from .._core.codec import seen_as
from .._core.page import Page
from .._core.schedule import Hints
from .._core.tolerance import ErrorText
from .._core.wire import Call, Effect, Route, Routes
from ..errors import CreateOutcomeUnknownError, InvalidRequestError
from . import _checks
from ._files_told import rows, told
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._nouns import JobCollection
from ._records import Job, Resource

_BASE = "/v1/flow/data-jobs"
_LARGEST_PAGE = 100
_LONGEST_NAME = 255

JobType = Literal["principle_files", "context_grounded_files", "context_grounded_vector_db"]
_CLEARABLE = ("system_prompt", "instructions", "vector_database_id")
_JOB_TYPES = ("principle_files", "context_grounded_files", "context_grounded_vector_db")
_HINTS = {
    "needs_review": "its files or system prompt need a review: change them with update(),"
    " add_files() or remove_files()",
    "ready_to_start": "start it with data_jobs.start()",
}


@frozen(kw_only=True)
class DataJob(Job):
    """One data job, as the server last described it.

    ``needs_review`` and ``ready_to_start`` are *parked*: no waiting moves them. The one wants its files or
    prompt put right, the other wants `DataJobs.start`.
    """

    rows: ClassVar = ("data",)
    lifecycle: ClassVar = Lifecycle(
        ready=frozenset({"completed"}),
        failed=frozenset({"failed"}),
        cancelled=frozenset({"cancelled", "canceled", "stopped"}),
        parked=frozenset({"needs_review", "ready_to_start"}),
        moving=frozenset({"file_processing", "pending", "queued", "running"}),
    )
    fleeting: ClassVar = frozenset(
        {"status", "progress", "eta_minutes", "status_message", "timeline"}
    )

    id: str
    name: str = ""
    job_type: str = ""
    status: str = field(default="", metadata=seen_as(required=True))
    description: str | None = None
    system_prompt: str | None = None
    instructions: str | None = None
    vector_database_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    origin_data_job_id: str | None = None
    """The one that it is a clone of."""
    alignment_job: Mapping[str, Any] | None = None
    """The alignment job under it, as it came; only in `DataJobs.get`."""
    alignment_job_id: str | None = field(default=None, metadata=seen_as("alignment_job.id"))
    ingestion_jobs: tuple[Mapping[str, Any], ...] = ()
    files: tuple[Mapping[str, Any], ...] = ()
    fine_tuning_job_ids: tuple[str, ...] = ()
    timeline: tuple[Mapping[str, Any], ...] = ()
    progress: float | None = field(default=None, metadata=seen_as("alignment_job.progress"))
    """Percent, of the alignment job."""
    eta_minutes: int | None = field(default=None, metadata=seen_as("alignment_job.eta_minutes"))
    status_message: ErrorText | None = field(
        default=None,
        metadata=seen_as("error", "error_message", "alignment_job.status_message"),
    )

    @property
    def reason(self) -> str:
        """Why it failed, or what it waits for; of a review, what is wrong with which file."""
        word = self.status.strip().lower()
        files = told(self._records()) if word == "needs_review" else ""
        return "; ".join(filter(None, (self.status_message, files))) or _HINTS.get(word, "")

    def _records(self) -> Iterator[Mapping[str, Any]]:
        """What is told of the files that are in it now, in its ingestions and in itself."""
        present = [each.get("file_id") for each in self.files]
        for ingestion in self.ingestion_jobs:
            for record in rows(ingestion.get("records")):
                if record.get("alignment_file_id") in (None, *present):
                    yield record
        yield from self.files

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        return self.created_at

    def hints(self, seen: Seen | None = None) -> Hints:  # noqa: ARG002 # no time is told
        """The alignment job's progress and time left."""
        return Hints(
            progress=None if self.progress is None else min(1.0, max(0.0, self.progress / 100)),
            left=None if self.eta_minutes is None else max(0.0, self.eta_minutes * 60.0),
        )


@frozen(kw_only=True)
class SystemPrompt(Resource):
    """A system prompt that the server wrote."""

    bare: ClassVar = "system_prompt"

    system_prompt: str


@frozen(eq=False)
class DataJobs(JobCollection[DataJob]):
    """``seekr.data_jobs``, from the vendor's pages and its client."""

    service: ClassVar = "seekrflow"
    noun: ClassVar = "data_jobs"
    record: ClassVar = DataJob
    page_size: ClassVar[int | None] = _LARGEST_PAGE
    routes: ClassVar[Mapping[str, Routes]] = {
        "create": Routes(Route("POST", _BASE)),
        "list": Routes(Route("GET", _BASE)),
        "get": Routes(Route("GET", f"{_BASE}/{{id}}")),
        "update": Routes(Route("PATCH", f"{_BASE}/{{id}}")),
        "add_files": Routes(Route("POST", f"{_BASE}/{{id}}/add-files")),
        "remove_files": Routes(Route("POST", f"{_BASE}/{{id}}/remove-files")),
        "start": Routes(Route("POST", f"{_BASE}/{{id}}/start")),
        "cancel": Routes(Route("POST", f"{_BASE}/{{id}}/cancel")),
        "clone": Routes(Route("POST", f"{_BASE}/{{id}}/clone")),
        "generate_system_prompt": Routes(Route("POST", f"{_BASE}/gen_system_prompt")),
        "delete": Routes(Route("DELETE", f"{_BASE}/{{id}}")),
    }

    async def create(
        self,
        *,
        name: str,
        job_type: JobType,
        system_prompt: str | None = None,
        instructions: str | None = None,
        vector_database_id: str | None = None,
    ) -> DataJob:
        """Make a data job; add files to it, wait until it is parked as ``ready_to_start``, start it.

        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        fields = {
            "name": _name(name),
            "job_type": _checks.choice("job_type", job_type, _JOB_TYPES),
            "system_prompt": _checks.optional_text("system_prompt", system_prompt),
            "instructions": _checks.optional_text("instructions", instructions),
            "vector_database_id": _checks.optional_text("vector_database_id", vector_database_id),
        }
        return await self._send(self._call("create", DataJob, json=fields, effect=Effect.CREATE))

    def list(
        self,
        *,
        job_type: JobType | None = None,
        sort_by: Literal["name", "created_at", "job_type"] | None = None,
        sort_order: Literal["asc", "desc"] | None = None,
        limit: int = _LARGEST_PAGE,
        offset: int = 0,
    ) -> Listing[DataJob]:
        """List data jobs, `limit` a page (1 to 100); await it for one page, or iterate over all."""
        size = _checks.whole("limit", limit, at_most=_LARGEST_PAGE) or _LARGEST_PAGE
        first = _checks.whole("offset", offset, at_least=0) or 0
        filters = {"job_type": job_type, "sort_by": sort_by, "sort_order": sort_order}
        return Listing(
            lambda start, count: self._send(
                self._call(
                    "list", Page[DataJob], query={**filters, "limit": count, "offset": start}
                )
            ),
            limit=size,
            offset=first,
        )

    async def get(self, job_id: str) -> DataJob:
        """Fetch one data job with its files, ingestions, alignment job and timeline."""
        return await self._send(self._look(job_id))

    async def update(
        self,
        job_id: str,
        *,
        name: str | None = None,
        system_prompt: str | None = None,
        instructions: str | None = None,
        vector_database_id: str | None = None,
        clear: Iterable[Literal["system_prompt", "instructions", "vector_database_id"]] = (),
    ) -> DataJob:
        """Change what is given, empty the fields named in `clear` (sent as null), and leave the rest.

        Raises `InvalidRequestError` before sending, for a field that is both given and cleared as well.
        """
        fields = {
            "name": None if name is None else _name(name),
            "system_prompt": _checks.maybe_text("system_prompt", system_prompt),
            "instructions": _checks.maybe_text("instructions", instructions),
            "vector_database_id": _checks.optional_text("vector_database_id", vector_database_id),
        }
        emptied = _checks.texts("clear", clear, at_least=0)
        for each in emptied:
            _checks.choice("clear", each, _CLEARABLE)
            if fields[each] is not None:
                raise InvalidRequestError(f"{each} is both given and cleared")
        call = self._change("update", job_id, fields)
        return await self._send(evolve(call, json={**call.json, **dict.fromkeys(emptied)}))

    async def add_files(
        self, job_id: str, file_ids: Sequence[str], *, method: str | None = None
    ) -> DataJob:
        """Add uploaded files; each adding starts their ingestion, so it is never sent twice.

        Raises `CreateOutcomeUnknownError` when the answer was lost: `get` tells whether they were added.
        """
        files = _checks.texts("file_ids", file_ids)
        fields = {"file_ids": files, "method": _checks.optional_text("method", method)}
        try:
            return await self._send(self._change("add_files", job_id, fields, Effect.CREATE))
        except CreateOutcomeUnknownError as lost:
            place = f"the files {', '.join(files)} in data job {job_id}"
            raise evolve(lost, kind="ingestion", look_for=place) from lost.__cause__

    async def remove_files(self, job_id: str, file_ids: Sequence[str]) -> DataJob:
        """Take files out."""
        fields = {"file_ids": _checks.texts("file_ids", file_ids)}
        return await self._send(self._change("remove_files", job_id, fields))

    async def start(self, job_id: str) -> DataJob:
        """Start a data job that is ``ready_to_start``; from here on it costs money.

        Raises `CreateOutcomeUnknownError` when the answer was lost: look at the job before another try.
        """
        return await self._send(self._change("start", job_id, effect=Effect.CREATE))

    async def cancel(self, job_id: str) -> DataJob:
        """Stop a data job and the alignment job under it; one that is cancelled already is a success."""
        return await self._stopped(self._change("cancel", job_id))

    async def clone(self, job_id: str, *, name: str | None = None) -> DataJob:
        """Make another with the same settings and files; its name is the server's choice unless given.

        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        fields = {"name": None if name is None else _name(name)}
        call = self._call("clone", DataJob, ids={"id": job_id}, json=fields, effect=Effect.CREATE)
        return await self._send(call)

    async def generate_system_prompt(
        self, instructions: str, *, document_summary: str | None = None
    ) -> str:
        """Have a system prompt written for instructions."""
        fields = {
            "instructions": _checks.text("instructions", instructions),
            "document_summary": _checks.maybe_text("document_summary", document_summary),
        }
        call = self._call("generate_system_prompt", SystemPrompt, json=fields, effect=Effect.ONCE)
        return (await self._send(call)).system_prompt

    async def delete(self, job_id: str) -> None:
        """Delete a data job."""
        await self._send(self._call("delete", NoneType, ids={"id": job_id}, effect=Effect.SETTLE))

    def _change(
        self,
        op: str,
        job_id: str,
        fields: Mapping[str, Any] | None = None,
        effect: Effect = Effect.SETTLE,
    ) -> Call[DataJob]:
        call = self._call(op, DataJob, ids={"id": job_id}, json=fields, effect=effect)
        return evolve(call, about=str(job_id))

    def _look(self, job_id: str) -> Call[DataJob]:
        return self._asking("get", DataJob, job_id)

    def _page(self, offset: int, limit: int) -> Call[Page[DataJob]]:
        return self._call("list", Page[DataJob], query={"limit": limit, "offset": offset})

    def _complete(self, job: DataJob) -> bool:
        return job.alignment_job is not None or not job.phase.ended


def _name(name: str) -> str:
    if len(_checks.text("name", name)) > _LONGEST_NAME:
        raise InvalidRequestError(f"name must have at most {_LONGEST_NAME} characters")
    return name

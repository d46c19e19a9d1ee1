"""SeekrFlow's ingestion: files become text that data jobs can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from attrs import field, frozen

from .._core.codec import seen_as
from .._core.page import Page
from .._core.schedule import Phase
from .._core.tolerance import ErrorText
from .._core.wire import Call, Effect, Route, Routes
from . import _checks
from ._files_told import told
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._nouns import JobCollection
from ._records import Job

_BASE = "/v1/flow/ingestion"


@frozen(kw_only=True)
class IngestionJob(Job):
    """One ingestion, as the server last described it."""

    rows: ClassVar = ("data",)
    lifecycle: ClassVar = Lifecycle(
        ready=frozenset({"completed"}),
        moving=frozenset({"pending", "queued", "running"}),
    )
    fleeting: ClassVar = frozenset({"status", "error_message", "file_records"})

    id: str
    status: str = field(default="", metadata=seen_as(required=True))
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    method: str | None = None
    files: tuple[str, ...] = ()
    output_files: tuple[Any, ...] = ()
    file_records: tuple[Mapping[str, Any], ...] = ()
    """What became of each file, as it came."""
    error_message: ErrorText | None = field(default=None, metadata=seen_as("error"))

    @property
    def reason(self) -> str:
        """Why it failed: what is said of the whole, and of each file that could not be read."""
        files = told(self.file_records) if self.phase is Phase.FAILED else ""
        return "; ".join(filter(None, (self.error_message, files)))

    @property
    def created(self) -> datetime | None:
        """When it was started."""
        return self.created_at


@frozen(eq=False)
class Ingestion(JobCollection[IngestionJob]):
    """``seekr.ingestion``; the paths are those of the vendor's client, a page shows others."""

    service: ClassVar = "seekrflow"
    noun: ClassVar = "ingestion"
    record: ClassVar = IngestionJob
    routes: ClassVar[Mapping[str, Routes]] = {
        "create": Routes(Route("POST", _BASE)),
        "list": Routes(Route("GET", _BASE)),
        "get": Routes(Route("GET", f"{_BASE}/{{id}}")),
    }

    async def create(self, files: Sequence[str], *, method: str | None = None) -> IngestionJob:
        """Start to ingest uploaded files; `method` is the server's choice unless given.

        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        fields = {
            "files": _checks.texts("files", files),
            "method": _checks.optional_text("method", method),
        }
        return await self._send(
            self._call("create", IngestionJob, json=fields, effect=Effect.CREATE)
        )

    async def get(self, job_id: str) -> IngestionJob:
        """Fetch one ingestion."""
        return await self._send(self._look(job_id))

    def list(self) -> Listing[IngestionJob]:
        """List every ingestion."""
        return Listing(lambda _offset, _limit: self._send(self._page(0, 0)))

    def _look(self, job_id: str) -> Call[IngestionJob]:
        return self._asking("get", IngestionJob, job_id)

    def _page(self, offset: int, limit: int) -> Call[Page[IngestionJob]]:  # noqa: ARG002 # the list comes whole
        return self._call("list", Page[IngestionJob])

"""Documents: what models learn from and benchmarks ask about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Literal

from attrs import field, frozen

from .._core.age import Seen
from .._core.codec import seen_as
from .._core.page import Page
from .._core.schedule import Hints
from .._core.tolerance import ErrorText
from .._core.wire import Call, Effect, Part, Route, Routes
from ..errors import ConflictError, DecodeError, InvalidRequestError, NugenError
from . import _checks
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._nouns import JobCollection
from ._reconciling import listed_as
from ._records import Job, Resource
from ._uploads import (
    MEGABYTE,
    FileSource,
    Limits,
    OnProgress,
    Source,
    sources,
)

_BASE = "/api/v3/documents"

TAKEN = frozenset({".txt", ".md", ".json", ".jsonl", ".xml", ".csv", ".html"})
"""The types of file that the API says it takes (upload-documents)."""

LARGEST = 100 * MEGABYTE
"""Bytes a file (upload-documents)."""

LIMITS = Limits(LARGEST, TAKEN)


@frozen(kw_only=True)
class Document(Job):
    """One document, as the server last described it.

    The id that an upload answers with may be that of the upload's task. Once processed, a document says
    its own: use the id of the snapshot that `wait_until_ready` returns.
    """

    rows: ClassVar = ("documents",)
    bare: ClassVar = "id"
    lifecycle: ClassVar = Lifecycle(
        ready=frozenset({"ready", "completed", "uploaded"}),
        moving=frozenset({"queued", "pending", "processing", "running", "in_progress"}),
    )
    fleeting: ClassVar = frozenset({"status", "processing_progress", "error"})

    id: str = field(metadata=seen_as("id", "task_id", wire="document_id"))
    filename: str = field(default="", metadata=seen_as("file_name", "name"))
    type: str | None = field(default=None, metadata=seen_as("content_type"))
    size: int | None = None
    """Bytes."""
    upload_date: datetime | None = field(
        default=None, metadata=seen_as("uploaded_at", "created_at", "created_date")
    )
    status: str = ""
    categories: tuple[str, ...] = ()
    uploader: str | None = None
    processing_progress: float | None = field(default=None, metadata=seen_as("progress"))
    """Percent."""
    error: ErrorText | None = None

    @property
    def reason(self) -> str:
        """Why it could not be processed."""
        return self.error or ""

    @property
    def created(self) -> datetime | None:
        """When it was uploaded."""
        return self.upload_date

    def hints(self, seen: Seen | None = None) -> Hints:  # noqa: ARG002 # no time is told
        """The share that is processed."""
        if self.processing_progress is None:
            return Hints()
        return Hints(progress=min(1.0, max(0.0, self.processing_progress / 100)))


@frozen(kw_only=True)
class Category(Resource):
    """A category, and how many documents it has."""

    rows: ClassVar = ("categories",)
    bare: ClassVar = "name"

    name: str = ""
    count: int = 0


@frozen(kw_only=True)
class UploadReceipt(Resource):
    """One id for each uploaded file, in order."""

    bare: ClassVar = "document_ids"

    document_ids: tuple[str, ...] = field(
        metadata=seen_as("ids", "task_ids", "document_id", "task_id", "id")
    )


@frozen(eq=False)
class Documents(JobCollection[Document]):
    """``client.documents``."""

    noun: ClassVar = "documents"
    record: ClassVar = Document
    routes: ClassVar[Mapping[str, Routes]] = {
        "upload": Routes(
            Route("POST", _BASE), Route("POST", f"{_BASE}/create"), only={"names": "plural"}
        ),
        "list": Routes(Route("GET", _BASE), Route("GET", f"{_BASE}/list")),
        "status": Routes(Route("GET", f"{_BASE}/{{id}}/status")),
    }

    async def upload(
        self,
        files: FileSource | Iterable[FileSource],
        *,
        names: Sequence[str] | None = None,
        categories: Sequence[str] | None = None,
        on_progress: OnProgress | None = None,
        on_duplicate: Literal["adopt", "raise"] = "adopt",
        check_type: bool = True,
    ) -> list[Document]:
        """Upload files; returns one `Document` a file, in order, to be waited for (upload-documents).

        A file is a path, or an `Upload` of bytes, a binary file object or an async iterable. Files are
        checked first: they exist, are of a type that the API takes (unless `check_type` is False), and
        have at most 100 MB. They are read in a thread and sent as they are read, all in one request.
        `on_progress` is called with an `UploadProgress` after each chunk. `names` are what the documents
        are to be called instead of their files, one a file (plural contract).

        A file that the server has already (409 with its id) is adopted when the list shows it with the same
        size, unless *on_duplicate* is ``"raise"``. The server goes by the file's name, so its content may be
        older. A stream of unknown size is never taken for what is there.

        Raises `InvalidRequestError` before sending, `BadRequestError`, `ConflictError` for a file that is
        there and not adopted, `CreateOutcomeUnknownError` when the answer was lost. A note on the error names
        what was uploaded before it.
        """
        found = await sources(files, LIMITS if check_type else Limits(LARGEST))
        if categories is not None:
            categories = _checks.texts("categories", categories, at_least=0)
        if names is not None and len(names := _checks.texts("names", names)) != len(found):
            raise InvalidRequestError(f"{len(names)} names for {len(found)} files")
        try:
            return await self._upload(found, names, categories, on_progress)
        except ConflictError as error:
            if on_duplicate == "raise" or None in {source.size for source in found}:
                raise  # a stream of unknown size can neither be compared nor sent again
            if len(found) == 1:
                return [await self._adopted(found[0], error)]
        # One of several is there already, and the refusal does not say which: one at a time.
        made: list[Document] = []
        try:
            for index, source in enumerate(found):
                named = None if names is None else [names[index]]
                try:
                    made += await self._upload([source], named, categories, on_progress)
                except ConflictError as error:
                    made.append(await self._adopted(source, error))
        except NugenError as error:
            if made:
                told = ", ".join(f"{each.filename} is {each.id}" for each in made)
                error.add_note(f"uploaded before it: {told}")
            raise
        return made

    async def _upload(
        self,
        found: Sequence[Source],
        names: Sequence[str] | None,
        categories: Sequence[str] | None,
        on_progress: OnProgress | None,
    ) -> list[Document]:
        parts = [source.part("files", on_progress) for source in found]
        parts += [Part("names", name) for name in names or ()]
        parts += [Part("categories", category) for category in categories or ()]
        call = self._call("upload", UploadReceipt, parts=tuple(parts), effect=Effect.CREATE)
        receipt = await self._send(call)
        ids = receipt.document_ids
        if len(ids) != len(found):
            got = ", ".join(ids) or "none"
            problem = f"$.document_ids: expected {len(found)} ids, one a file, got {got}"
            raise DecodeError(method="POST", url=_BASE, problems=(problem,))
        return [
            Document(id=made, filename=name, size=source.size).bound_as(receipt)
            for made, source, name in zip(
                ids, found, names or [source.name for source in found], strict=True
            )
        ]

    async def _adopted(self, source: Source, refusal: ConflictError) -> Document:
        """The document that the server has under this name; raises the refusal if it may be another one."""
        existing = refusal.id_of("document")
        if existing is None or source.size is None:
            raise refusal
        known = await listed_as(self.list, existing)
        if known is None or known.size != source.size:
            raise refusal
        return known

    async def get_status(self, document_id: str) -> Document:
        """Fetch how far the processing of one document is, by its id or its upload's task id.

        The path is third-party in the plural contract and inferred in the documented one, whose page does
        not show it. A 404 may only mean "too early".
        """
        return await self._send(self._look(document_id))

    def list(self) -> Listing[Document]:
        """List every document (list-documents)."""
        return Listing(lambda _offset, _limit: self._send(self._page(0, 0)))

    async def list_categories(self) -> Page[Category]:
        """List the categories in use, with how many documents each has (list-documents)."""
        return await self._send(self._call("list", Page[Category]))

    async def wait(
        self,
        documents: Document | str | Iterable[Document | str],
        *,
        timeout: float | None = None,
    ) -> Sequence[Document]:
        """Wait until every one is processed; returns them in order, with their final ids.

        `timeout` is in seconds, for all together. Raises as `Job.wait_until_ready`, for the first that
        does not become ready; waits for the others end then, their processing does not.
        """
        if isinstance(documents, Document | str):
            documents = (documents,)
        jobs = [each if isinstance(each, Document) else self.handle(each) for each in documents]
        try:
            async with asyncio.TaskGroup() as group:
                waits = [group.create_task(job.wait_until_ready(timeout)) for job in jobs]
        except* NugenError as failed:
            first = failed.exceptions[0]
        else:
            return [wait.result() for wait in waits]
        raise first

    def _look(self, job_id: str) -> Call[Document]:
        return self._asking("status", Document, job_id)

    def _page(self, offset: int, limit: int) -> Call[Page[Document]]:  # noqa: ARG002 # the list comes whole
        return self._call("list", Page[Document])

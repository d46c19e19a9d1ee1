"""SeekrFlow's files: what jobs read and what they make."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import NoneType
from typing import ClassVar, Literal, TypeAlias

from attrs import field, frozen

from .._core.codec import seen_as
from .._core.page import Page
from .._core.wire import Effect, Part, Route, Routes
from . import _checks
from ._lists import Listing
from ._nouns import Collection
from ._records import Resource
from ._uploads import (
    MEGABYTE,
    FileSource,
    Limits,
    OnProgress,
    sources,
)

_BASE = "/v1/flow/files"
_LARGEST = 4 * 1024 * MEGABYTE
_USUAL_PAGE = 100
"""The largest page of the service's other lists; for files no page of its docs tells one."""

Purpose: TypeAlias = str
"""What a file is for: ``fine-tune``, ``alignment``, ``reinforcement-fine-tune``, or another word."""


@frozen(kw_only=True)
class File(Resource):
    """One file of the account."""

    rows: ClassVar = ("data",)

    id: str
    filename: str = ""
    bytes: int | None = field(default=None, metadata=seen_as("size"))
    created_at: datetime | None = None
    updated_at: datetime | None = None
    purpose: str | None = None
    file_type: str | None = field(default=None, metadata=seen_as("type"))
    object: str | None = None
    origin_file_id: str | None = field(default=None, metadata=seen_as("original_file_id"))


@frozen(kw_only=True)
class FileCheck(Resource):
    """Whether a file with such metadata would be taken."""

    is_valid: bool
    errors: tuple[str, ...] = ()


@frozen(eq=False)
class Files(Collection):
    """``seekr.files``, from the vendor's pages and its client."""

    service: ClassVar = "seekrflow"
    noun: ClassVar = "files"
    routes: ClassVar[Mapping[str, Routes]] = {
        "upload": Routes(Route("PUT", _BASE)),
        "upload_many": Routes(Route("PUT", "/v1/flow/bulk_files")),
        "list": Routes(Route("GET", _BASE)),
        "get": Routes(Route("GET", f"{_BASE}/{{id}}")),
        "content": Routes(Route("GET", f"{_BASE}/{{id}}/content")),
        "delete": Routes(Route("DELETE", f"{_BASE}/{{id}}")),
        "rename": Routes(Route("PUT", f"{_BASE}/{{id}}/rename")),
        "check": Routes(Route("POST", f"{_BASE}/validate_metadata")),
    }

    async def upload(
        self, file: FileSource, *, purpose: Purpose, on_progress: OnProgress | None = None
    ) -> File:
        """Upload one file of at most 4 GB, streamed as it is read.

        `on_progress` is called with an `UploadProgress` after each chunk.
        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        parts = await _form([file], purpose, on_progress)
        return await self._send(self._call("upload", File, parts=parts, effect=Effect.CREATE))

    async def upload_many(
        self,
        files: Iterable[FileSource],
        *,
        purpose: Purpose,
        on_progress: OnProgress | None = None,
    ) -> Page[File]:
        """Upload several files in one request; as `upload`."""
        parts = await _form(files, purpose, on_progress)
        call = self._call("upload_many", Page[File], parts=parts, effect=Effect.CREATE)
        return await self._send(call)

    def list(
        self,
        *,
        purpose: Purpose | None = None,
        sort_by: str | None = None,
        sort_order: Literal["asc", "desc"] | None = None,
        limit: int = _USUAL_PAGE,
        offset: int = 0,
    ) -> Listing[File]:
        """List files, `limit` a page; await it for one page, or iterate over all.

        The largest `limit` is the server's choice: an iteration goes on where pages are shorter than asked.
        """
        size = _checks.whole("limit", limit) or _USUAL_PAGE
        first = _checks.whole("offset", offset, at_least=0) or 0
        filters = {"purpose": purpose, "sort_by": sort_by, "sort_order": sort_order}
        return Listing(
            lambda start, count: self._send(
                self._call("list", Page[File], query={**filters, "limit": count, "offset": start})
            ),
            limit=size,
            offset=first,
            sure=size <= _USUAL_PAGE,
        )

    async def get(self, file_id: str) -> File:
        """Fetch what is known of one file."""
        return await self._send(self._asking("get", File, file_id))

    def content(self, file_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Fetch the bytes of a file as they come, however many; only the piece at hand is in memory.

        ``async with seekr.files.content(id) as pieces: async for piece in pieces: ...``
        """
        call = self._asking("content", NoneType, file_id)
        return self._api.download(call)

    async def delete(self, file_id: str) -> None:
        """Delete one file."""
        await self._send(self._call("delete", NoneType, ids={"id": file_id}, effect=Effect.SETTLE))

    async def rename(self, file_id: str, filename: str) -> File:
        """Give a file another name (the field is that of the vendor's client)."""
        call = self._call(
            "rename",
            File,
            ids={"id": file_id},
            json={"new_filename": _checks.text("filename", filename)},
            effect=Effect.SETTLE,
        )
        return await self._send(call)

    async def check(self, *, purpose: Purpose, suffix: str, size: int) -> FileCheck:
        """Ask whether a file of this suffix and size (bytes) would be taken."""
        fields = {
            "purpose": _checks.text("purpose", purpose),
            "suffix": _checks.text("suffix", suffix),
            "size": _checks.whole("size", size, at_least=0),
        }
        return await self._send(self._call("check", FileCheck, json=fields))


async def _form(
    files: Iterable[FileSource], purpose: str, on_progress: OnProgress | None
) -> tuple[Part, ...]:
    found = await sources(files, Limits(_LARGEST))
    return (
        *(source.part("files", on_progress) for source in found),
        Part("purpose", _checks.text("purpose", purpose)),
    )

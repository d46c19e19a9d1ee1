"""``documents``: what was uploaded, and uploading more."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from ..resources.documents import Document
from .common import AT_ONCE, DEFAULTS, LOOK, VERBS, Common, Files, Waiting, app, epilogue
from .exits import Exit
from .follow import waited
from .screen import Column, percent
from .uploads import send

documents = App(
    name="documents",
    group=LOOK,
    group_commands=VERBS,
    help="List documents, and upload them.",
    help_epilogue=epilogue(
        "nugen-async documents",
        "nugen-async documents --jsonl | jq -r .id",
        "nugen-async documents upload contracts.txt clauses.md --wait",
    ),
)
app.command(documents)

_COLUMNS: tuple[Column[Document], ...] = (
    Column("id", lambda d: d.id, fold=True),
    Column("file", lambda d: d.filename),
    Column("status", lambda d: d.status),
    Column("done", lambda d: percent(d.hints().progress), right=True, rank=3),
    Column("size", lambda d: "" if d.size is None else f"{d.size:,}", right=True, rank=3),
    Column("uploaded", lambda d: d.upload_date, rank=2),
    Column("categories", lambda d: ", ".join(d.categories), rank=4),
)


@documents.default
async def list_documents(*, common: Common = DEFAULTS) -> int:
    """List all documents of the account."""
    async with common.nugen() as nugen:
        page = await nugen.documents.list()
    common.screen.rows(
        page, _COLUMNS, nothing="No documents yet: nugen-async documents upload FILE"
    )
    return Exit.OK


@documents.command(
    name="upload",
    help_epilogue=epilogue(
        "nugen-async documents upload contracts.txt clauses.md",
        "nugen-async documents upload *.txt --category legal --wait",
    ),
)
async def upload(
    files: Files,
    /,
    *,
    category: Annotated[list[str], Parameter(negative="", show_default=False)] | None = None,
    waiting: Waiting = AT_ONCE,
    common: Common = DEFAULTS,
) -> int:
    """Upload files; prints one ID each.

    Parameters
    ----------
    files
        Files to upload: .txt .md .json .jsonl .xml .csv .html, 100 MB each.
    category
        A category to put them under; may be given several times.
    """
    waiting.check()
    async with common.nugen() as nugen:
        made = await send(common.screen, nugen, files, category)
        if waiting.wait:
            return await waited(common, [(nugen, made)], waiting.timeout)
    common.screen.rows(made, _COLUMNS[:2])
    return Exit.OK

"""Files on their way out, in front of a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..client import Nugen
from ..resources._uploads import UploadProgress
from ..resources.documents import Document
from .board import Board
from .screen import Screen


async def send(
    screen: Screen, nugen: Nugen, files: Sequence[Path], categories: Sequence[str] | None = None
) -> list[Document]:
    """Upload *files* and show how far each is; returns a document a file, in order."""
    board = Board(screen)

    def sent(told: UploadProgress) -> None:
        board.add(told.name, told.name)
        board.tell(told.name, "sending", progress=told.sent / told.total if told.total else None)

    async with board.shown():
        return await nugen.documents.upload(files, categories=categories, on_progress=sent)

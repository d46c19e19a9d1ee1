"""Documents: uploads that are processed for a while.

The path of the second generation's upload status is not visible on its page; it is assumed to be
`GET /documents/status/{task_id}`, and `GET /documents/{id}/status` answers the same.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from ..book import Book
from ..checks import missing
from ..exchange import Answer, Ask, Refused, Route, Upload
from ..forms import cased, stamp, word
from ..records import Document

_TYPES = frozenset({".txt", ".md", ".json", ".jsonl", ".xml", ".csv", ".html"})
_LARGEST = 100 * 1024 * 1024


def upload(book: Book, ask: Ask) -> Answer:
    """Take any number of files, one id each."""
    form = ask.request.form
    files = form.uploads("files") if form is not None else []
    if not files:
        raise missing(ask, "body", "files")
    categories = form.texts("categories") if form is not None else []
    given = form.texts("names") if form is not None else []
    names = [*given[: len(files)], *(file.name for file in files[len(given) :])]
    for file, name in zip(files, names, strict=True):
        _check(book, ask, file, name)
    made = [
        _store(book, ask, file, name, categories) for file, name in zip(files, names, strict=True)
    ]
    created = ",".join(document.id for document in made)
    if ask.generation == "G4":
        return Answer(data={"document_ids": [document.id for document in made]}, created=created)
    if ask.generation in ("G1", "G2"):
        return Answer(data=[document.task for document in made], created=created)
    return Answer(data=[document.id for document in made], created=created)


def _check(book: Book, ask: Ask, file: Upload, name: str) -> None:
    if not file.name:
        raise Refused(400, "No file provided")
    if PurePosixPath(file.name).suffix.lower() not in _TYPES:
        raise Refused(400, f"Unsupported file type: {file.name}")
    if file.size > _LARGEST:
        raise Refused(400, f"File exceeds the limit of 100 MB: {file.name}")
    contract = "plural" if ask.plural else "documented"
    if contract in book.duplicate_names and name in book.file_names:
        existing = book.file_names[name]
        raise Refused(409, {"message": "A document of this name exists", "document_id": existing})


def _store(book: Book, ask: Ask, file: Upload, name: str, categories: list[str]) -> Document:
    made = book.new_id("doc", ask.now)
    document = Document(
        **book.course("document", made, ask.now),
        filename=name,
        type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        task=book.new_task(made),
        categories=categories,
    )
    book.documents[made] = document
    book.file_names.setdefault(name, made)
    return document


def documents(book: Book, ask: Ask) -> Answer:
    """Every document, and how many each category has."""
    shown = [each for each in book.documents.values() if each.created <= ask.seen]
    counts = Counter(category for each in shown for category in each.categories)
    categories = [{"name": name, "count": count} for name, count in counts.items()]
    rows = [row(book, ask, each) for each in shown]
    return Answer(data={"documents": rows, "categories": categories})


def row(book: Book, ask: Ask, document: Document) -> dict[str, Any]:
    """A document in a list."""
    return {
        "document_id" if ask.generation == "G4" else "id": document.id,
        "filename": document.filename,
        "type": document.type,
        "size": document.size,
        "upload_date": stamp(ask.generation, book.epoch, document.created),
        "status": word(ask.generation, document.phase(ask.seen)),
        "categories": document.categories,
        "uploader": book.creator,
        "processing_progress": document.progress(ask.seen),
    }


def status(book: Book, ask: Ask) -> Answer:
    """One document's processing; its id is told once it is ready."""
    document = book.documents.get(book.tasks.get(ask.id, ask.id))
    if document is None:
        raise Refused(404, f"Task not found: {ask.id}")
    phase = document.phase(ask.now)
    told: dict[str, Any] = {
        "status": word(ask.generation, phase),
        "document_id": document.id if phase == "ready" or ask.generation == "G4" else None,
    }
    if ask.generation in ("G3", "G4"):
        told["progress"] = document.progress(ask.now)
    if document.error is not None and phase == "failed":
        told["error"] = document.error
    return Answer(data=cased(ask.generation, told))


_BASE = "/api/v3/documents"
ROUTES = (
    Route("POST", _BASE, "upload_documents", upload, "documented"),
    Route("POST", f"{_BASE}/create", "upload_documents", upload, "plural"),
    Route("GET", _BASE, "list_documents", documents, "documented"),
    Route("GET", f"{_BASE}/list", "list_documents", documents, "plural"),
    Route("GET", f"{_BASE}/status/{{id}}", "document_status", status, "documented"),
    Route("GET", f"{_BASE}/{{id}}/status", "document_status", status),
)

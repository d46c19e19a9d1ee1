"""Files of SeekrFlow and their ingestion. No content is kept: what is read back is made up."""

from __future__ import annotations

from typing import Any

from ..book import Book
from ..checks import Field, array, checked, form_text, missing, number, query_number, required, text
from ..exchange import Answer, Ask, Refused, Upload, found
from ..records import Ingestion, SeekrFile
from ._form import flow, moment, word

_PURPOSES = ("fine-tune", "alignment", "reinforcement-fine-tune", "vector-db", "other")
_SUFFIXES = frozenset(
    {"md", "txt", "pdf", "docx", "json", "jsonl", "parquet", "csv", "ppt", "pptx"}
)
_LARGEST = 4 * 1024**3
_SHOWN = 4096
_FIX = "Save the file anew, without a password, and add it again."


def upload(book: Book, ask: Ask) -> Answer:
    """Take one file."""
    found, purpose = _files(ask)
    file = _store(book, ask, found[0], purpose)
    return Answer(data=_row(book, file), created=file.id)


def upload_many(book: Book, ask: Ask) -> Answer:
    """Take any number of files."""
    found, purpose = _files(ask)
    made = [_store(book, ask, each, purpose) for each in found]
    return Answer(data=[_row(book, each) for each in made], created=",".join(f.id for f in made))


def _files(ask: Ask) -> tuple[list[Upload], str]:
    form = ask.request.form
    found = form.uploads("files") + form.uploads("file") if form is not None else []
    if not found:
        raise missing(ask, "body", "files")
    return found, form_text(ask, "purpose")


def _store(book: Book, ask: Ask, upload: Upload, purpose: str) -> SeekrFile:
    file = SeekrFile(
        id=book.new_id("file", ask.now),
        filename=upload.name,
        purpose=purpose,
        size=upload.size,
        created=ask.now,
    )
    book.files[file.id] = file
    return file


def files(book: Book, ask: Ask) -> Answer:
    """A page of files."""
    query = ask.request.query
    purpose = query.get("purpose")
    rows = [
        each
        for each in book.files.values()
        if each.created <= ask.seen and purpose in (None, each.purpose)
    ]
    key = query.get("sort_by", "created_at")
    rows.sort(
        key=lambda file: file.filename if key in ("name", "filename") else f"{file.created:020.6f}",
        reverse=query.get("sort_order", "asc") == "desc",
    )
    limit = query_number(ask, "limit", 25, 1, 1000)
    offset = query_number(ask, "offset", 0, 0, 10**9)
    page = rows[offset : offset + limit]
    return Answer(data={"object": "list", "data": [_row(book, each) for each in page]})


def get(book: Book, ask: Ask) -> Answer:
    """One file."""
    return Answer(data=_row(book, _find(book, ask)))


def content(book: Book, ask: Ask) -> Answer:
    """Made-up bytes, as many as the file had, up to a few kilobytes."""
    file = _find(book, ask)
    body = (file.id.encode() * (_SHOWN // len(file.id) + 1))[: min(file.size, _SHOWN)]
    return Answer(raw=body, headers={"Content-Type": "application/octet-stream"})


def rename(book: Book, ask: Ask) -> Answer:
    """Give a file another name."""
    file = _find(book, ask)
    file.filename = checked(ask, required("new_filename", text))["new_filename"]
    return Answer(data=_row(book, file))


def delete(book: Book, ask: Ask) -> Answer:
    """Forget a file."""
    file = _find(book, ask)
    del book.files[file.id]
    return Answer(data={"id": file.id, "object": "file", "deleted": True})


def validate(book: Book, ask: Ask) -> Answer:  # noqa: ARG001
    """Whether a file with such metadata would be taken."""
    body = checked(
        ask,
        required("purpose", text),
        required("suffix", text),
        required("size", number(0, 2**53, whole=True)),
    )
    errors: list[str] = []
    if body["purpose"] not in _PURPOSES:
        errors.append(f"Unknown purpose: {body['purpose']}")
    if body["suffix"].lstrip(".").lower() not in _SUFFIXES:
        errors.append(f"Unsupported suffix: {body['suffix']}")
    if int(float(body["size"])) > _LARGEST:
        errors.append("File exceeds the limit of 4 GB")
    return Answer(data={"is_valid": not errors, "errors": "; ".join(errors) or None})


def ingest(book: Book, ask: Ask) -> Answer:
    """Start reading files."""
    body = checked(ask, required("files", array(text, at_least=1)), Field("method", text))
    for each in body["files"]:
        if each not in book.files and not book.trusting:
            raise Refused(404, f"File not found: {each}")
    job = begin(book, ask.now, body["files"], body.get("method") or "accuracy-optimized")
    return Answer(data=ingestion_row(book, job, ask.now), created=job.id)


def begin(book: Book, now: float, files: list[str], method: str) -> Ingestion:
    """Write an ingestion into the book."""
    made = book.new_id("ingest", now)
    job = Ingestion(**book.course("ingestion", made, now), files=files, method=method)
    book.ingestions[made] = job
    return job


def ingestions(book: Book, ask: Ask) -> Answer:
    """Every ingestion."""
    rows = [
        ingestion_row(book, each, ask.seen)
        for each in book.ingestions.values()
        if each.created <= ask.seen
    ]
    return Answer(data={"object": "list", "data": rows})


def ingestion(book: Book, ask: Ask) -> Answer:
    """One ingestion."""
    job = found(book.ingestions, ask.id, "Ingestion job")
    return Answer(data=ingestion_row(book, job, ask.now))


def ingestion_row(book: Book, job: Ingestion, now: float) -> dict[str, Any]:
    """An ingestion as the server tells it."""
    return {
        "id": job.id,
        "created_at": moment(book, job.created),
        "status": word(job, now),
        "output_files": job.files if job.phase(now) == "ready" else [],
        "file_records": file_records(book, job, now),
    }


def file_records(book: Book, job: Ingestion, now: float) -> list[dict[str, Any]]:
    """What became of each file of an ingestion; one that fails could read none of them."""
    failed, over = job.phase(now) == "failed", job.over(now)
    return [
        {
            "record_id": f"{job.id}-{number}",
            "ingestion_job_id": job.id,
            "alignment_file_id": each,
            "filename": filename(book, each),
            "method": job.method,
            "status": word(job, now),
            "error_message": job.error if failed else None,
            "suggested_fix": _FIX if failed else None,
            "deleted": False,
            "created_at": moment(book, job.created),
            "completed_at": moment(book, job.end) if over and not failed else None,
            "failed_at": moment(book, job.end) if failed else None,
        }
        for number, each in enumerate(job.files)
    ]


def filename(book: Book, file: str) -> str:
    """The name of a file; its id where the world takes ids on trust."""
    return book.files[file].filename if file in book.files else file


def _row(book: Book, file: SeekrFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "filename": file.filename,
        "bytes": file.size,
        "created_at": moment(book, file.created),
        "purpose": file.purpose,
        "origin_file_id": None,
    }


def _find(book: Book, ask: Ask) -> SeekrFile:
    return found(book.files, ask.id, "File")


_BASE = "/v1/flow/files"
_INGESTION = "/v1/flow/ingestion"


ROUTES = (
    flow("PUT", _BASE, "upload_file", upload),
    flow("PUT", "/v1/flow/bulk_files", "upload_files", upload_many),
    flow("GET", _BASE, "list_files", files),
    flow("GET", f"{_BASE}/{{id}}", "get_file", get),
    flow("DELETE", f"{_BASE}/{{id}}", "delete_file", delete),
    flow("GET", f"{_BASE}/{{id}}/content", "file_content", content),
    flow("PUT", f"{_BASE}/{{id}}/rename", "rename_file", rename),
    flow("POST", f"{_BASE}/validate_metadata", "validate_file", validate),
    flow("POST", _INGESTION, "ingest", ingest),
    flow("GET", _INGESTION, "list_ingestions", ingestions),
    flow("GET", f"{_INGESTION}/{{id}}", "get_ingestion", ingestion),
)

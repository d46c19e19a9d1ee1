"""Data jobs of SeekrFlow: files are read, a person looks, then an alignment job runs.

A data job parks twice: in `needs_review` when a file could not be read, and in `ready_to_start`.
No amount of polling moves it on from there.
"""

from __future__ import annotations

from typing import Any

from ..book import Book
from ..checks import Field, array, checked, one_of, query_number, required, text
from ..exchange import Answer, Ask, Refused, found
from ..records import DataJob, Ingestion
from . import files, training_pairs
from ._form import flow, moment, word

_TYPES = ("principle_files", "context_grounded_files", "context_grounded_vector_db")
_SORTS = {"name": "name", "created_at": "created", "job_type": "job_type"}
_FROZEN = frozenset({"pending", "queued", "running", "completed", "failed", "cancelled", "stopped"})
_LONGEST_NAME = 255
_OF_RECORDS = ("record_id", "status", "created_at", "suggested_fix")
"""What a data job repeats of the newest record of each file."""


def create(book: Book, ask: Ask) -> Answer:
    """Make a data job without files."""
    body = checked(
        ask,
        required("name", text),
        required("job_type", one_of(*_TYPES)),
        Field("system_prompt", text),
        Field("instructions", text),
        Field("vector_database_id", text),
    )
    name = _named(body["name"])
    job = DataJob(
        id=book.new_id("dj", ask.now),
        name=name,
        job_type=body["job_type"],
        created=ask.now,
        updated=ask.now,
        system_prompt=body.get("system_prompt"),
        instructions=body.get("instructions"),
        vector_database_id=body.get("vector_database_id"),
        timeline=[(ask.now, "created")],
    )
    book.data_jobs[job.id] = job
    return Answer(data=_detail(book, job, ask.now), created=job.id)


def status(book: Book, job: DataJob, now: float) -> str:
    """Active, parked, or whatever its alignment job says."""
    if job.cancelled is not None and now >= job.cancelled:
        return "cancelled"
    if job.alignment_id is not None:
        return word(book.training_pairs[job.alignment_id], now)
    phases = [book.ingestions[each].phase(now) for each in job.ingestions]
    if any(phase in ("queued", "running") for phase in phases):
        return "file_processing"
    if "failed" in phases or not job.files:
        return "needs_review"
    return "ready_to_start"


def jobs(book: Book, ask: Ask) -> Answer:
    """A page of data jobs; the reply tells no total."""
    query = ask.request.query
    wanted = query.get("job_type")
    shown = [
        each
        for each in book.data_jobs.values()
        if each.created <= ask.seen and wanted in (None, each.job_type)
    ]
    key = _SORTS.get(query.get("sort_by", "created_at"), "created")
    shown.sort(key=lambda job: str(getattr(job, key)), reverse=query.get("sort_order") == "desc")
    limit = query_number(ask, "limit", 25, 1, 100)
    offset = query_number(ask, "offset", 0, 0, 10**9)
    rows = [_row(book, each, ask.seen) for each in shown[offset : offset + limit]]
    return Answer(data={"object": "list", "data": rows})


def get(book: Book, ask: Ask) -> Answer:
    """One data job, whole."""
    return Answer(data=_detail(book, _find(book, ask), ask.now))


def update(book: Book, ask: Ask) -> Answer:
    """Change what is given; null empties a field, and leaves the name."""
    job = _find(book, ask)
    body = checked(
        ask,
        Field("name", text),
        Field("system_prompt", text),
        Field("vector_database_id", text),
        Field("instructions", text),
    )
    if body.get("name") is not None:
        job.name = _named(body["name"])
    for key in ("system_prompt", "vector_database_id", "instructions"):
        if key in body:
            setattr(job, key, body[key])
    job.updated = ask.now
    return Answer(data=_detail(book, job, ask.now))


def add_files(book: Book, ask: Ask) -> Answer:
    """Add files; reading them starts by itself."""
    job = _open(book, ask)
    body = checked(ask, required("file_ids", array(text, at_least=1)), Field("method", text))
    for each in body["file_ids"]:
        if each not in book.files and not book.trusting:
            raise Refused(404, f"File not found: {each}")
    method = body.get("method") or "accuracy-optimized"
    ingestion = files.begin(book, ask.now, body["file_ids"], method)
    job.ingestions.append(ingestion.id)
    job.files += body["file_ids"]
    return _changed(book, ask, job, "files_added")


def remove_files(book: Book, ask: Ask) -> Answer:
    """Take files out, and with them the ingestions that read nothing else."""
    job = _open(book, ask)
    gone = set(checked(ask, required("file_ids", array(text, at_least=1)))["file_ids"])
    job.files = [each for each in job.files if each not in gone]
    job.ingestions = [
        each for each in job.ingestions if not gone.issuperset(book.ingestions[each].files)
    ]
    return _changed(book, ask, job, "files_removed")


def start(book: Book, ask: Ask) -> Answer:
    """Start the alignment job of a data job that is ready for it."""
    job = _find(book, ask)
    state = status(book, job, ask.now)
    if state != "ready_to_start":
        raise Refused(400, f"Data job is not ready to start: {state}")
    pairs = training_pairs.start(
        book,
        ask.now,
        instructions=job.instructions or "",
        files=list(job.files),
        type="principle" if job.job_type == "principle_files" else "context_data",
        system_prompt=job.system_prompt,
        vector_database_id=job.vector_database_id,
    )
    job.alignment_id = pairs.id
    return _changed(book, ask, job, "started", pairs.id)


def cancel(book: Book, ask: Ask) -> Answer:
    """Stop a data job and the alignment job under it."""
    job = _find(book, ask)
    state = status(book, job, ask.now)
    if state in ("completed", "failed", "cancelled", "stopped"):
        raise Refused(400, f"Data job is already {state}")
    if job.alignment_id is not None:
        book.training_pairs[job.alignment_id].stopped_at = ask.now
    job.cancelled = ask.now
    return _changed(book, ask, job, "cancelled")


def clone(book: Book, ask: Ask) -> Answer:
    """Make a data job with the same settings and files, read already."""
    old = _find(book, ask)
    name = checked(ask, Field("name", text)).get("name")
    name = f"{old.name} (copy)" if name is None else _named(name)
    copy = DataJob(
        id=book.new_id("dj", ask.now),
        name=name,
        job_type=old.job_type,
        created=ask.now,
        updated=ask.now,
        system_prompt=old.system_prompt,
        instructions=old.instructions,
        vector_database_id=old.vector_database_id,
        origin=old.id,
        files=list(old.files),
        ingestions=list(old.ingestions),
        timeline=[(ask.now, "cloned")],
    )
    book.data_jobs[copy.id] = copy
    return Answer(data=_detail(book, copy, ask.now), created=copy.id)


def system_prompt(book: Book, ask: Ask) -> Answer:  # noqa: ARG001
    """Write a system prompt for instructions."""
    body = checked(ask, required("instructions", text), Field("document_summary", text))
    return Answer(data={"system_prompt": f"You are an expert. {body['instructions']}"})


def delete(book: Book, ask: Ask) -> Answer:
    """Forget a data job."""
    del book.data_jobs[_find(book, ask).id]
    return Answer(status=204)


def _changed(book: Book, ask: Ask, job: DataJob, event: str, created: str | None = None) -> Answer:
    job.updated = ask.now
    job.timeline.append((ask.now, event))
    return Answer(data=_detail(book, job, ask.now), created=created)


def _row(book: Book, job: DataJob, now: float) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.name,
        "job_type": job.job_type,
        "status": status(book, job, now),
        "system_prompt": job.system_prompt,
        "instructions": job.instructions,
        "vector_database_id": job.vector_database_id,
        "alignment_job_id": job.alignment_id,
        "origin_data_job_id": job.origin,
        "created_at": moment(book, job.created),
        "updated_at": moment(book, job.updated),
    }


def _detail(book: Book, job: DataJob, now: float) -> dict[str, Any]:
    pairs = None if job.alignment_id is None else book.training_pairs[job.alignment_id]
    return _row(book, job, now) | {
        "ingestion_jobs": [_ingestion(book, book.ingestions[each], now) for each in job.ingestions],
        "alignment_job": None if pairs is None else training_pairs.row(book, pairs, now),
        "files": _files(book, job, now),
        "fine_tuning_job_ids": [],
        "timeline": [_event(book, at, event) for at, event in job.timeline],
    }


def _ingestion(book: Book, job: Ingestion, now: float) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": word(job, now),
        "created_at": moment(book, job.created),
        "updated_at": moment(book, min(now, job.end)),
        "file_ids": job.files,
        "records": files.file_records(book, job, now),
    }


def _files(book: Book, job: DataJob, now: float) -> list[dict[str, Any]]:
    records = {
        record["alignment_file_id"]: record
        for each in job.ingestions
        for record in files.file_records(book, book.ingestions[each], now)
    }
    return [
        {
            "file_id": each,
            "name": files.filename(book, each),
            **{key: records.get(each, {}).get(key) for key in _OF_RECORDS},
        }
        for each in job.files
    ]


def _event(book: Book, at: float, event: str) -> dict[str, Any]:
    return {
        "timestamp": moment(book, at),
        "event_type": event,
        "message": f"Data job: {event.replace('_', ' ')}",
        "metadata": {},
    }


def _named(name: str) -> str:
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise Refused(
            422, [{"loc": ["body", "name"], "msg": "1 to 255 characters", "type": "length"}]
        )
    return name


def _open(book: Book, ask: Ask) -> DataJob:
    job = _find(book, ask)
    state = status(book, job, ask.now)
    if state in _FROZEN:
        raise Refused(400, f"Files cannot be changed any more: {state}")
    return job


def _find(book: Book, ask: Ask) -> DataJob:
    return found(book.data_jobs, ask.id, "Data job")


_BASE = "/v1/flow/data-jobs"


ROUTES = (
    flow("POST", _BASE, "create_data_job", create),
    flow("GET", _BASE, "list_data_jobs", jobs),
    flow("POST", f"{_BASE}/gen_system_prompt", "generate_system_prompt", system_prompt),
    flow("GET", f"{_BASE}/{{id}}", "get_data_job", get),
    flow("PATCH", f"{_BASE}/{{id}}", "update_data_job", update),
    flow("DELETE", f"{_BASE}/{{id}}", "delete_data_job", delete),
    flow("POST", f"{_BASE}/{{id}}/add-files", "add_data_job_files", add_files),
    flow("POST", f"{_BASE}/{{id}}/remove-files", "remove_data_job_files", remove_files),
    flow("POST", f"{_BASE}/{{id}}/start", "start_data_job", start),
    flow("POST", f"{_BASE}/{{id}}/cancel", "cancel_data_job", cancel),
    flow("POST", f"{_BASE}/{{id}}/clone", "clone_data_job", clone),
)

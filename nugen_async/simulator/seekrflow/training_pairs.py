"""Alignment jobs of SeekrFlow: training pairs from files. Deprecated there, still served.

List, outputs, delete and cancel are known from the vendor's own client only.
"""

from __future__ import annotations

from typing import Any

from ..book import Book
from ..checks import Field, array, checked, one_of, required, text
from ..exchange import Answer, Ask, Refused, found
from ..records import SeekrFile, TrainingPairs
from ._form import flow, moment, word

_STEPS = ("summarising", "generating", "filtering")
_DEPRECATED = {
    "Deprecation": "true",
    "Link": '</v1/flow/data-jobs>; rel="successor-version"',
}
_BYTES_A_PAIR = 900


def generate(book: Book, ask: Ask) -> Answer:
    """Start a job; the answer says that the endpoint is deprecated."""
    body = checked(
        ask,
        required("instructions", text),
        required("files", array(text)),
        Field("system_prompt", text),
        Field("type", one_of("principle", "context_data"), nullable=False),
        Field("vector_database_id", text),
    )
    for file in body["files"]:
        if file not in book.files and not book.trusting:
            raise Refused(404, f"File not found: {file}")
    job = start(
        book,
        ask.now,
        instructions=body["instructions"],
        files=body["files"],
        type=body.get("type") or "principle",
        system_prompt=body.get("system_prompt"),
        vector_database_id=body.get("vector_database_id"),
    )
    return Answer(data=row(book, job, ask.now), headers=_DEPRECATED, created=job.id)


def start(book: Book, now: float, **given: Any) -> TrainingPairs:
    """Write a job into the book."""
    made = book.new_id("al", now)
    course = book.course("training_pairs", made, now)
    job = TrainingPairs(**course, **given)
    if job.outcome == "ready":
        for purpose, name in (("fine-tune", "pairs.parquet"), ("other", "summary.json")):
            file = SeekrFile(
                id=book.new_id("file", job.ended),
                filename=f"{made}-{name}",
                purpose=purpose,
                size=_BYTES_A_PAIR * (len(job.files) + 1),
                created=job.ended,
            )
            book.files[file.id] = file
            job.outputs.append(file)
    book.training_pairs[made] = job
    return job


def get(book: Book, ask: Ask) -> Answer:
    """One job."""
    return Answer(data=row(book, _find(book, ask), ask.now))


def jobs(book: Book, ask: Ask) -> Answer:
    """Every job."""
    rows = [
        row(book, each, ask.seen)
        for each in book.training_pairs.values()
        if each.created <= ask.seen
    ]
    return Answer(data={"object": "list", "data": rows})


def outputs(book: Book, ask: Ask) -> Answer:
    """The files of a job that is complete; before that, none."""
    job = _find(book, ask)
    ready = job.phase(ask.now) == "ready"
    rows = [
        {
            "id": file.id,
            "filename": file.filename,
            "bytes": file.size,
            "created_at": moment(book, file.created),
            "file_type": file.filename.rpartition(".")[2],
            "purpose": file.purpose,
        }
        for file in (job.outputs if ready else ())
    ]
    return Answer(data=rows)


def cancel(book: Book, ask: Ask) -> Answer:
    """Stop a job; one that is over cannot be stopped."""
    job = _find(book, ask)
    if job.over(ask.now):
        raise Refused(400, f"Job is already {word(job, ask.now)}")
    job.stopped_at = ask.now
    return Answer(data=row(book, job, ask.now))


def delete(book: Book, ask: Ask) -> Answer:
    """Forget a job."""
    del book.training_pairs[_find(book, ask).id]
    return Answer(status=204)


def row(book: Book, job: TrainingPairs, now: float) -> dict[str, Any]:
    """A job as the server tells it, its estimate in minutes."""
    fraction, over = job.fraction(now), job.over(now)
    step = min(int(fraction * len(_STEPS)), len(_STEPS) - 1)
    remaining = job.remaining(now)
    shown = job.progress(now)
    phase = job.phase(now)
    return {
        "id": job.id,
        "created_at": moment(book, job.created),
        "updated_at": moment(book, min(now, job.end)),
        "completed_at": moment(book, job.end) if phase == "ready" else None,
        "status": word(job, now),
        "current_step": None if over else _STEPS[step],
        "step_progress": None if over else f"{step + 1}/{len(_STEPS)}",
        "progress": None if shown is None else float(shown),
        "estimated_completion_at": (
            None if remaining is None else moment(book, job.created + (job.estimate or 0.0))
        ),
        "eta_minutes": None if remaining is None else round(remaining / 60),
        "status_message": job.error if phase == "failed" else None,
    }


def _find(book: Book, ask: Ask) -> TrainingPairs:
    return found(book.training_pairs, ask.id, "Alignment job")


_BASE = "/v1/flow/alignment"


ROUTES = (
    flow("POST", f"{_BASE}/generate", "generate_training_pairs", generate),
    flow("GET", _BASE, "list_training_pairs", jobs),
    flow("GET", f"{_BASE}/{{id}}", "get_training_pairs", get),
    flow("DELETE", f"{_BASE}/{{id}}", "delete_training_pairs", delete),
    flow("GET", f"{_BASE}/{{id}}/outputs", "training_pairs_outputs", outputs),
    flow("POST", f"{_BASE}/{{id}}/cancel", "cancel_training_pairs", cancel),
)

"""Alignment projects: hours of training, then perhaps an automatic evaluation.

The path of the documented list is not visible on its page; it is assumed to be
`GET /api/v3/alignment-project`, beside the routes whose OpenAPI lines can be read.
"""

from __future__ import annotations

import math
from typing import Any

from ..book import Book
from ..checks import Field, array, checked, query_number, required, text
from ..exchange import Answer, Ask, Refused, Route, found
from ..forms import cased, stamp, word
from ..records import Alignment, Evaluation, Model

_QUEUE_STEP = 10.0  # seconds that one place in the queue stands for
_EARLY = 0.7  # a checkpoint can be deployed from this part of the training on
_NESTED = frozenset({"G1", "G2"})


def create(book: Book, ask: Ask) -> Answer:
    """Start an alignment. Equal names are not merged, and `workflow_id` is echoed nowhere."""
    name_key, base_key = (
        ("alignment_name", "base_model_id") if ask.plural else ("name", "base_model")
    )
    body = checked(
        ask,
        required(name_key, text),
        required(base_key, text),
        required("document_ids", array(text)),
        Field("workflow_id", text),
        Field("benchmark_id", text),
        Field("description", text),
    )
    base_model = body[base_key]
    base = book.base_model(base_model)
    if not (book.trusting if base is None else base.alignment_ready):
        raise Refused(400, f"Base model does not support alignment: {base_model}")
    book.check_documents(body["document_ids"], ask.now)
    benchmark_id = body.get("benchmark_id")
    if benchmark_id is not None and benchmark_id not in book.benchmarks and not book.trusting:
        raise Refused(404, f"Benchmark not found: {benchmark_id}")
    alignment = start(
        book,
        ask.now,
        name=body[name_key],
        base_model=base_model,
        document_ids=body["document_ids"],
        workflow_id=body.get("workflow_id"),
        benchmark_id=benchmark_id,
        description=body.get("description"),
    )
    first = word(ask.generation, "running")
    key = "id" if ask.generation in _NESTED else "alignment_id"
    return Answer(data={key: alignment.id, "status": first}, created=alignment.id)


def start(book: Book, now: float, **given: Any) -> Alignment:
    """Write an alignment into the book, with the model and the evaluation that it leads to."""
    made = book.new_id("alignment", now)
    course = book.course("alignment", made, now)
    model_id = book.new_id("aligned-model", now)
    training = course["worked"] - course["started"]
    alignment = Alignment(
        **course,
        **given,
        model_id=model_id,
        model_id_from=course["started"] + training * book.model_id_from,
    )
    book.alignments[made] = alignment
    if alignment.outcome != "ready":
        alignment.model_id_from = math.inf
        return alignment
    book.models[model_id] = Model(
        id=model_id,
        name=given["name"].lower().replace(" ", "_"),
        alignment_id=made,
        base_model=given["base_model"],
        created=alignment.worked,
    )
    if alignment.benchmark_id is not None:
        evaluation = _automatic(book, alignment)
        alignment.evaluation_id = evaluation.id
        alignment.ended = evaluation.ended
        if alignment.estimate is not None:
            alignment.estimate += evaluation.ended - evaluation.created
    return alignment


def _automatic(book: Book, alignment: Alignment) -> Evaluation:
    benchmark = book.benchmarks.get(alignment.benchmark_id or "")
    made = book.new_id("eval", alignment.worked)
    evaluation = Evaluation(
        **book.course("evaluation", made, alignment.worked),
        model_id=alignment.model_id,
        benchmark_id=alignment.benchmark_id or "",
        total=benchmark.size if benchmark is not None else 10,
        automatic=True,
    )
    book.evaluations[made] = evaluation
    return evaluation


def status(book: Book, ask: Ask) -> Answer:
    """One alignment: nested in the first two generations, flat in the third, terse later."""
    alignment = _find(book, ask)
    if ask.generation == "G3":
        return Answer(data=row(book, ask, alignment))
    over = alignment.over(ask.now)
    phase = alignment.phase(ask.now)
    ended = stamp(ask.generation, book.epoch, alignment.end) if over else None
    if ask.generation == "G4":
        remaining = alignment.remaining(ask.now)
        return Answer(
            data={
                "alignment_id": alignment.id,
                "status": word("G4", phase),
                "progress": None if phase == "queued" else alignment.progress(ask.now),
                "eta_seconds": None if remaining is None else round(remaining),
                "queue_position": (
                    math.ceil((alignment.started - ask.now) / _QUEUE_STEP)
                    if phase == "queued"
                    else None
                ),
                "early_deployable": early_deployable(alignment, ask.now),
                "completed_at": ended,
            }
        )
    told = {
        "status": word(ask.generation, phase),
        "data": row(book, ask, alignment),
        "start_time": stamp(ask.generation, book.epoch, alignment.created),
        "end_time": ended,
    }
    return Answer(data=told)


def early_deployable(alignment: Alignment, now: float) -> bool:
    """Whether a checkpoint of a training under way can be deployed."""
    return alignment.phase(now) == "running" and alignment.fraction(now) >= _EARLY


def detail(book: Book, ask: Ask) -> Answer:
    """One alignment, whole; a failed one tells its reason only here (and in the third form)."""
    return Answer(data=row(book, ask, _find(book, ask)))


def alignments(book: Book, ask: Ask) -> Answer:
    """Every alignment; the plural route takes a limit and shows the newest."""
    shown = [each for each in book.alignments.values() if each.created <= ask.seen]
    if ask.plural:
        limit = query_number(ask, "limit", book.alignment_list_limit or 10**6, 1, 10**6)
        shown = shown[-limit:]
    terse = ask.generation == "G4"
    rows = [_terse(ask, each) if terse else row(book, ask, each) for each in shown]
    return Answer(data={"alignment_projects": rows})


def _terse(ask: Ask, alignment: Alignment) -> dict[str, Any]:
    return {
        "alignment_id": alignment.id,
        "alignment_name": alignment.name,
        "base_model_id": alignment.base_model,
        "status": word("G4", alignment.phase(ask.seen)),
        "document_count": len(alignment.document_ids),
    }


def row(book: Book, ask: Ask, alignment: Alignment) -> dict[str, Any]:
    """The detail of an alignment, in its generation's form; after its end it is made only once."""
    if not alignment.over(ask.seen):
        return _row(book, ask, alignment)
    form = ask.generation, book.creator, book.epoch
    known, told = book.last_rows.get(alignment.id, (None, {}))
    if known != form:
        told = _row(book, ask, alignment)
        book.last_rows[alignment.id] = form, told
    return told


def _row(book: Book, ask: Ask, alignment: Alignment) -> dict[str, Any]:
    now, generation = ask.seen, ask.generation
    phase = alignment.phase(now)
    named = now >= alignment.model_id_from
    measured = alignment.outcome == "ready" and now >= alignment.worked
    evaluated = alignment.evaluation_id is not None and measured
    common: dict[str, Any] = {
        "status": word(generation, phase),
        "document_count": len(alignment.document_ids),
        "creator": book.creator,
        "performance_metrics": metrics(book, alignment) if measured else None,
        "progress": alignment.progress(now),
        "error": alignment.error if phase == "failed" else None,
        "evaluation_id": alignment.evaluation_id if evaluated else None,
        "model_id": alignment.model_id if named else None,
    }
    ended = stamp(generation, book.epoch, alignment.end) if alignment.over(now) else None
    created = stamp(generation, book.epoch, alignment.created)
    if generation == "G4":
        return {
            "alignment_id": alignment.id,
            "alignment_name": alignment.name,
            "base_model_id": alignment.base_model,
            "document_ids": alignment.document_ids,
            "benchmark_id": alignment.benchmark_id,
            "stage_failures": [alignment.error] if phase == "failed" else [],
            "degraded": False,
            "gpu_training_completed": measured,
            "is_adapter_available": measured,
            "created_at": created,
            "updated_at": stamp(generation, book.epoch, min(now, alignment.end)),
            "completed_at": ended,
            **common,
        }
    expected = None
    if alignment.estimate is not None and not alignment.over(now):
        expected = stamp(generation, book.epoch, alignment.created + alignment.estimate)
    told: dict[str, Any] = cased(
        generation,
        {
            "id": alignment.id,
            "name": alignment.name,
            "base_model": alignment.base_model,
            "created_date": created,
            "completed_date": ended,
            "documents": alignment.document_ids,
            "estimated_completion": expected,
            **common,
        },
    )
    return told


def metrics(book: Book, alignment: Alignment) -> dict[str, Any]:
    """What the alignment changed, measured on its benchmark or on its own questions."""
    topic = alignment.benchmark_id or alignment.id
    before = book.skill(alignment.base_model, topic)
    after = book.skill(alignment.model_id, topic)
    return {
        "accuracy_before": before.accuracy,
        "accuracy_after": after.accuracy,
        "uncertainty_before": before.uncertainty,
        "uncertainty_after": after.uncertainty,
        "domain_violations_before": before.domain_violations,
        "domain_violations_after": after.domain_violations,
    }


def _find(book: Book, ask: Ask) -> Alignment:
    return found(book.alignments, ask.id, "Alignment project")


_ONE = "/api/v3/alignment-project"
_MANY = "/api/v3/alignment-projects"
ROUTES = (
    Route("POST", f"{_ONE}/create", "create_alignment", create, "documented"),
    Route("POST", f"{_MANY}/create", "create_alignment", create, "plural"),
    Route("GET", f"{_ONE}/status/{{id}}", "alignment_status", status, "documented"),
    Route("GET", f"{_MANY}/{{id}}/status", "alignment_status", status, "plural"),
    Route("GET", _ONE, "list_alignments", alignments, "documented"),
    Route("GET", f"{_MANY}/list", "list_alignments", alignments, "plural"),
    Route("GET", f"{_ONE}/{{id}}", "get_alignment", detail, "documented"),
    Route("GET", f"{_MANY}/{{id}}", "get_alignment", detail, "plural"),
)

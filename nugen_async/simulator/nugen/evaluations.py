"""Evaluations: a model measured on a benchmark, or two compared."""

from __future__ import annotations

from random import Random
from typing import Any

from ..book import Book
from ..chance import Skill
from ..checks import Field, array, checked, either, mapping, one_of, query_number, required, text
from ..exchange import Answer, Ask, Refused, Route, as_json
from ..forms import filtered_phases, stamp, word
from ..records import Evaluation

_PAGE = 10
_LARGEST_PAGE = 100
_DETAILS = 200  # the download shows no more single answers than this


def create(book: Book, ask: Ask) -> Answer:
    """Start an evaluation.

    With a second model the documented contract compares `model_id` as the base side with
    `model_id_2`; the plural one names the base side `baseline_model_id`.
    """
    measures = mapping if book.strict_schema else either(mapping, array(text))
    body = checked(
        ask,
        required("model_id", text),
        required("benchmark_id", text),
        Field("model_id_2", text),
        Field("baseline_model_id", text),
        Field("evaluation_name", text),
        Field("custom_metrics", measures),
        Field("judge_provider", one_of("anthropic", "openai", "nugen")),
    )
    model_id, base_id = body["model_id"], body.get("baseline_model_id")
    if not ask.plural:
        base_id = None
        if body.get("model_id_2") is not None:
            model_id, base_id = body["model_id_2"], model_id
    for each in filter(None, (model_id, base_id)):
        _check_model(book, ask, each)
    benchmark = book.benchmarks.get(body["benchmark_id"])
    if benchmark is None and not book.trusting:
        raise Refused(404, f"Benchmark not found: {body['benchmark_id']}")
    if benchmark is not None and benchmark.phase(ask.now) != "ready":
        raise Refused(400, f"Benchmark is not ready: {benchmark.id}")
    made = book.new_id("eval", ask.now)
    evaluation = Evaluation(
        **book.course("evaluation", made, ask.now),
        model_id=model_id,
        base_id=base_id,
        benchmark_id=body["benchmark_id"],
        total=benchmark.size if benchmark is not None else 10,
        name=body.get("evaluation_name"),
        custom_metrics=body.get("custom_metrics"),
    )
    book.evaluations[made] = evaluation
    told = {
        "evaluation_id": made,
        "model_id": body["model_id"],
        "status": word(ask.generation, "running"),
        "benchmark_id": evaluation.benchmark_id,
        "created_at": stamp(ask.generation, book.epoch, ask.now),
        "message": "Evaluation created successfully and queued for execution",
    }
    if ask.generation == "G1":
        told["judge_provider"] = body.get("judge_provider") or "anthropic"
    return Answer(data=told, created=made)


def _check_model(book: Book, ask: Ask, id: str) -> None:
    if not book.known_model(id, ask.now):
        raise Refused(404, f"Model not found: {id}")
    model = book.models.get(id)
    if model is None:
        return
    serving = model.serving(ask.now)
    if serving == "trained" and ask.now < model.created:
        raise Refused(400, f"Model is still training: {id}")
    if book.evaluation_needs_deployment and serving != "deployed":
        raise Refused(400, f"Model is not deployed: {id}")


def status(book: Book, ask: Ask) -> Answer:
    """One evaluation's progress, told in questions while it runs."""
    evaluation = _find(book, ask)
    return Answer(data=_status(book, ask, evaluation))


def _status(book: Book, ask: Ask, evaluation: Evaluation) -> dict[str, Any]:
    over = evaluation.over(ask.now)
    told: dict[str, Any] = {
        "evaluation_id": evaluation.id,
        "status": word(ask.generation, evaluation.phase(ask.now)),
        "benchmark_id": evaluation.benchmark_id,
        "start_time": stamp(ask.generation, book.epoch, evaluation.created),
        "end_time": stamp(ask.generation, book.epoch, evaluation.end) if over else None,
    }
    if over:
        return told
    shown, remaining = evaluation.progress(ask.now), evaluation.remaining(ask.now)
    done = None if shown is None else shown * evaluation.total // 100
    length = evaluation.ended - evaluation.created
    average = None if remaining is None or not evaluation.total else length / evaluation.total
    return told | {
        "progress": None if done is None else f"{done}/{evaluation.total} questions",
        "questions_completed": done,
        "total_questions": evaluation.total,
        "avg_time_per_question": None if average is None else round(average, 2),
        "eta_seconds": None if remaining is None else round(remaining),
    }


def detail(book: Book, ask: Ask) -> Answer:
    """One evaluation, whole."""
    evaluation = _find(book, ask)
    return Answer(data=_row(book, ask, evaluation) | _status(book, ask, evaluation))


def results(book: Book, ask: Ask) -> Answer:
    """What was measured; 400 before the end."""
    return Answer(data=_results(book, ask, _finished(book, ask)))


def _results(book: Book, ask: Ask, evaluation: Evaluation) -> dict[str, Any]:
    compared = evaluation.base_id is not None
    told: dict[str, Any] = {
        "evaluation_id": evaluation.id,
        "model_id": evaluation.model_id,
        "benchmark_id": evaluation.benchmark_id,
        "status": word(ask.generation, "ready"),
        "method": "eval-compare" if compared else "eval",
        "raw_answers_count": evaluation.total,
        "completed_at": stamp(ask.generation, book.epoch, evaluation.ended),
        "metrics": _metrics(book, evaluation),
    }
    if evaluation.base_id is None:
        return told
    base = book.skill(evaluation.base_id, evaluation.benchmark_id)
    ours = book.skill(evaluation.model_id, evaluation.benchmark_id)
    if not ask.plural:
        told |= {"model_id": evaluation.base_id, "model_id_2": evaluation.model_id}
    return told | {
        "base_model": {"model_id": evaluation.base_id, **_skill(base)},
        "eval_model": {"model_id": evaluation.model_id, **_skill(ours)},
        "comparison": {
            "accuracy_difference": round(ours.accuracy - base.accuracy, 3),
            "uncertainty_difference": round(ours.uncertainty - base.uncertainty, 3),
            "winner": evaluation.model_id if ours.accuracy > base.accuracy else evaluation.base_id,
        },
    }


def _skill(skill: Skill) -> dict[str, Any]:
    return {
        "accuracy": skill.accuracy,
        "uncertainty": skill.uncertainty,
        "domain_violations": skill.domain_violations,
    }


def _metrics(book: Book, evaluation: Evaluation) -> dict[str, Any]:
    skill = book.skill(evaluation.model_id, evaluation.benchmark_id)
    dice = Random(f"{book.seed}/metrics/{evaluation.id}")
    asked = evaluation.custom_metrics or ()
    extra = {name: round(dice.uniform(0.5, 0.99), 3) for name in asked}
    return {
        **extra,
        **_skill(skill),
        "overall_score": skill.accuracy,
        "total_questions": evaluation.total,
        "correct_answers": round(skill.accuracy * evaluation.total),
    }


def download(book: Book, ask: Ask) -> Answer:
    """The results as a file, with single answers."""
    evaluation = _finished(book, ask)
    dice = Random(f"{book.seed}/answers/{evaluation.id}")
    answers = [
        {
            "question": f"What does section {number} say?",
            "expected_answer": f"It says what section {number} says.",
            "model_answer": f"Section {number} says so.",
            "score": round(dice.random(), 2),
        }
        for number in range(1, min(evaluation.total, _DETAILS) + 1)
    ]
    whole = _results(book, ask, evaluation) | {
        "created_at": stamp(ask.generation, book.epoch, evaluation.created),
        "detailed_results": answers,
    }
    disposition = f'attachment; filename="evaluation_{evaluation.id}.json"'
    return Answer(raw=as_json(whole), headers={"Content-Disposition": disposition})


def evaluations(book: Book, ask: Ask) -> Answer:
    """A page of evaluations, newest first."""
    limit = query_number(ask, "limit", _PAGE, 1, _LARGEST_PAGE)
    offset = query_number(ask, "offset", 0, 0, 10**9)
    query = ask.request.query
    wanted = query.get("status")
    phases = None if wanted is None else filtered_phases(ask.generation, wanted)
    model_id = query.get("model_id")
    matching = [
        each
        for each in reversed(book.evaluations.values())
        if each.created <= ask.seen
        and (phases is None or each.phase(ask.seen) in phases)
        and model_id in (None, each.model_id, each.base_id)
    ]
    page = matching[offset : offset + limit]
    return Answer(
        data={
            "user_id": "user-00001",
            "evaluations": [_row(book, ask, each) for each in page],
            "total": len(matching),
            "limit": limit,
            "offset": offset,
        }
    )


def _row(book: Book, ask: Ask, evaluation: Evaluation) -> dict[str, Any]:
    phase = evaluation.phase(ask.seen)
    told: dict[str, Any] = {
        "evaluation_id": evaluation.id,
        "model_id": evaluation.model_id,
        "benchmark_id": evaluation.benchmark_id,
        "status": word(ask.generation, phase),
        "judge_provider": "nugen",
        "created_at": stamp(ask.generation, book.epoch, evaluation.created),
        "metrics": _metrics(book, evaluation) if phase == "ready" else None,
    }
    if evaluation.error is not None and phase == "failed":
        told["error"] = evaluation.error
    if evaluation.base_id is not None:
        told |= (
            {"baseline_model_id": evaluation.base_id}
            if ask.generation == "G4"
            else {"model_id": evaluation.base_id, "model_id_2": evaluation.model_id}
        )
    return told


def _finished(book: Book, ask: Ask) -> Evaluation:
    evaluation = _find(book, ask)
    if evaluation.phase(ask.now) != "ready":
        raise Refused(400, "Evaluation is not yet completed")
    return evaluation


def _find(book: Book, ask: Ask) -> Evaluation:
    evaluation = book.evaluations.get(ask.id)
    if evaluation is None or evaluation.created > ask.now:
        raise Refused(404, f"Evaluation not found: {ask.id}")
    return evaluation


_BASE = "/api/v3/evaluations"
ROUTES = (
    Route("POST", _BASE, "create_evaluation", create, "documented"),
    Route("POST", f"{_BASE}/create", "create_evaluation", create, "plural"),
    Route("GET", _BASE, "list_evaluations", evaluations),
    Route("GET", f"{_BASE}/{{id}}/status", "evaluation_status", status),
    Route("GET", f"{_BASE}/{{id}}/results", "evaluation_results", results),
    Route("GET", f"{_BASE}/{{id}}/download", "evaluation_download", download),
    Route("GET", f"{_BASE}/{{id}}", "get_evaluation", detail),
)

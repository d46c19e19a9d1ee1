"""Models: base ones, aligned ones, and whether they can be called."""

from __future__ import annotations

from typing import Any

from ..book import Book
from ..checks import query_number
from ..exchange import Answer, Ask, Refused, Route
from ..forms import Task, serving_word, stamp, task_word, word
from ..records import Deployment, Evaluation, Model

_PLENTY = 10**6


def base(book: Book, ask: Ask) -> Answer:
    """The models that others can be made of."""
    limit = query_number(ask, "limit", _PLENTY, 1, _PLENTY)
    rows = [
        {
            "model_id": model.id,
            "model_name": model.name,
            "parameters": model.parameters,
            "alignment_ready": model.alignment_ready,
            "available_on_request": False,
            "access_request_status": None,
            "type": model.kind,
        }
        for model in book.base_models[:limit]
    ]
    return Answer(data={"models": rows})


def aligned(book: Book, ask: Ask) -> Answer:
    """Every aligned model; 404 when there are none."""
    shown = [
        each
        for each in book.models.values()
        if each.created <= ask.seen or each.operation(ask.seen) is not None
    ]
    if ask.generation == "G4":
        shown = shown[-query_number(ask, "limit", _PLENTY, 1, _PLENTY) :]
    if not shown:
        raise Refused(404, "No aligned models found")
    by_model = latest_evaluations(book, ask.seen)
    rows = [row(book, ask, each, by_model.get(each.id)) for each in shown]
    return Answer(data={"domain_aligned_models": rows})


def latest_evaluations(book: Book, now: float) -> dict[str, Evaluation]:
    """The last finished evaluation of each model, found in one pass."""
    return {
        each.model_id: each
        for each in book.evaluations.values()
        if each.outcome == "ready" and each.ended <= now
    }


def row(book: Book, ask: Ask, model: Model, evaluation: Evaluation | None) -> dict[str, Any]:
    """An aligned model with its deployment state."""
    now, generation = ask.seen, ask.generation
    alignment = book.alignments[model.alignment_id]
    skill = book.skill(model.id, alignment.benchmark_id or alignment.id)
    serving = model.serving(now)
    state = serving_word(generation, serving)
    simple = "READY" if generation == "G3" and serving == "undeployed" else state
    last = model.operation(now)
    failed = last is not None and last.phase(now) == "failed"
    plural = generation == "G4"
    told: dict[str, Any] = {
        "model_id" if plural else "id": model.id,
        "alignment_id": model.alignment_id,
        "model_name" if plural else "name": model.name,
        "base_model_id" if plural else "base_model": model.base_model,
        "alignment_project": alignment.name,
        "created_date": stamp(generation, book.epoch, model.created),
        "status": "READY" if generation == "G3" and failed and serving != "deployed" else state,
        "deployment_status": simple,
        "endpoint": endpoint(model) if serving == "deployed" else "",
        "creator": book.creator,
        "usage_count": model.uses,
        "last_used": (
            None if model.last_used is None else stamp(generation, book.epoch, model.last_used)
        ),
        "performance_metrics": {
            "accuracy": skill.accuracy,
            "uncertainty": skill.uncertainty,
            "domain_violations": skill.domain_violations,
            "average_response_time": skill.response_time,
        },
        "downloadable": False,
        "evaluation_data": None if evaluation is None else _measured(book, ask, evaluation),
        "conversation_saving_enabled": False,
    }
    if plural and failed and last is not None:
        told["error"] = last.error
    return told


def _measured(book: Book, ask: Ask, evaluation: Evaluation) -> dict[str, Any]:
    skill = book.skill(evaluation.model_id, evaluation.benchmark_id)
    return {
        "evaluation_id": evaluation.id,
        "status": word(ask.generation, "ready"),
        "method": "eval" if evaluation.base_id is None else "eval-compare",
        "metrics": {
            "accuracy": skill.accuracy,
            "overall_score": skill.accuracy,
            "uncertainty": skill.uncertainty,
            "domain_violations": skill.domain_violations,
        },
        "raw_answers_count": evaluation.total,
        "created_at": stamp(ask.generation, book.epoch, evaluation.created),
        "completed_at": stamp(ask.generation, book.epoch, evaluation.ended),
    }


def detail(book: Book, ask: Ask) -> Answer:
    """One aligned model."""
    model = _find(book, ask)
    return Answer(data=row(book, ask, model, latest_evaluations(book, ask.seen).get(model.id)))


def endpoint(model: Model) -> str:
    """Where a deployed model is called."""
    return f"https://api.nugen.in/api/v3/inference/completions/{model.id}"


def deploy(book: Book, ask: Ask) -> Answer:
    """Start serving a model. The documented answer is the model's id, to poll with."""
    model = _find(book, ask)
    alignment = book.alignments[model.alignment_id]
    if ask.now < model.created:
        early = ask.request.query.get("early", "").casefold() in ("true", "1")
        if not (early and ask.now >= alignment.model_id_from):
            raise Refused(409 if ask.plural else 400, "Model is still training")
    if model.serving(ask.now) in ("deploying", "deployed"):
        raise Refused(400, f"Model is already {model.serving(ask.now)}")
    if model.serving(ask.now) == "undeploying":
        raise Refused(400, "Model is being undeployed")
    return _begin(book, ask, model, "deploy")


def undeploy(book: Book, ask: Ask) -> Answer:
    """Stop serving a model; the documented answer is a bare JSON string, its id."""
    model = _find(book, ask)
    if model.serving(ask.now) != "deployed":
        raise Refused(400, "Model is not deployed")
    return _begin(book, ask, model, "undeploy")


def _begin(book: Book, ask: Ask, model: Model, verb: Task) -> Answer:
    made = book.new_id(verb, ask.now)
    course = book.course("deployment" if verb == "deploy" else "undeployment", made, ask.now)
    model.operations.append(Deployment(**course, verb=verb))
    if ask.plural:
        state = task_word("G4", verb, "running")
        return Answer(data={"model_id": model.id, "status": state}, created=made)
    return Answer(data=model.id, created=made)


def deploy_status(book: Book, ask: Ask) -> Answer:
    """The last attempt to deploy."""
    return _task(book, ask, "deploy")


def undeploy_status(book: Book, ask: Ask) -> Answer:
    """The last attempt to undeploy."""
    return _task(book, ask, "undeploy")


def _task(book: Book, ask: Ask, verb: Task) -> Answer:
    model = _find(book, ask)
    task = model.operation(ask.now, verb)
    if task is None:
        raise Refused(404, f"No {verb}ment of this model: {model.id}")
    phase = task.phase(ask.now)
    result: dict[str, Any] | None = None
    if phase == "failed":
        result = {"error": task.error}
    elif phase == "ready" and verb == "deploy":
        result = {"deployment_id": task.id, "endpoint_url": endpoint(model)}
    elif phase == "ready":
        result = {"message": "The model was undeployed"}
    return Answer(
        data={
            "model_id": model.id,
            "status": task_word(ask.generation, verb, phase),
            "result": result,
            "start_time": stamp(ask.generation, book.epoch, task.created),
            "end_time": (
                stamp(ask.generation, book.epoch, task.ended) if task.over(ask.now) else None
            ),
        }
    )


def deployment_status(book: Book, ask: Ask) -> Answer:
    """What a model is doing, whichever way it was asked: a failed deploy shows as undeployed."""
    model = _find(book, ask)
    last = model.operation(ask.now)
    error = last.error if last is not None and last.phase(ask.now) == "failed" else None
    if ask.generation == "G4" or last is None:
        state = serving_word("G4", model.serving(ask.now))
    else:
        state = task_word(ask.generation, last.verb, last.phase(ask.now))
    return Answer(data={"model_id": model.id, "status": state, "error": error})


def _find(book: Book, ask: Ask) -> Model:
    model = book.models.get(ask.id)
    if model is None or book.alignments[model.alignment_id].model_id_from > ask.now:
        raise Refused(404, f"Model not found: {ask.id}")
    return model


_BASE = "/api/v3/models"
_DEPLOY, _UNDEPLOY = f"{_BASE}/deploy-model/{{id}}", f"{_BASE}/undeploy-model/{{id}}"
_DEPLOYMENT = f"{_BASE}/{{id}}/deployment"
ROUTES = (
    Route("GET", f"{_BASE}/base", "list_base_models", base),
    Route("GET", f"{_BASE}/aligned", "list_aligned_models", aligned),
    Route("POST", _DEPLOY, "deploy", deploy, "documented"),
    Route("GET", f"{_DEPLOY}/status", "deploy_status", deploy_status, "documented"),
    Route("DELETE", _UNDEPLOY, "undeploy", undeploy, "documented"),
    Route("GET", f"{_UNDEPLOY}/status", "undeploy_status", undeploy_status, "documented"),
    Route("POST", _DEPLOYMENT, "deploy", deploy, "plural"),
    Route("DELETE", _DEPLOYMENT, "undeploy", undeploy, "plural"),
    Route("GET", f"{_DEPLOYMENT}/status", "deployment_status", deployment_status, "plural"),
    Route("GET", f"{_BASE}/{{id}}", "get_model", detail, "plural"),
)

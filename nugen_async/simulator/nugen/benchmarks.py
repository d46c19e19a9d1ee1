"""Benchmarks: questions generated from documents, or uploaded ready."""

from __future__ import annotations

import json
from typing import Any

from ..book import Book
from ..checks import Field as Key
from ..checks import array, checked, form_text, missing, number, required, text
from ..exchange import Answer, Ask, Refused, Route, found
from ..forms import stamp, word
from ..records import Benchmark

_LARGEST = 20 * 1024 * 1024
_MOST = 10_000


def create(book: Book, ask: Ask) -> Answer:
    """Generate questions from documents."""
    documents_key = "document_ids" if ask.plural else "documents"
    count_key = "n_samples" if ask.plural else "num_questions"
    body = checked(
        ask,
        required(documents_key, array(text)),
        required(count_key, number(1, _MOST, whole=True)),
        Key("benchmark_name", text),
    )
    ids = body[documents_key]
    if not ids:
        raise Refused(400, "No documents given")
    book.check_documents(ids, ask.now)
    name = body.get("benchmark_name")
    _refuse_duplicate(book, ask, name)
    made = book.new_id("task" if not ask.plural else "benchmark", ask.now)
    benchmark = Benchmark(
        **book.course("benchmark", made, ask.now),
        name=name or f"Benchmark_{ids[0]}",
        document_ids=ids,
        size=int(float(body[count_key])),
        source="generated",
    )
    _keep(book, benchmark)
    told = {_id_key(ask): made, "status": word(ask.generation, "running")}
    if ask.generation == "G4":
        told["benchmark_name"] = benchmark.name
    return Answer(data=told, created=made)


def upload(book: Book, ask: Ask) -> Answer:
    """Take ready questions as a JSON file."""
    files = ask.request.form.uploads("file") if ask.request.form is not None else []
    if not files:
        raise missing(ask, "body", "file")
    file = files[0]
    name = form_text(ask, "benchmark_name", "name") if ask.plural else form_text(ask, "name")
    document_id = form_text(ask, "document_id")
    if file.size > _LARGEST:
        raise Refused(413, "File too large")
    questions = _questions(file.content or b"")
    if document_id not in book.documents and not book.trusting:
        raise Refused(400, f"Unknown document: {document_id}")
    _refuse_duplicate(book, ask, name)
    made = book.new_id("benchmark", ask.now)
    benchmark = Benchmark(
        **book.course("benchmark", made, ask.now, span=book.uploaded_benchmark),
        name=name,
        document_ids=[document_id],
        size=len(questions),
        source="uploaded",
        description=form_text(ask, "description", needed=False) or None,
        questions=questions,
    )
    _keep(book, benchmark)
    plural = ask.generation == "G4"
    told: dict[str, Any] = {
        _id_key(ask): made,
        "benchmark_name" if plural else "name": name,
        "status": word(ask.generation, benchmark.phase(ask.now)),
        "n_samples" if plural else "num_questions": benchmark.size,
    }
    if not plural:
        told["questions"] = _items(ask, benchmark)
    return Answer(data=told, created=made)


def _refuse_duplicate(book: Book, ask: Ask, name: str | None) -> None:
    contract = "plural" if ask.plural else "documented"
    existing = None if name is None else book.benchmark_names.get(name)
    if existing is not None and contract in book.duplicate_names:
        raise Refused(409, {"message": "A benchmark of this name exists", "benchmark_id": existing})


def _keep(book: Book, benchmark: Benchmark) -> None:
    book.benchmarks[benchmark.id] = benchmark
    book.benchmark_names.setdefault(benchmark.name, benchmark.id)


def _questions(content: bytes) -> list[tuple[int, str, str]]:
    try:
        items: list[dict[str, Any]] = json.loads(content)
        return [_question(item, index) for index, item in enumerate(items, start=1)]
    except (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise Refused(400, "The file is not an array of questions and answers") from error


def _question(item: dict[str, Any], index: int) -> tuple[int, str, str]:
    if "question" in item:
        return int(item.get("question_num", index)), str(item["question"]), str(item["answer"])
    return int(item.get("sample_num", index)), str(item["instruction"]), str(item["response"])


def status(book: Book, ask: Ask) -> Answer:
    """One benchmark's progress, of which there is none but the times."""
    benchmark = _find(book, ask)
    over = benchmark.over(ask.now)
    return Answer(
        data={
            _id_key(ask): benchmark.id,
            "benchmark_name": benchmark.name,
            "status": word(ask.generation, benchmark.phase(ask.now)),
            "start_time": stamp(ask.generation, book.epoch, benchmark.started),
            "end_time": stamp(ask.generation, book.epoch, benchmark.end) if over else None,
        }
    )


def benchmarks(book: Book, ask: Ask) -> Answer:
    """Every benchmark."""
    shown = [each for each in book.benchmarks.values() if each.created <= ask.seen]
    return Answer(data={"benchmarks": [_row(book, ask, each) for each in shown]})


def data(book: Book, ask: Ask) -> Answer:
    """A benchmark with its questions."""
    benchmark = _find(book, ask)
    phase = benchmark.phase(ask.now)
    whole = _row(book, ask, benchmark) | {
        "benchmark_id": benchmark.id,
        "source": benchmark.source,
        "s3_key": None,
        "s3_url": None,
        "samples" if ask.generation == "G4" else "questions": (
            _items(ask, benchmark) if phase == "ready" else []
        ),
        "metadata": dict[str, str](),
        "error": benchmark.error if phase == "failed" else None,
    }
    return Answer(data=whole)


def _row(book: Book, ask: Ask, benchmark: Benchmark) -> dict[str, Any]:
    plural = ask.generation == "G4"
    latest = min(ask.seen, benchmark.end)
    return {
        _id_key(ask): benchmark.id,
        "benchmark_name": benchmark.name,
        "status": word(ask.generation, benchmark.phase(ask.seen)),
        "document_ids" if plural else "documents": benchmark.document_ids,
        "n_samples" if plural else "num_questions": benchmark.size,
        "created_at": stamp(ask.generation, book.epoch, benchmark.created),
        "updated_at": stamp(ask.generation, book.epoch, latest),
    }


def _items(ask: Ask, benchmark: Benchmark) -> list[dict[str, Any]]:
    keys = ("question_num", "question", "answer")
    if ask.generation == "G4":
        keys = ("sample_num", "instruction", "response")
    questions = benchmark.questions or [
        (number, f"What does section {number} say?", f"It says what section {number} says.")
        for number in range(1, benchmark.size + 1)
    ]
    return [dict(zip(keys, each, strict=True)) for each in questions]


def _id_key(ask: Ask) -> str:
    return "benchmark_id" if ask.generation == "G4" else "id"


def _find(book: Book, ask: Ask) -> Benchmark:
    return found(book.benchmarks, ask.id, "Benchmark")


_ONE = "/api/v3/benchmark"
_MANY = "/api/v3/benchmarks"
ROUTES = (
    Route("POST", f"{_ONE}/create", "create_benchmark", create, "documented"),
    Route("POST", f"{_MANY}/create", "create_benchmark", create, "plural"),
    Route("POST", f"{_ONE}/upload", "upload_benchmark", upload, "documented"),
    Route("POST", f"{_MANY}/upload", "upload_benchmark", upload, "plural"),
    Route("GET", f"{_ONE}/status/{{id}}", "benchmark_status", status, "documented"),
    Route("GET", f"{_MANY}/{{id}}/status", "benchmark_status", status, "plural"),
    Route("GET", f"{_ONE}/list", "list_benchmarks", benchmarks, "documented"),
    Route("GET", f"{_MANY}/list", "list_benchmarks", benchmarks, "plural"),
    Route("GET", f"{_ONE}/{{id}}/data", "benchmark_data", data, "documented"),
    Route("GET", f"{_MANY}/{{id}}/data", "benchmark_data", data, "plural"),
)

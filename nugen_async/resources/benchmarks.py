"""Benchmarks: questions with their right answers, written from documents or brought along."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from attrs import evolve, field, frozen

from .._core.codec import dumps, loads, seen_as, structure
from .._core.page import Page
from .._core.reconcile import Wanted
from .._core.schedule import Phase
from .._core.tolerance import ErrorText
from .._core.wire import Call, Contract, Effect, Part, Route, Routes
from ..errors import ConflictError, DecodeError, InvalidRequestError
from . import _checks
from ._lifecycle import Lifecycle
from ._lists import Listing
from ._nouns import JobCollection
from ._reconciling import reconciled
from ._records import Job

_ONE = "/api/v3/benchmark"
_MANY = "/api/v3/benchmarks"


@frozen(kw_only=True)
class Question:
    """One question and its right answer."""

    rows: ClassVar = ("questions", "samples")

    question: str = field(metadata=seen_as("instruction"))
    answer: str = field(metadata=seen_as("response"))
    question_num: int | None = field(default=None, metadata=seen_as("sample_num"))


QuestionLike: TypeAlias = Question | tuple[str, str] | Mapping[str, Any]
"""A question with its answer: a `Question`, a pair, or an object in either contract's names."""


@frozen(kw_only=True)
class Benchmark(Job):
    """One benchmark, as the server last described it."""

    rows: ClassVar = ("benchmarks",)
    lifecycle: ClassVar = Lifecycle(
        ready=frozenset({"ready", "completed", "uploaded"}),
        moving=frozenset({"queued", "pending", "processing", "running", "in_progress"}),
    )

    id: str = field(metadata=seen_as("benchmark_id"))
    benchmark_name: str = field(default="", metadata=seen_as("name"))
    status: str = ""
    documents: tuple[str, ...] = field(default=(), metadata=seen_as("document_ids", "document_id"))
    num_questions: int | None = field(default=None, metadata=seen_as("n_samples"))
    created_at: datetime | None = field(
        default=None, metadata=seen_as("created_date", "start_time")
    )
    updated_at: datetime | None = field(default=None, metadata=seen_as("updated_date"))
    start_time: datetime | None = None
    end_time: datetime | None = field(default=None, metadata=seen_as("completed_at"))
    source: str | None = None
    s3_key: str | None = None
    s3_url: str | None = None
    questions: tuple[Question, ...] = field(default=(), metadata=seen_as("samples"))
    """Only in `Benchmarks.get` and in the answer to an upload."""
    metadata: Mapping[str, Any] = field(factory=dict[str, Any])
    error: ErrorText | None = None

    @property
    def reason(self) -> str:
        """Why it failed."""
        return self.error or ""

    @property
    def created(self) -> datetime | None:
        """When it was started."""
        return self.created_at or self.start_time


@frozen(eq=False)
class Benchmarks(JobCollection[Benchmark]):
    """``client.benchmarks``."""

    noun: ClassVar = "benchmarks"
    record: ClassVar = Benchmark
    routes: ClassVar[Mapping[str, Routes]] = {
        "create": Routes(
            Route("POST", f"{_ONE}/create", {"document_ids": "documents"}),
            Route(
                "POST",
                f"{_MANY}/create",
                {"num_questions": "n_samples", "name": "benchmark_name"},
            ),
            only={"name": "plural"},
        ),
        "upload": Routes(Route("POST", f"{_ONE}/upload"), Route("POST", f"{_MANY}/upload")),
        "status": Routes(
            Route("GET", f"{_ONE}/status/{{id}}"), Route("GET", f"{_MANY}/{{id}}/status")
        ),
        "get": Routes(Route("GET", f"{_ONE}/{{id}}/data"), Route("GET", f"{_MANY}/{{id}}/data")),
        "list": Routes(Route("GET", f"{_ONE}/list"), Route("GET", f"{_MANY}/list")),
    }

    async def create(
        self,
        *,
        document_ids: Sequence[str],
        num_questions: int,
        name: str | None = None,
        on_unknown: Literal["raise", "reconcile"] = "raise",
    ) -> Benchmark:
        """Have questions written from documents (create-benchmark-task).

        `name` is what to call the benchmark (plural contract; the documented one has no field for it).

        When the answer is lost, `on_unknown="reconcile"` looks through the list and returns the one that
        has these documents, this number of questions and this name and is new; without a name of ours the
        match is only probable.

        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        fields = {
            "document_ids": _checks.texts("document_ids", document_ids),
            "num_questions": _checks.whole("num_questions", num_questions),
            "name": _checks.optional_text("name", name),
        }
        call = self._call("create", Benchmark, json=fields, effect=Effect.CREATE)
        wanted = Wanted(name=name, documents=frozenset(document_ids), size=num_questions)
        return await reconciled(lambda: self._send(call), self.list, wanted, on_unknown)

    async def upload(
        self,
        questions: Sequence[QuestionLike] | str | os.PathLike[str],
        *,
        name: str,
        document_id: str,
        description: str | None = None,
        on_duplicate: Literal["adopt", "raise"] = "adopt",
    ) -> Benchmark:
        """Upload ready questions, or a JSON file of them (upload-benchmark-file).

        A file holds an array of ``{question, answer}``, in either contract's names; what is sent has the
        names of the contract in use. Unless every question has a number of its own, all are numbered
        anew, from 1. A benchmark that exists already by the server's word (409 with its
        id) is returned as it is, unless *on_duplicate* is ``"raise"``.

        Raises `InvalidRequestError` before sending, `CreateOutcomeUnknownError` when the answer was lost.
        """
        if isinstance(questions, str | os.PathLike):
            rows = await asyncio.to_thread(read_questions, questions)
        else:
            rows = _questions(questions)
        form = {
            "name": _checks.text("name", name),
            "document_id": _checks.text("document_id", document_id),
            "description": _checks.maybe_text("description", description),
        }
        try:
            return await self._send(self._upload(rows, form))
        except ConflictError as error:
            existing = error.id_of("benchmark")
            if on_duplicate == "raise" or existing is None:
                raise
            return await self.get_status(existing)

    def _upload(self, rows: list[Question], form: Mapping[str, str | None]) -> Call[Benchmark]:
        call = self._call("upload", Benchmark, effect=Effect.CREATE)
        other = call.alternative
        if other is not None:
            other = evolve(other, parts=_parts(rows, form, "plural"))
        known = self._api.dialect.of(self.noun) or "documented"
        return evolve(call, parts=_parts(rows, form, known), alternative=other)

    async def get(self, benchmark_id: str) -> Benchmark:
        """Fetch everything about one benchmark, its questions too (get-benchmark-data)."""
        return await self._send(self._detail(benchmark_id))

    async def get_status(self, benchmark_id: str) -> Benchmark:
        """Fetch the status only (get-benchmark-status)."""
        return await self._send(self._look(benchmark_id))

    def list(self) -> Listing[Benchmark]:
        """List every benchmark, without questions (get-benchmark-list)."""
        return Listing(lambda _offset, _limit: self._send(self._page(0, 0)))

    def _look(self, job_id: str) -> Call[Benchmark]:
        return self._asking("status", Benchmark, job_id)

    def _detail(self, job_id: str) -> Call[Benchmark]:
        return self._asking("get", Benchmark, job_id)

    def _page(self, offset: int, limit: int) -> Call[Page[Benchmark]]:  # noqa: ARG002 # the list comes whole
        return self._call("list", Page[Benchmark])

    def _complete(self, job: Benchmark) -> bool:
        return not job.phase.ended or bool(job.reason) or job.phase is Phase.READY


def read_questions(path: str | os.PathLike[str]) -> list[Question]:
    """The questions in the JSON file at *path*; raises `InvalidRequestError` if they cannot be uploaded.

    It reads the file: call it in a thread where a loop runs.
    """
    path = Path(os.fspath(path))
    try:
        held = loads(path.read_bytes())
    except OSError as error:
        raise InvalidRequestError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise InvalidRequestError(f"{str(path)!r} is not JSON: {error}") from error
    if isinstance(held, dict):
        held = next((held[key] for key in Question.rows if key in held), held)
    if not isinstance(held, list):
        raise InvalidRequestError(f"{str(path)!r} holds no array of questions")
    try:
        return _questions(held)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{str(path)!r}: {error}") from None


def _questions(given: Iterable[QuestionLike]) -> list[Question]:
    rows = [_question(index, each) for index, each in enumerate(given)]
    if not rows:
        raise InvalidRequestError("there is no question to upload")
    numbers = {row.question_num for row in rows}
    if None not in numbers and len(numbers) == len(rows):
        return rows
    return [evolve(row, question_num=number) for number, row in enumerate(rows, 1)]


def _question(index: int, given: QuestionLike) -> Question:
    if isinstance(given, Question):
        made = given
    elif isinstance(given, Mapping):
        try:
            made = structure(dict(given), Question)
        except DecodeError as error:
            raise InvalidRequestError(
                f"question {index + 1}: {'; '.join(error.problems)}"
            ) from None
    elif isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2:  # noqa: PLR2004 # a pair
        made = Question(question=given[0], answer=given[1])
    else:
        raise InvalidRequestError(f"question {index + 1} is no pair of question and answer")
    _checks.text(f"question {index + 1}", made.question)
    _checks.text(f"the answer to question {index + 1}", made.answer)
    return made


def _parts(
    rows: Sequence[Question], form: Mapping[str, str | None], contract: Contract
) -> tuple[Part, ...]:
    """The form in *contract*'s names; both names of the name go out where its clients disagree."""
    plural = contract == "plural"
    number, question, answer = (
        ("sample_num", "instruction", "response")
        if plural
        else ("question_num", "question", "answer")
    )
    held = [{number: q.question_num, question: q.question, answer: q.answer} for q in rows]
    body = dumps(held)
    fields = {**form, "benchmark_name": form["name"] if plural else None}
    return (
        Part(
            "file",
            filename="questions.json",
            content_type="application/json",
            open=lambda: body,
            size=len(body),
        ),
        *(Part(name, value) for name, value in fields.items() if value is not None),
    )

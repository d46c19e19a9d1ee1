"""``benchmarks``: questions with right answers, listed, shown, generated or uploaded."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from ..resources.benchmarks import Benchmark, Question
from .common import AT_ONCE, DEFAULTS, LOOK, VERBS, Common, Names, Waiting, app, epilogue
from .exits import Exit
from .follow import started, started_or_ended
from .screen import Column

benchmarks = App(
    name="benchmarks",
    group=LOOK,
    group_commands=VERBS,
    help="List benchmarks, show one, have one written, or upload one.",
    help_epilogue=epilogue(
        "nugen-async benchmarks",
        "nugen-async benchmarks create --document-id doc-1 --questions 20 --wait",
        "nugen-async benchmarks upload held-out.json --name own --document-id doc-1",
    ),
)
app.command(benchmarks)

_COLUMNS: tuple[Column[Benchmark], ...] = (
    Column("id", lambda b: b.id, fold=True),
    Column("name", lambda b: b.benchmark_name),
    Column("status", lambda b: b.status),
    Column("questions", lambda b: b.num_questions, right=True),
    Column("documents", lambda b: len(b.documents) or None, right=True, rank=2),
    Column("created", lambda b: b.created, rank=1),
)
_QUESTIONS: tuple[Column[Question], ...] = (
    Column("no", lambda q: q.question_num, right=True),
    Column("question", lambda q: q.question, fold=True),
    Column("answer", lambda q: q.answer, fold=True),
)


@benchmarks.default
async def list_benchmarks(*, common: Common = DEFAULTS) -> int:
    """List all benchmarks of the account."""
    async with common.nugen() as nugen:
        page = await nugen.benchmarks.list()
    common.screen.rows(
        page, _COLUMNS, nothing="No benchmarks yet: nugen-async benchmarks create -h"
    )
    return Exit.OK


@benchmarks.command(
    name="show",
    help_epilogue=epilogue(
        "nugen-async benchmarks show bench-7", "nugen-async benchmarks show bench-7 --json"
    ),
)
async def show(benchmark_id: str, /, *, common: Common = DEFAULTS) -> int:
    """Show the questions of one benchmark and their answers.

    Parameters
    ----------
    benchmark_id
        The benchmark's ID.
    """
    async with common.nugen() as nugen:
        found = await nugen.benchmarks.get(benchmark_id)
    screen = common.screen
    if screen.human and found.questions:
        screen.rows(found.questions, _QUESTIONS)
    else:
        screen.show(found)
    return Exit.OK


@benchmarks.command(
    name="create",
    help_epilogue=epilogue(
        "nugen-async benchmarks create --document-id doc-1 doc-2 --questions 20 --wait"
    ),
)
async def create(
    *,
    document_id: Names,
    questions: int = 10,
    waiting: Waiting = AT_ONCE,
    common: Common = DEFAULTS,
) -> int:
    """Have questions written from documents.

    Parameters
    ----------
    document_id
        Documents to ask about.
    questions
        How many questions.
    """
    waiting.check()
    async with common.nugen() as nugen:
        made = await nugen.benchmarks.create(document_ids=document_id, num_questions=questions)
        return await started_or_ended(common, waiting, nugen, made)


@benchmarks.command(
    name="upload",
    help_epilogue=epilogue(
        "nugen-async benchmarks upload held-out.json --name own --document-id doc-1"
    ),
)
async def upload(
    file: Path,
    /,
    *,
    name: str,
    document_id: str,
    description: str | None = None,
    common: Common = DEFAULTS,
) -> int:
    """Upload ready questions.

    Parameters
    ----------
    file
        JSON: an array of {"question": ..., "answer": ...}.
    name
        What to call the benchmark.
    document_id
        The document that the questions are about.
    description
        A note to keep with it.
    """
    async with common.nugen() as nugen:
        made = await nugen.benchmarks.upload(
            file, name=name, document_id=document_id, description=description
        )
        return started(common, made)

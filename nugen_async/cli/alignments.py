"""``align``: real files in, one alignment started, and awaited if asked to."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..client import Nugen
from ..errors import InvalidRequestError, NugenError, printable
from ..resources._records import Job
from ..resources.benchmarks import Question, read_questions
from .common import AT_ONCE, DEFAULTS, Common, Files, Names, Waiting, command
from .follow import follow, started_or_ended
from .refs import ref_of
from .screen import plural
from .uploads import send


@command(
    "nugen-async align --name contracts --base-model llama-v3p1-8b-instruct \\",
    "    --document contracts.txt clauses.md",
    "nugen-async align --name contracts --base-model llama-v3p1-8b-instruct \\",
    "    --document contracts.txt --benchmark questions.json --wait --timeout 7200",
    "nugen-async align --name contracts --base-model llama-v3p1-8b-instruct \\",
    "    --document-id doc-1 doc-2 --benchmark bench-7 --json",
)
async def align(
    *,
    name: str,
    base_model: str,
    document: Files | None = None,
    document_id: Names | None = None,
    benchmark: str | None = None,
    description: str | None = None,
    waiting: Waiting = AT_ONCE,
    common: Common = DEFAULTS,
) -> int:
    """Start one alignment; it costs money.

    Files are uploaded and processed first. Without --wait it returns as soon as the alignment is started.

    Parameters
    ----------
    name
        What to call the alignment.
    base_model
        The model to start from; "nugen-async models --base" lists them.
    document
        Files to learn from: .txt .md .json .jsonl .xml .csv .html, 100 MB each.
    document_id
        Documents that were uploaded before.
    benchmark
        The ID of a benchmark, or a JSON file of questions and answers, to evaluate the model on afterwards.
    description
        A note to keep with it.
    """
    if not document and not document_id:
        raise InvalidRequestError("an alignment needs documents: give --document or --document-id")
    questions = await _questions(benchmark)
    async with common.nugen() as nugen:
        ids = [*(document_id or ()), *await _uploaded(common, nugen, document or ())]
        try:
            if questions is not None:
                benchmark = await _benchmark(common, nugen, questions, ids[0], name)
            job = await nugen.alignments.create(
                name=name,
                base_model=base_model,
                document_ids=ids,
                benchmark_id=benchmark,
                description=description,
            )
        except NugenError:
            if document:
                common.screen.warn(
                    "The documents are uploaded; a later try can name them in place of the files:"
                )
                common.screen.command(shlex.join(["--document-id", *map(printable, ids)]))
            raise
        return await started_or_ended(common, waiting, nugen, job)


async def _questions(benchmark: str | None) -> Sequence[Question] | None:
    """The questions in the file *benchmark*; None where it is the id of a benchmark."""
    if benchmark is None or not Path(benchmark).is_file():  # noqa: ASYNC240 - one look at a local file
        return None
    return await asyncio.to_thread(read_questions, benchmark)


async def _uploaded(common: Common, nugen: Nugen, files: Sequence[Path]) -> list[str]:
    """The ids of *files* once they are uploaded and processed."""
    if not files:
        return []
    documents = await send(common.screen, nugen, files)
    common.screen.say(f"Waiting until {plural(len(files), 'file')} can be used ...")
    return await _ready(common, nugen, documents)


async def _benchmark(
    common: Common, nugen: Nugen, questions: Sequence[Question], document_id: str, name: str
) -> str:
    """The id of the benchmark that *questions* make."""
    common.screen.say(f"Uploading {plural(len(questions), 'question')} ...")
    made = await nugen.benchmarks.upload(
        questions, name=f"{name} questions", document_id=document_id
    )
    (ready,) = await _ready(common, nugen, [made])
    return ready


async def _ready(common: Common, nugen: Nugen, jobs: Sequence[Job]) -> list[str]:
    """The ids of *jobs* once they ended well; raises the error of the first that did not."""
    ends = await follow(common.screen, [(nugen, jobs)], base_url=common.base_url)
    for result in ends.values():
        if result.error is not None:
            raise result.error
    return [ends[ref_of(job)].job.id for job in jobs]

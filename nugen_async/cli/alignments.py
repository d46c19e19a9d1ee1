"""``align``: real files in, one alignment started, and awaited if asked to. ``alignments`` lists them."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from ..client import Nugen
from ..errors import (
    CreateOutcomeUnknownError,
    InvalidRequestError,
    JobFailedError,
    NugenError,
    printable,
)
from ..resources import _checks
from ..resources._records import Job
from ..resources.alignments import Alignment
from ..resources.benchmarks import Question, read_questions
from .common import AT_ONCE, DEFAULTS, LOOK, Common, Files, Names, Waiting, command
from .exits import Exit
from .follow import follow, newest, started, waited, watch_command
from .refs import ref_of
from .screen import Column, percent, plural
from .uploads import send

_LISTED: tuple[Column[Alignment], ...] = (
    Column("id", lambda a: a.id, fold=True),
    Column("name", lambda a: a.name),
    Column("status", lambda a: a.status),
    Column("done", lambda a: percent(a.hints().progress), right=True, rank=4),
    Column("base model", lambda a: a.base_model, rank=3),
    Column("model", lambda a: a.model_id, rank=2, fold=True),
    Column("created", lambda a: a.created, rank=1),
)


@command("nugen-async alignments", "nugen-async alignments --json | jq '.[0].id'", group=LOOK)
async def alignments(*, common: Common = DEFAULTS) -> int:
    """List all alignments of the account, the newest first."""
    async with common.nugen() as nugen:
        found = newest(await nugen.alignments.list())
    common.screen.rows(found, _LISTED, nothing="No alignments yet: nugen-async align -h")
    return Exit.OK


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

    Files are uploaded and processed first; --timeout limits that as well.

    Without --wait it returns as soon as the alignment is started.

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
    _checks.text("--name", name)
    _checks.text("--base-model", base_model)
    _checks.texts("--document-id", document_id or (), at_least=0)
    _checks.optional_text("--benchmark", benchmark)
    questions = await _questions(benchmark)
    if not document and questions is None:
        waiting.check()
    deadline = Deadline.after(waiting.timeout)
    async with common.nugen() as nugen:
        preparation = Preparation(common, nugen, deadline, list(document_id or ()), benchmark)
        with preparation.told():
            await preparation.upload(document or ())
            await preparation.make_benchmark(questions, name)
            preparation.asked = True
            job = await nugen.alignments.create(
                name=name,
                base_model=base_model,
                document_ids=preparation.ids,
                benchmark_id=preparation.benchmark,
                description=description,
            )
        if not waiting.wait:
            return started(common, job)
        return await waited(common, [(nugen, [job])], deadline.left, called={ref_of(job): name})


async def _questions(benchmark: str | None) -> Sequence[Question] | None:
    """The questions in the file *benchmark*; None where it is the id of a benchmark."""
    if benchmark is None or not Path(benchmark).is_file():  # noqa: ASYNC240 - one look at a local file
        return None
    return await asyncio.to_thread(read_questions, benchmark)


@frozen
class Deadline:
    """The end of a command's patience; it breaks off waits, never a request."""

    at: float | None

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """The one that is so many *seconds* away; None for none."""
        return cls(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    @property
    def left(self) -> float | None:
        """Seconds until then, 0 when it is over."""
        return None if self.at is None else max(0.0, self.at - asyncio.get_running_loop().time())


@define
class Preparation:
    """What an alignment needs before it can be started, and how to go on where it comes no further."""

    common: Common
    nugen: Nugen
    deadline: Deadline
    ids: list[str]
    """Documents to learn from: those that were named, then those that were uploaded."""
    benchmark: str | None
    asked: bool = False
    """The alignment was asked for: from now on it may exist."""
    _sent: list[str] = field(factory=list[str], init=False)
    """The words with which a later try names what this one uploaded."""
    _waited_for: list[str] = field(factory=list[str], init=False)

    async def upload(self, files: Sequence[Path]) -> None:
        """Upload *files*, and wait until they can be used."""
        if not files:
            return
        screen = self.common.screen
        documents = await send(screen, self.nugen, files)
        screen.say(f"Waiting until {plural(len(files), 'file')} can be used ...")
        self._sent += ("--document-id", *self.ids, *(document.id for document in documents))
        self.ids += await self._ready(documents)
        self._sent[1:] = self.ids

    async def make_benchmark(self, questions: Sequence[Question] | None, name: str) -> None:
        """Make a benchmark of *questions*, if there are any, and wait until it can be used."""
        if questions is None:
            return
        self.common.screen.say(f"Uploading {plural(len(questions), 'question')} ...")
        made = await self.nugen.benchmarks.upload(
            questions, name=f"{name} questions", document_id=self.ids[0]
        )
        self._sent += ("--benchmark", made.id)
        (self.benchmark,) = await self._ready([made])
        self._sent[-1] = self.benchmark

    async def _ready(self, jobs: Sequence[Job]) -> list[str]:
        """The ids of *jobs* once they ended well; raises the error of the first that did not."""
        self._waited_for = [ref_of(job) for job in jobs]
        ends = await follow(
            self.common.screen, [(self.nugen, jobs)], timeout=self.deadline.left, way_back=False
        )
        for result in ends.values():
            if result.error is not None:
                raise result.error
        self._waited_for = []
        return [ends[ref_of(job)].job.id for job in jobs]

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell what is there and what is not, where the block comes to no good end."""
        try:
            yield
        except asyncio.CancelledError:
            if self.asked:
                self.common.screen.warn("The alignment may have been started. To look:")
                self.common.screen.command("nugen-async alignments")
            else:
                self._tell()
            raise
        except NugenError as error:
            if not (self.asked and isinstance(error, CreateOutcomeUnknownError)):
                self._tell(lost=isinstance(error, JobFailedError))
            raise

    def _tell(self, *, lost: bool = False) -> None:
        """Say that nothing was started, and how a later try needs no second upload unless that is *lost*."""
        screen = self.common.screen
        screen.warn("The alignment was not started.")
        if lost or not self._sent:
            return
        if self._waited_for:
            screen.warn("What was uploaded is still being processed. To wait for that:")
            screen.command(watch_command(self._waited_for, self.common.base_url))
        screen.warn("A later try can name what was uploaded in place of the files:")
        screen.command(shlex.join(map(printable, self._sent)))

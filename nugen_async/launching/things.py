"""What a workflow makes: how each is sent for, and how it is known again when the answer was lost."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.reconcile import Wanted, marked
from ..client import Nugen
from ..resources._uploads import Upload
from .files import File, Files
from .making import Thing
from .spec import Workflow, digest


def document_key(file: File, *, mark: bool) -> str:
    """Under which a ledger keeps the document of this content and name."""
    return f"document:{file.sha256}:{file.name(marked=mark)}"


def document(nugen: Nugen, files: Files, file: File, attempt: int, *, mark: bool) -> Thing:
    """The document of a local file; each attempt has a name of its own."""
    name = file.name(marked=mark, attempt=attempt)
    token = file.mark(attempt) if mark else None

    async def send(_token: str) -> str:
        with await files.opened(file) as content:
            (sent,) = await nugen.documents.upload(Upload(name, content))
        return sent.id

    return Thing(
        kind="document",
        key=document_key(file, mark=mark),
        send=send,
        wanted=lambda _: Wanted(token=token, name=name, size=file.size, alike=mark),
    )


def uploaded_benchmark(nugen: Nugen, file: File, document_id: str, *, mark: bool) -> Thing:
    """The benchmark of a local file of questions."""
    stem = file.path.stem

    async def send(token: str) -> str:
        name = marked(stem, token) if mark else stem
        sent = await nugen.benchmarks.upload(file.path, name=name, document_id=document_id)
        return sent.id

    return Thing(
        kind="benchmark",
        key=f"benchmark:{digest([file.sha256, document_id, stem])}",
        send=send,
        wanted=lambda token: Wanted(
            token=token if mark else None, name=stem, documents=frozenset({document_id})
        ),
    )


def generated_benchmark(nugen: Nugen, document_ids: Sequence[str], size: int) -> Thing:
    """The benchmark of so many questions that are written from documents."""

    async def send(_token: str) -> str:
        sent = await nugen.benchmarks.create(document_ids=document_ids, num_questions=size)
        return sent.id

    return Thing(
        kind="benchmark",
        key=f"benchmark:{digest([sorted(document_ids), size])}",
        send=send,
        wanted=lambda _: Wanted(documents=frozenset(document_ids), size=size),
    )


def alignment(
    nugen: Nugen, key: str, spec: Workflow, document_ids: Sequence[str], deadline: float | None
) -> Thing:
    """The alignment of the workflow *key*, looked for until *deadline* by the loop's clock."""

    def name(token: str) -> str:
        return marked(spec.name, token) if spec.mark else spec.name

    async def send(token: str) -> str:
        made = await nugen.alignments.create(
            name=name(token),
            base_model=spec.base_model or "",
            document_ids=document_ids,
            workflow_id=token if spec.mark else None,
            description=spec.description,
            on_unknown="raise",
        )
        return made.id

    return Thing(
        kind="alignment",
        key=f"alignment:{key}",
        send=send,
        wanted=lambda token: Wanted(
            token=token if spec.mark else None,
            name=name(token),
            base_model=spec.base_model,
            documents=frozenset(document_ids),
        ),
        deadline=deadline,
    )


def evaluation(
    nugen: Nugen,
    key: str,
    spec: Workflow,
    *,
    model_id: str,
    benchmark_id: str,
    deadline: float | None,
) -> Thing:
    """The evaluation of the workflow *key*, beside the base model if that is wanted."""
    base = spec.base_model if spec.evaluate == "compare" else None

    async def send(_token: str) -> str:
        made = await nugen.evaluations.create(
            model_id=model_id,
            baseline=base,
            benchmark_id=benchmark_id,
            custom_metrics=spec.custom_metrics or None,
        )
        return made.id

    models = frozenset(filter(None, (model_id, base)))
    return Thing(
        kind="evaluation",
        key=f"evaluation:{key}",
        send=send,
        wanted=lambda _: Wanted(models=models, benchmark_id=benchmark_id),
        deadline=deadline,
    )

"""What is wanted: any part of a workflow, checked as a whole before anything is sent.

Pure; nothing is opened.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Self

from attrs import NOTHING, asdict, field, fields, frozen

from ..errors import InvalidRequestError, Problem

Evaluate = Literal["compare", "alone"]


class Stage(enum.StrEnum):
    """The parts of a workflow, in their order."""

    DOCUMENTS = "documents"
    BENCHMARK = "benchmark"
    ALIGNMENT = "alignment"
    DEPLOYMENT = "deployment"
    EVALUATION = "evaluation"
    RESULTS = "results"
    UNDEPLOYMENT = "undeployment"


def texts(value: Any) -> Any:
    """*value* as a tuple of texts, one alone as one of them; what is no such thing stays as it is."""
    if value is None:
        return ()
    if isinstance(value, str | os.PathLike):
        return (os.fspath(value),)
    if isinstance(value, Iterable):
        return tuple(os.fspath(v) if isinstance(v, os.PathLike) else v for v in value)
    return value


def _path(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


@frozen(kw_only=True)
class Workflow:
    """Any part of: documents, benchmark, alignment, deployment, evaluation, results, undeployment.

    What is given decides which parts run. Files are uploaded; `base_model` without `model_id` means an
    alignment; one of `num_questions`, `benchmark_file` and `benchmark_id` gives the benchmark.
    Raises `InvalidRequestError`, which names every field that is wrong.
    """

    name: str
    key: str | None = None
    """Under which a journal keeps it; None for one made of the content (see `keys_of`)."""
    documents: tuple[str, ...] = field(default=(), converter=texts)
    """Paths of files to upload."""
    document_ids: tuple[str, ...] = field(default=(), converter=texts)
    """Documents that are there already."""
    base_model: str | None = None
    model_id: str | None = None
    """A model that is there already, in place of an alignment."""
    num_questions: int | None = None
    """Have so many questions generated from the documents."""
    benchmark_file: str | None = field(default=None, converter=_path)
    """Upload the questions in this file."""
    benchmark_id: str | None = None
    deploy: bool = False
    evaluate: Evaluate | None = None
    """"compare" measures the base model beside the aligned one, "alone" only the latter."""
    custom_metrics: tuple[str, ...] = field(default=(), converter=texts)
    undeploy: bool | None = None
    """None means: what this workflow deployed it also undeploys, even when a later part failed.

    True undeploys also what others deployed, False keeps the model in service for all who share it."""
    description: str | None = None
    mark: bool = True
    """Whether the names of what is made end with a short token, by which a lost create is found again."""

    def __attrs_post_init__(self) -> None:
        problems = problems_of(asdict(self, recurse=False))
        if problems:
            told = "; ".join(map(str, problems))
            raise InvalidRequestError(f"workflow {self.name!r}: {told}")

    @property
    def aligns(self) -> bool:
        """Whether a model is made."""
        return self.base_model is not None and self.model_id is None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The parts that run, in order."""
        wanted = {
            Stage.DOCUMENTS: bool(self.documents),
            Stage.BENCHMARK: self.num_questions is not None or self.benchmark_file is not None,
            Stage.ALIGNMENT: self.aligns,
            Stage.DEPLOYMENT: self.deploy,
            Stage.EVALUATION: self.evaluate is not None,
            Stage.RESULTS: self.evaluate is not None,
            Stage.UNDEPLOYMENT: self.deploy if self.undeploy is None else self.undeploy,
        }
        return tuple(stage for stage in Stage if wanted[stage])

    def files(self) -> Iterator[tuple[str, str]]:
        """The paths of its files, each with the name of its field."""
        yield from (("documents", path) for path in self.documents)
        if self.benchmark_file is not None:
            yield "benchmark_file", self.benchmark_file

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what is unset."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self, recurse=False).items()
            if value not in (None, (), _DEFAULTS.get(name, NOTHING))
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`; raises `InvalidRequestError` for anything else."""
        problems = problems_of(told)
        if problems:
            raise InvalidRequestError("; ".join(map(str, problems)))
        return cls(**told)


_DEFAULTS: Mapping[str, Any] = {a.name: a.default for a in fields(Workflow)}
_LONGEST_KEY = 200


def digest(value: Any) -> str:
    """SHA-256 of *value* as canonical JSON, in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def keys_of(specs: Iterable[Workflow]) -> list[str]:
    """The key of each: its own, or a digest of its content, numbered where others before it are equal.

    So a workflow keeps its key when others are put before it, moved or removed.
    """
    met: Counter[str] = Counter()
    keys: list[str] = []
    for spec in specs:
        key = spec.key
        if key is None:
            content = digest(spec.to_json())[:16]
            met[content] += 1
            key = content if met[content] == 1 else f"{content}-{met[content]}"
        keys.append(key)
    return keys


def problems_of(given: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with the fields of a workflow; nothing is opened or sent."""
    found = [Problem((str(n),), "no such field") for n in given if n not in _DEFAULTS]
    complaints = ((name, _form(name, given.get(name))) for name in _DEFAULTS)
    found.extend(Problem((name,), told) for name, told in complaints if told is not None)
    wrong = {problem.loc for problem in found}
    contradictions = (Problem((name,), told) for name, told in _sense(given))
    return found + [problem for problem in contradictions if problem.loc not in wrong]


def _form(name: str, value: Any) -> str | None:
    """What is wrong with the form of one value; None where nothing is."""
    if value is None:
        return "required" if name == "name" else None
    kind = next(kind for kind, names in _FORMS.items() if name in names)
    return kind(value)


def _text(value: Any) -> str | None:
    if not isinstance(value, str | os.PathLike) or not str(value).strip():
        return f"a text is needed, not {value!r}"
    return None


def storable(text: str) -> bool:
    """Whether *text* can be written down: half a surrogate pair cannot, but JSON can spell it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(value: Any) -> str | None:
    if isinstance(value, str) and len(value) > _LONGEST_KEY:
        return f"longer than {_LONGEST_KEY} characters"
    if isinstance(value, str) and not storable(value):
        return f"not fit to be written down: {value!r}"
    return _text(value)


def _list(value: Any) -> str | None:
    items = texts(value)
    if not isinstance(items, tuple) or any(_text(item) for item in items):
        return f"a list of texts is needed, not {value!r}"
    return None


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"true or false is needed, not {value!r}"


def _count(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return f"a whole number from 1 on is needed, not {value!r}"
    return None


def _evaluate(value: Any) -> str | None:
    known = value in ("compare", "alone")
    return None if known else f'"compare" or "alone" is needed, not {value!r}'


_FORMS: Mapping[Callable[[Any], str | None], frozenset[str]] = {
    _text: frozenset(
        {"name", "base_model", "model_id", "benchmark_file", "benchmark_id", "description"}
    ),
    _key: frozenset({"key"}),
    _list: frozenset({"documents", "document_ids", "custom_metrics"}),
    _flag: frozenset({"deploy", "undeploy", "mark"}),
    _count: frozenset({"num_questions"}),
    _evaluate: frozenset({"evaluate"}),
}


def _sense(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What contradicts itself, or lacks what it builds on."""
    has = {name for name, value in given.items() if value not in (None, (), [], "", False)}
    documents = has & {"documents", "document_ids"}
    sources = sorted(has & {"num_questions", "benchmark_file", "benchmark_id"})
    model = has & {"base_model", "model_id"}
    rules = (
        ("name", not (documents or sources or model), "nothing to do: give documents or a model"),
        ("benchmark_id", len(sources) > 1, f"one benchmark is enough: {' or '.join(sources)}"),
        ("num_questions", not documents, "a benchmark needs documents or document_ids"),
        ("benchmark_file", not documents, "a benchmark needs documents or document_ids"),
        ("base_model", "model_id" not in has and not documents, "an alignment needs documents"),
        ("deploy", not model, "there is no model: give base_model or model_id"),
        ("undeploy", not model, "there is no model: give base_model or model_id"),
        ("evaluate", not model, "there is no model: give base_model or model_id"),
        ("evaluate", not sources, "it needs num_questions, benchmark_file or benchmark_id"),
        (
            "evaluate",
            given.get("evaluate") == "compare" and "base_model" not in has,
            '"compare" needs base_model',
        ),
        ("custom_metrics", "evaluate" not in has, "they belong to an evaluation"),
    )
    for name, broken, complaint in rules:
        if broken and (name in has or name == "benchmark_id"):
            yield name, complaint

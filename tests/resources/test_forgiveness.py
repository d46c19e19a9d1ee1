"""The decoder against anything: drifted forms keep the record, and any JSON ends in one of two ways."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nugen_async._core.codec import converter, loads, row_id, rows_of, structure
from nugen_async._core.page import Page
from nugen_async._core.plans import Field, Plan
from nugen_async.errors import DecodeError
from nugen_async.resources._completions import Completion
from nugen_async.resources._records import Job
from nugen_async.resources.agents import Agent, AgentAnswer, AgentUsage
from nugen_async.resources.alignments import Alignment
from nugen_async.resources.benchmarks import Benchmark, Question
from nugen_async.resources.data_jobs import DataJob, SystemPrompt
from nugen_async.resources.documents import Category, Document, UploadReceipt
from nugen_async.resources.evaluations import Evaluation, EvaluationResults
from nugen_async.resources.inference import Embeddings
from nugen_async.resources.ingestion import IngestionJob
from nugen_async.resources.models import AlignedModel, BaseModel, Deployment, Undeployment
from nugen_async.resources.seekr_files import File, FileCheck
from nugen_async.resources.training_pairs import OutputFile, TrainingPairsJob

from ..cases import NIGHTLY, decoder_cases
from .test_examples import ANSWERS, EXAMPLES

RECORDS: list[type[Any]] = [
    Agent,
    AgentAnswer,
    AgentUsage,
    AlignedModel,
    Alignment,
    BaseModel,
    Benchmark,
    Category,
    Completion,
    DataJob,
    Deployment,
    Document,
    Embeddings,
    Evaluation,
    EvaluationResults,
    File,
    FileCheck,
    IngestionJob,
    OutputFile,
    Question,
    SystemPrompt,
    TrainingPairsJob,
    Undeployment,
    UploadReceipt,
]
PLANS: dict[type[Any], Plan[Any]] = {
    record: converter().get_structure_hook(record)  # type: ignore[misc]
    for record in RECORDS
}
NAMES = sorted({name for plan in PLANS.values() for f in plan.fields for name in f.names})
ROWS = sorted({key for plan in PLANS.values() for key in plan.rows})


def bodies() -> list[tuple[type[Any], dict[str, Any]]]:
    """Every example of a single record, and every row of every example of a page."""
    found: list[tuple[type[Any], dict[str, Any]]] = []
    for name, (into, _) in ANSWERS.items():
        body = EXAMPLES[name]["body"]
        if into in PLANS:
            if isinstance(body, dict) and "data" not in body:
                found.append((into, body))
        else:
            record = into.__args__[0]
            found += [(record, row) for row in rows_of(body, record)]
    return found


def camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), name)


CASES: list[Callable[[str], str]] = [
    lambda name: name,
    lambda name: name if re.search(r"_\d", name) else camel(name),
    str.upper,
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", " ").title(),
]


def other_names(plan: Plan[Any], field: Field, body: dict[str, Any]) -> list[str]:
    """Names of the field that mean no other field too, and stand nowhere in the body."""
    shared = {n for f in plan.fields for n in f.names if f is not field} | set(body)
    return [name for name in field.names if name not in shared]


def moments(value: Any) -> list[Any]:
    """The other forms of a time."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        return [value]
    when = datetime.fromisoformat(value)
    bare = value.removesuffix("Z")
    seconds = int(when.timestamp())
    return [
        value,
        bare,
        bare.replace("T", " "),
        f"{bare}.000000",
        f"{bare}+00:00",
        seconds,
        float(seconds),
        str(seconds),
    ]


def respelled(value: Any) -> list[Any]:
    """The same value as text, and in lists."""
    found = moments(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        found.append(str(value))
    if value is not None and not isinstance(value, list):
        found += [[each] for each in found]
        found.append([[value]])
    return found


@pytest.mark.parametrize("into", sorted({into for into, _ in bodies()}, key=lambda c: c.__name__))
@given(data=st.data())
@settings(parent=decoder_cases(), max_examples=decoder_cases().max_examples // 10)
def test_the_record_stays_the_same_in_every_form(into: type[Any], data: st.DataObject) -> None:
    plan = PLANS[into]
    body = data.draw(st.sampled_from([body for record, body in bodies() if record is into]))
    expected = structure(body, into)
    drifted: dict[str, Any] = {}
    for key, value in body.items():
        field = next((f for f in plan.fields if f.wire == key), None)
        if field is None:
            drifted[key] = value
            continue
        new_key, new = key, value
        if names := other_names(plan, field, body):
            new_key = data.draw(st.sampled_from([key, *names]))
        new_key = data.draw(st.sampled_from(CASES))(new_key)
        if key != "progress" or not isinstance(value, str):
            new = data.draw(st.sampled_from(respelled(value)))
        if value is None and data.draw(st.booleans()):
            continue
        drifted[new_key] = new
    unknown = st.dictionaries(st.sampled_from(["xyz", "newKey", "x" * 100]), st.text(), max_size=2)
    drifted |= data.draw(unknown)
    if data.draw(st.booleans()) and "inner_status" not in {f.name for f in plan.fields}:
        drifted = {"data": drifted}
    made = structure(drifted, into)
    assert made == expected
    assert made.raw is drifted
    if made.notes == () and "data" not in drifted:
        assert structure(body, into).notes == ()


@pytest.mark.parametrize(("into", "body"), bodies())
def test_a_missing_optional_field_changes_nothing_else(
    into: type[Any], body: dict[str, Any]
) -> None:
    plan = PLANS[into]
    whole = structure(body, into)
    for field in plan.fields:
        lent = any(field.wire in f.names for f in plan.fields if f is not field)
        if field.wire not in body or field.required or lent or field.wire == "result":
            continue
        rest = structure({k: v for k, v in body.items() if k != field.wire}, into)
        for other in plan.fields:
            if other is not field:
                assert getattr(rest, other.name) == getattr(whole, other.name)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**4000), max_value=10**4000)
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(
        ["READY", "FAILED", "3/10 questions", "2024-01-15T10:30:00", "None", "1e999", "9" * 5000]
    )
)
KEYS = st.sampled_from([*NAMES, *ROWS, "data", "result", "models", "total"]) | st.text()
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


def attempted(work: Callable[[], Any]) -> Any:
    """What *work* makes, or the `DecodeError` that it ends in."""
    try:
        return work()
    except DecodeError as error:
        return error


@given(body=ANYTHING, record=st.sampled_from(RECORDS), about=st.sampled_from(["", "x"]))
@settings(decoder_cases())
def test_any_json_is_a_record_or_a_decode_error(body: Any, record: type[Any], about: str) -> None:
    for into in (record, Page[record]):  # type: ignore[valid-type]
        made = attempted(lambda into=into: structure(body, into, about))  # type: ignore[misc]
        if isinstance(made, DecodeError):
            assert made.problems
            assert all(problem.startswith("$") for problem in made.problems)
            continue
        assert isinstance(made, Page | record)
        assert all(note.startswith("$") for note in made.notes) if hasattr(made, "notes") else True
        for one in made if isinstance(made, Page) else [made]:
            repr(one)
            assert pickle.loads(pickle.dumps(one)) == one or "nan" in repr(one)
            if isinstance(one, Job):
                assert isinstance(one.reason, str)
                assert one.phase
                assert one.hints().progress is None or 0 <= one.hints().progress <= 1  # type: ignore[operator]
                assert one.created is None or one.created.tzinfo is UTC
    if PLANS[record].rows:
        try:
            rows = rows_of(body, record)
        except DecodeError:
            rows = []
        for row in rows:
            assert isinstance(row_id(row, record), str | None)


@given(st.binary() | ANYTHING.map(lambda body: repr(body).encode("utf-8", "surrogatepass")))
@settings(decoder_cases(), max_examples=20_000 if NIGHTLY else 400)
def test_any_bytes_are_json_or_a_decode_error(body: bytes) -> None:
    made = attempted(lambda: loads(body))
    assert not isinstance(made, DecodeError) or made.problems

"""Fields that only one contract has: sent where they are known, refused where they are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from attrs import frozen

from nugen_async import InvalidRequestError, Nugen, Upload
from nugen_async._core.wire import Route, Routes

from .canned import canned

V3 = "/api/v3"
FILES = [Upload("a.txt", b"a"), Upload("b.txt", b"b")]
ROWS: dict[str, Any] = {"alignment_projects": [], "models": [], "domain_aligned_models": []}
MADE = {"id": "x", "status": "PROCESSING", "document_ids": ["1", "2"], **ROWS}


@frozen
class Case:
    """One argument that only *contract* has a field for, and what goes out for it."""

    ask: Callable[[Nugen], Awaitable[Any]]
    argument: str
    line: str
    json: Any = None
    form: list[str] | None = None
    contract: Literal["documented", "plural"] = "plural"

    @property
    def other(self) -> Literal["documented", "plural"]:
        return "plural" if self.contract == "documented" else "documented"


CASES = [
    Case(
        lambda n: n.documents.upload(FILES, names=["one", "two"]),
        "names",
        f"POST {V3}/documents/create",
        form=["files:a.txt", "files:b.txt", "names", "names"],
    ),
    Case(
        lambda n: n.benchmarks.create(document_ids=["d"], num_questions=3, name="n"),
        "name",
        f"POST {V3}/benchmarks/create",
        {"document_ids": ["d"], "n_samples": 3, "benchmark_name": "n"},
    ),
    Case(
        lambda n: n.evaluations.create(model_id="m", benchmark_id="b", name="n"),
        "name",
        f"POST {V3}/evaluations/create",
        {"model_id": "m", "benchmark_id": "b", "evaluation_name": "n"},
    ),
    Case(
        lambda n: n.evaluations.create(model_id="m", model_id_2="n", benchmark_id="b"),
        "model_id_2",
        f"POST {V3}/evaluations",
        {"model_id": "m", "model_id_2": "n", "benchmark_id": "b"},
        contract="documented",
    ),
    Case(
        lambda n: n.alignments.list(limit=5).page(),
        "limit",
        f"GET {V3}/alignment-projects/list?limit=5",
    ),
    Case(lambda n: n.models.list_base(limit=5).page(), "limit", f"GET {V3}/models/base?limit=5"),
    Case(
        lambda n: n.models.list_aligned(limit=5).page(), "limit", f"GET {V3}/models/aligned?limit=5"
    ),
]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.line.split("?")[0])


@each
@pytest.mark.parametrize("auto", [False, True], ids=["by name", "auto"])
async def test_it_is_sent_where_it_is_known(case: Case, auto: bool) -> None:
    """With "auto" the field decides, for as long as no answer has told which contract it is."""
    contract = "auto" if auto else case.contract
    async with canned(MADE) as server, Nugen("k", base_url=server.url, contract=contract) as nugen:
        await case.ask(nugen)
    (asked,) = server.asked
    assert (asked.line, asked.json) == (case.line, case.json)
    assert case.form is None or [name for name, _ in asked.form] == case.form


@each
async def test_it_is_refused_before_anything_is_sent_where_it_is_not(case: Case) -> None:
    async with (
        canned(MADE) as server,
        Nugen("k", base_url=server.url, contract=case.other) as nugen,
    ):
        with pytest.raises(InvalidRequestError) as caught:
            await case.ask(nugen)
    assert str(caught.value) == (
        f"the {case.other} contract has no {case.argument};"
        f' a client made with contract="{case.contract}" has'
    )
    assert server.asked == []


async def test_what_was_learned_decides_later() -> None:
    async with canned(MADE) as server, Nugen("k", base_url=server.url, contract="auto") as nugen:
        await nugen.alignments.list()
        with pytest.raises(InvalidRequestError, match="the documented contract has no limit"):
            await nugen.alignments.list(limit=5)
    assert len(server.asked) == 1


def test_fields_of_both_contracts_at_once_are_refused() -> None:
    routes = Routes(Route("GET", "/"), only={"a": "documented", "b": "plural"})
    assert routes.taking(["c"], None) is None
    assert routes.taking(["c", "a"], None) == "documented"
    with pytest.raises(InvalidRequestError, match="the documented contract has no b"):
        routes.taking(["a", "b"], None)


@pytest.mark.parametrize(
    "ask",
    [
        lambda n: n.documents.upload(FILES, names=["one"]),
        lambda n: n.documents.upload(FILES, names=["one", " "]),
        lambda n: n.evaluations.create(model_id="m", benchmark_id="b", baseline=""),
        lambda n: n.evaluations.create(
            model_id="m", benchmark_id="b", baseline="x", model_id_2="y"
        ),
        lambda n: n.alignments.list(limit=0).page(),
    ],
)
async def test_nonsense_is_refused(ask: Callable[[Nugen], Awaitable[Any]]) -> None:
    async with canned(MADE) as server, Nugen("k", base_url=server.url, contract="plural") as nugen:
        with pytest.raises(InvalidRequestError):
            await ask(nugen)
    assert server.asked == []


COMPARED = {
    "documented": {
        "evaluation_id": "e",
        "status": "READY",
        "model_id": "base",
        "model_id_2": "ours",
    },
    "plural": {
        "evaluation_id": "e",
        "status": "READY",
        "model_id": "ours",
        "baseline_model_id": "base",
    },
}


@pytest.mark.parametrize("contract", ["documented", "plural"])
async def test_the_sides_of_a_comparison_are_told_alike_in_both(contract: Any) -> None:
    async with (
        canned(COMPARED[contract]) as server,
        Nugen("k", base_url=server.url, contract=contract) as nugen,
    ):
        made = await nugen.evaluations.create(model_id="ours", baseline="base", benchmark_id="b")
        results = await nugen.evaluations.results("e")
    sent = {name: server.asked[0].json.get(name) for name in COMPARED[contract] if "model" in name}
    assert sent == {name: said for name, said in COMPARED[contract].items() if "model" in name}
    assert (made.subject, made.baseline) == ("ours", "base")
    assert (results.subject, results.baseline) == ("ours", "base")


async def test_a_document_is_called_what_it_was_named() -> None:
    async with (
        canned({"document_ids": ["1", "2"]}) as server,
        Nugen("k", base_url=server.url, contract="plural") as nugen,
    ):
        made = await nugen.documents.upload(FILES, names=["one", "two"])
    assert [(document.id, document.filename) for document in made] == [("1", "one"), ("2", "two")]

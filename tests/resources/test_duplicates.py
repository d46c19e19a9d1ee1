"""What is there already: adopted where it is surely the same, told where it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from nugen_async import Nugen, Upload
from nugen_async.errors import ConflictError, CreateOutcomeUnknownError
from nugen_async.simulator import Fault, Lag, Simulator, Status, World

from .canned import canned


async def stream(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.mark.parametrize(
    ("detail", "document", "benchmark"),
    [
        ({"document_id": "doc-9"}, "doc-9", None),
        ({"document_id": 7, "message": "known"}, "7", None),
        ({"document_id": None}, None, None),
        ({"document_id": " ", "id": "doc-9"}, "doc-9", "doc-9"),
        ({"document_id": True, "id": ["doc-9"]}, None, None),
        ({"organisation_id": "org-1", "user_id": 7}, None, None),
        ({"document_id": "doc-9", "benchmark_id": "b-1"}, "doc-9", "b-1"),
        ("it is there", None, None),
    ],
)
def test_only_the_id_of_the_thing_itself_is_taken(
    detail: Any, document: str | None, benchmark: str | None
) -> None:
    error = ConflictError(status=409, detail=detail)
    assert (error.id_of("document"), error.id_of("benchmark")) == (document, benchmark)
    assert error.existing_id == (benchmark or document)


async def test_a_refusal_that_names_no_benchmark_is_raised() -> None:
    answer = {"detail": {"benchmark_id": None, "document_id": "doc-1"}}
    async with canned(answer, status=409) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(ConflictError):
            await nugen.benchmarks.upload([("q", "a")], name="n", document_id="doc-1")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "effect",
    [Status(500), Lag(3600.0)],
    ids=["the list fails", "the list lags"],
)
async def test_what_cannot_be_compared_is_not_adopted(effect: Any) -> None:
    world = World(seed=1, duplicate_names={"documented"})
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url) as nugen:
        await nugen.documents.upload(Upload("a.txt", b"1"))
        world.inject(Fault(effect=effect, operation="list_documents"))
        with pytest.raises(ConflictError):
            await nugen.documents.upload(Upload("a.txt", b"fourteen bytes"))


async def test_a_list_that_lags_a_little_is_waited_for() -> None:
    world = World(seed=1, duplicate_names={"documented"})
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url) as nugen:
        (first,) = await nugen.documents.upload(Upload("a.txt", b"1"))
        world.inject(Fault(effect=Lag(10.0), operation="list_documents"))
        (again,) = await nugen.documents.upload(Upload("a.txt", b"1"))
        assert again.id == first.id


async def test_a_stream_is_never_taken_for_what_is_there_and_never_sent_twice() -> None:
    world = World(seed=1, duplicate_names={"documented"})
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url) as nugen:
        await nugen.documents.upload(Upload("a.txt", b"same"))
        for files in ([("a.txt", b"same")], [("b.txt", b"new"), ("a.txt", b"same")]):
            with pytest.raises(ConflictError):
                await nugen.documents.upload([Upload(n, stream(data)) for n, data in files])


async def test_an_error_in_the_middle_tells_what_was_uploaded_before_it() -> None:
    world = World(seed=1, duplicate_names={"documented"})
    async with Simulator(world=world) as sim, Nugen("k", base_url=sim.url) as nugen:
        (first,) = await nugen.documents.upload(Upload("a.txt", b"same"))
        world.inject(Fault(effect=Status(500), operation="upload_documents", nth={4}))
        files = [Upload("a.txt", b"same"), Upload("b.txt", b"new"), Upload("c.txt", b"last")]
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            await nugen.documents.upload(files)
        second = list(world.documents)[-1]
        assert caught.value.__notes__ == [
            f"uploaded before it: a.txt is {first.id}, b.txt is {second}"
        ]

"""Each way in which a create can fail, counted on the server: what is sent again, and what never is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from nugen_async import Nugen
from nugen_async._core.reconcile import new_token
from nugen_async.errors import (
    APIConnectionError,
    CreateOutcomeUnknownError,
    NugenError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
)
from nugen_async.simulator import (
    Cut,
    Drop,
    Fault,
    Garble,
    Lag,
    Simulator,
    Stall,
    Status,
    World,
)
from nugen_async.simulator.faults import Effect

BASE = "llama-v3p1-8b-instruct"
Create = Callable[[Nugen], Awaitable[object]]


def alignment(token: str | None = None, **options: object) -> Create:
    name = f"run {token}" if token else "run"
    return lambda nugen: nugen.alignments.create(
        name=name, base_model=BASE, document_ids=["doc-1"], workflow_id=token, **options
    )


async def outcome(world: World, create: Create, *, timeout: float = 60) -> tuple[object, int, int]:
    """What the caller got, how many requests were sent, how many jobs were made."""
    world.add_document("doc-1")
    async with (
        Simulator(world=world) as sim,
        Nugen("key", base_url=sim.url, timeout=timeout) as nugen,
    ):
        try:
            got: object = await create(nugen)
        except NugenError as error:
            got = error
        sent = sim.log.count("POST")
    made = len(world.alignments) + len(world.benchmarks) + len(world.evaluations)
    return got, sent, made


UNKNOWN: list[Effect] = [
    Drop(handled=True, reset=True),
    Drop(handled=True),
    Drop(reset=True),
    Stall(handled=True),
    Stall(),
    Status(500, handled=True),
    Status(500),
    Status(502),
    Status(504, handled=True),
    Status(503),
    Cut(),
    Garble("empty"),
    Garble("invalid"),
    Garble("html"),
    Garble("wrong_type"),
]


@pytest.mark.parametrize("effect", UNKNOWN, ids=str)
async def test_what_may_have_been_taken_is_sent_once_and_told(effect: Effect) -> None:
    world = World(faults=[Fault(effect=effect, method="POST")])
    error, sent, made = await outcome(world, alignment(on_unknown="raise"), timeout=5)

    assert isinstance(error, CreateOutcomeUnknownError)
    assert sent == 1
    assert made <= 1
    assert error.kind == "alignment"
    assert error.body == {"name": "run", "base_model": BASE, "document_ids": ["doc-1"]}
    assert error.started <= error.ended
    assert "'run'" in error.look_for


@pytest.mark.parametrize("effect", UNKNOWN, ids=str)
async def test_what_was_taken_is_found_by_its_token(effect: Effect) -> None:
    world = World(faults=[Fault(effect=effect, method="POST")])
    got, sent, made = await outcome(world, alignment(new_token()), timeout=5)

    assert sent == 1
    if made:
        assert got.id == next(iter(world.alignments))  # type: ignore[attr-defined]
    else:
        assert isinstance(got, CreateOutcomeUnknownError)
        assert "did not show it" in got.reason


@pytest.mark.parametrize("status", [429, 503])
async def test_what_was_turned_away_unstarted_is_sent_again_when_told(status: int) -> None:
    world = World()
    world.inject(Fault(effect=Status(status, retry_after=7), method="POST", times=2))
    got, sent, made = await outcome(world, alignment())

    assert not isinstance(got, NugenError)
    assert (sent, made) == (3, 1)
    times = [entry.at for entry in world.log.requests("POST")]
    assert all(later - earlier >= 7 for earlier, later in pairwise(times))


async def test_what_is_turned_away_each_time_is_told() -> None:
    world = World(faults=[Fault(effect=Status(429), method="POST")])
    error, sent, made = await outcome(world, alignment())

    assert isinstance(error, RateLimitError)
    assert (sent, made) == (4, 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
async def test_a_refusal_is_raised_at_once(status: int) -> None:
    world = World(faults=[Fault(effect=Status(status, body={"detail": "no"}), method="POST")])
    error, sent, made = await outcome(world, alignment())

    assert not isinstance(error, ServerError | CreateOutcomeUnknownError)
    assert isinstance(error, NugenError)
    assert (sent, made) == (1, 0)


async def test_what_never_left_is_sent_again(unused_tcp_port: int) -> None:
    """Nobody listens: four tries, and no doubt about the outcome."""
    async with Nugen("key", base_url=f"http://127.0.0.1:{unused_tcp_port}") as nugen:
        with pytest.raises(APIConnectionError) as caught:
            await alignment()(nugen)

    assert not caught.value.sent
    assert not isinstance(caught.value, CreateOutcomeUnknownError)


async def test_a_list_is_given_the_time_to_show_it() -> None:
    world = World()
    world.inject(Fault(effect=Drop(handled=True), method="POST"))
    world.inject(Fault(effect=Lag(10), operation="list_alignments"))
    got, sent, _ = await outcome(world, alignment(new_token()))

    assert sent == 1
    assert got.id == next(iter(world.alignments))  # type: ignore[attr-defined]


async def test_without_a_token_only_the_one_that_fits_is_adopted_and_only_when_asked() -> None:
    world = World()
    world.inject(Fault(effect=Drop(handled=True), method="POST"))
    got, _, _ = await outcome(world, alignment(on_unknown="reconcile"))
    assert got.id == next(iter(world.alignments))  # type: ignore[attr-defined]

    again, _, _ = await outcome(world, alignment(on_unknown="reconcile"))
    assert isinstance(again, CreateOutcomeUnknownError)
    assert set(again.candidates) == set(world.alignments)

    silent, _, _ = await outcome(world, alignment())
    assert isinstance(silent, CreateOutcomeUnknownError)
    assert silent.candidates == ()


async def test_benchmarks_and_evaluations_are_found_by_what_they_are_about() -> None:
    async def both(nugen: Nugen) -> object:
        benchmark = await nugen.benchmarks.create(
            document_ids=["doc-1"], num_questions=7, on_unknown="reconcile"
        )
        ready = await benchmark.wait_until_ready()
        return await nugen.evaluations.create(
            model_id=BASE, benchmark_id=ready.id, on_unknown="reconcile"
        )

    world = World()
    world.inject(Fault(effect=Drop(handled=True), method="POST"))
    got, sent, made = await outcome(world, both)

    assert got.id == next(iter(world.evaluations))  # type: ignore[attr-defined]
    assert (sent, made) == (2, 2)


async def test_a_refused_permission_is_no_doubt() -> None:
    world = World(faults=[Fault(effect=Status(403), method="POST")])
    error, *_ = await outcome(world, alignment(new_token()))

    assert isinstance(error, PermissionDeniedError)

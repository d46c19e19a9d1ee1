"""What the nouns do beyond one request: streams, refusals that mean success, arguments refused early."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nugen_async import Nugen, SeekrFlow
from nugen_async._core.schedule import Phase
from nugen_async.errors import (
    APIStatusError,
    BadRequestError,
    ClientStateError,
    DecodeError,
    InvalidRequestError,
)
from nugen_async.resources._completions import Message, Usage
from nugen_async.simulator import Simulator, Span, Times, World

from .canned import canned


def events(*payloads: Any) -> dict[str, Any]:
    """An answer made of server-sent events."""
    lines = [f"data: {p if isinstance(p, str) else json.dumps(p)}\n\n" for p in payloads]
    return {"body": "".join(lines).encode(), "content_type": "text/event-stream"}


def delta(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}], **more}


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


async def test_a_stream_brings_chunks_and_tells_usage_and_confidence_at_the_end() -> None:
    told = events(delta("Hel"), delta("lo"), delta("", usage=USAGE, confidence_score=88), "[DONE]")
    async with (
        canned(**told) as server,
        Nugen("k", base_url=server.url) as nugen,
        nugen.inference.stream_chat(**ASK) as stream,
    ):
        assert (stream.usage, stream.confidence_score) == (None, None)
        pieces = [chunk.text async for chunk in stream]
    assert pieces == ["Hel", "lo", ""]
    assert stream.text == "Hello"
    assert stream.usage == Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    assert stream.confidence_score == 88
    assert server.asked[0].json == {**ASK, "stream": True}
    assert server.asked[0].line == "POST /api/v3/inference/chat/completions"


async def test_confidence_may_come_in_events_of_its_own() -> None:
    told = events(delta("Hi"), {"object": "confidence", "confidence_score": 93.5}, delta("!"))
    async with canned(**told) as server, Nugen("k", base_url=server.url) as nugen:
        stream = nugen.inference.stream_chat(**ASK)
        assert [chunk.text async for chunk in stream] == ["Hi", "!"]
    assert stream.confidence_score == 93.5


async def test_a_completion_is_streamed_too() -> None:
    told = events({"choices": [{"text": "blue"}]}, {"choices": [{"text": " sky"}]})
    async with canned(**told) as server, Nugen("k", base_url=server.url) as nugen:
        stream = nugen.inference.stream_complete(model="m", prompt="The")
        async for _ in stream:
            pass
        assert stream.text == "blue sky"
        with pytest.raises(ClientStateError):
            aiter(stream)
    assert server.asked[0].json == {"model": "m", "prompt": "The", "stream": True}


async def test_an_error_inside_a_stream_is_raised() -> None:
    told = events(delta("Hi"), {"error": {"message": "overloaded"}})
    async with canned(**told) as server, Nugen("k", base_url=server.url) as nugen:
        stream = nugen.inference.stream_chat(**ASK)
        with pytest.raises(APIStatusError, match="overloaded"):
            async for _ in stream:
                pass
    assert stream.text == "Hi"


async def test_a_broken_event_is_a_decode_error() -> None:
    async with canned(**events("{broken")) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(DecodeError):
            async for _ in nugen.inference.stream_chat(**ASK):
                pass


async def test_a_refused_stream_is_refused_before_the_first_chunk() -> None:
    async with (
        canned({"detail": "Model is not deployed"}, status=400) as server,
        Nugen("k", base_url=server.url) as nugen,
    ):
        with pytest.raises(BadRequestError, match="not deployed"):
            async for _ in nugen.inference.stream_chat(**ASK):
                pass


async def test_leaving_a_stream_early_closes_it() -> None:
    told = events(*(delta(str(n)) for n in range(1000)))
    async with canned(**told) as server, Nugen("k", base_url=server.url) as nugen:
        async with nugen.inference.stream_chat(**ASK) as stream:
            async for _ in stream:
                break
        assert stream.text == "0"


@pytest.mark.parametrize("generation", ["G1", "G2", "G3", "G4"])
async def test_every_form_of_the_simulators_streams_is_read(generation: str) -> None:
    contract: Any = "plural" if generation == "G4" else "documented"
    async with (
        Simulator(world=World(seed=3, generation=generation)) as sim,
        Nugen("k", base_url=sim.url, contract=contract) as nugen,
    ):
        ask = {**ASK, "model": "nugen-flash-instruct"}
        whole = await nugen.inference.chat(**ask)
        stream = nugen.inference.stream_chat(**ask)
        async for _ in stream:
            pass
        assert stream.text.strip() == whole.text
        assert stream.usage == whole.usage
        vectors = await nugen.inference.embed(model="nugen-flash-embed", input=["a", "b"])
        assert [len(row.embedding) for row in vectors.data] == [8, 8]


async def test_what_was_just_created_knows_what_it_was_made_of() -> None:
    answer = {"alignment_id": "a", "status": "PROCESSING"}
    async with canned(answer) as server, Nugen("k", base_url=server.url) as nugen:
        made = await nugen.alignments.create(
            name="faq", base_model="b", document_ids=["d", "e"], description="short"
        )
    assert (made.name, made.base_model, made.documents) == ("faq", "b", ("d", "e"))
    assert (made.description, made.benchmark_id) == ("short", None)
    assert made.raw == answer


async def deployed(nugen: Nugen) -> str:
    made = await nugen.alignments.create(
        name="n", base_model="nugen-flash-instruct", document_ids=["d"]
    )
    return (await made.wait_until_ready()).model_id or ""


@pytest.mark.parametrize(("contract", "generation"), [("documented", "G3"), ("plural", "G4")])
async def test_deploying_and_undeploying_twice_is_once(contract: Any, generation: Any) -> None:
    async with (
        Simulator(world=World(seed=3, trusting=True, generation=generation)) as sim,
        Nugen("k", base_url=sim.url, contract=contract) as nugen,
    ):
        model = await deployed(nugen)
        first = await nugen.models.deploy(model)
        again = await nugen.models.deploy(model)
        assert first.id == again.id == model
        assert (await again.wait_until_ready()).phase is Phase.READY
        assert (await nugen.models.deploy(model)).phase is Phase.READY
        assert await served(nugen) == [True]
        await (await nugen.models.undeploy(model)).wait_until_ready()
        assert (await nugen.models.undeploy(model)).phase is Phase.READY
        assert await served(nugen) == [False]


@pytest.mark.parametrize(("contract", "generation"), [("documented", "G3"), ("plural", "G4")])
async def test_the_other_way_is_refused_while_a_model_is_on_its_way(
    contract: Any, generation: Any
) -> None:
    times = Times(deployment=Span(300.0), undeployment=Span(300.0))
    async with (
        Simulator(world=World(trusting=True, generation=generation, times=times)) as sim,
        Nugen("k", base_url=sim.url, contract=contract) as nugen,
    ):
        model = await deployed(nugen)
        await (await nugen.models.deploy(model)).wait_until_ready()
        await (await nugen.models.undeploy(model)).wait_until_ready()
        again = await nugen.models.deploy(model)
        await asyncio.sleep(10)
        with pytest.raises(BadRequestError):
            await nugen.models.undeploy(model)
        await again.wait_until_ready()
        assert (await nugen.models.deploy(model)).phase is Phase.READY
        await nugen.models.undeploy(model)
        await asyncio.sleep(10)
        with pytest.raises(BadRequestError):
            await nugen.models.deploy(model)
        assert not (await nugen.models.undeploy(model)).phase.ended


async def served(nugen: Nugen) -> list[bool]:
    return [model.serving async for model in nugen.models.list_aligned()]


async def test_a_refusal_that_is_no_already_stays_one() -> None:
    async with (
        canned({"detail": "Provider is invalid"}, status=400) as server,
        Nugen("k", base_url=server.url, max_retries=0) as nugen,
    ):
        with pytest.raises(BadRequestError, match="Provider is invalid"):
            await nugen.models.deploy("m")
    assert [asked.line for asked in server.asked] == [
        "POST /api/v3/models/deploy-model/m",
        "GET /api/v3/models/deploy-model/m/status",
    ]


async def test_generate_is_deprecated_and_names_its_successor() -> None:
    answer = {"id": "al-1", "created_at": "2026-01-01T00:00:00Z", "status": "running"}
    async with canned(answer) as server, SeekrFlow("k", base_url=server.url) as seekr:
        with pytest.warns(DeprecationWarning, match="data_jobs") as told:
            await seekr.alignment.generate(instructions="i", files=["f"])
    assert told[0].filename == __file__


async def test_a_record_pickles_and_comes_back_without_its_client() -> None:
    async with (
        canned({"id": "a", "name": "bot"}) as server,
        Nugen("k", base_url=server.url) as nugen,
    ):
        agent = await nugen.agents.get("a")
    again = pickle.loads(pickle.dumps(agent))
    assert again == agent
    assert again.raw == agent.raw == {"id": "a", "name": "bot"}


Wrong = Callable[[Any], Awaitable[Any]]
EARLY: list[Wrong] = [
    lambda n: n.alignments.create(name=" ", base_model="b", document_ids=["d"]),
    lambda n: n.alignments.create(name="n", base_model="b", document_ids=[]),
    lambda n: n.alignments.create(name="n", base_model="b", document_ids="d"),
    lambda n: n.alignments.create(name="n", base_model="b", document_ids=["d", ""]),
    lambda n: n.alignments.create(name="n", base_model=None, document_ids=["d"]),
    lambda n: n.alignments.get(""),
    lambda n: n.alignments.get(".."),
    lambda n: n.benchmarks.create(document_ids=["d"], num_questions=0),
    lambda n: n.benchmarks.create(document_ids=["d"], num_questions=True),
    lambda n: n.benchmarks.create(document_ids=["d"], num_questions="3"),
    lambda n: n.evaluations.create(model_id="m", benchmark_id="b", custom_metrics="accuracy"),
    lambda n: n.evaluations.create(model_id="m", benchmark_id="b", custom_metrics=[]),
    lambda n: n.evaluations.list(limit=101),
    lambda n: n.evaluations.list(offset=-1),
    lambda n: n.evaluations.list(status=""),
    lambda n: n.models.deploy(" "),
    lambda n: n.inference.complete(model="m", prompt=""),
    lambda n: n.inference.complete(model="m", prompt=[]),
    lambda n: n.inference.complete(model="m", prompt="p", temperature=2.1),
    lambda n: n.inference.complete(model="m", prompt="p", temperature=float("nan")),
    lambda n: n.inference.complete(model="m", prompt="p", max_tokens="16"),
    lambda n: n.inference.complete(model="m", prompt="p", extra={"model": "other"}),
    lambda n: n.inference.chat(model="m", messages=[]),
    lambda n: n.inference.chat(model="m", messages=["hi"]),
    lambda n: n.inference.chat(model="m", messages="hi"),
    lambda n: n.inference.chat(model="m", messages=[Message(content="nobody's")]),
    lambda n: n.inference.chat(**ASK, max_token=5),
    lambda n: n.inference.embed(model="m", input="x", max_tokens=5),
    lambda n: n.inference.chat(model="", messages=[{"role": "user", "content": "?"}]),
    lambda n: n.inference.embed(model="m", input="x", dimensions=0),
    lambda n: n.agents.create(agent_name="", agent_description="d", model="m"),
    lambda n: n.agents.run("bot", ""),
    lambda n: n.alignments.create(
        name="n", base_model="b", document_ids=["d"], description=object()
    ),
    lambda n: n.alignments.create(name="n", base_model="b", document_ids=["d"], description=5),
    lambda n: n.agents.update("a", agent_description=5),
]


@pytest.mark.parametrize("ask", EARLY)
async def test_what_cannot_succeed_is_refused_before_it_is_sent(ask: Wrong) -> None:
    async with canned({"id": "x"}) as server, Nugen("k", base_url=server.url) as nugen:
        with pytest.raises(InvalidRequestError):
            await ask(nugen)
    assert server.asked == []


async def test_a_conversation_goes_on_with_the_answers_message() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": "Thirty days.", "tool_calls": [call]}
    body = {"id": "c", "choices": [{"index": 0, "message": {**said, "refusal": None}}]}
    async with canned(body) as server, Nugen("k", base_url=server.url) as nugen:
        answer = await nugen.inference.chat(**ASK)
        await nugen.inference.chat(model="m", messages=[*ASK["messages"], answer.message])
    assert server.asked[1].json["messages"] == [*ASK["messages"], said]


EARLY_SEEKR: list[Wrong] = [
    lambda s: s.data_jobs.create(name="n" * 256, job_type="principle_files"),
    lambda s: s.data_jobs.create(name="n", job_type="other"),
    lambda s: s.data_jobs.add_files("dj", []),
    lambda s: s.ingestion.create([]),
    lambda s: s.alignment.generate(instructions="i", files=[]),
    lambda s: s.files.rename("f", ""),
    lambda s: s.files.check(purpose="p", suffix=".txt", size=-1),
]


@pytest.mark.filterwarnings("ignore:.*deprecated by the API")
@pytest.mark.parametrize("ask", EARLY_SEEKR)
async def test_what_seekrflow_cannot_do_is_refused_before_it_is_sent(ask: Wrong) -> None:
    async with canned({"id": "x"}) as server, SeekrFlow("k", base_url=server.url) as seekr:
        with pytest.raises(InvalidRequestError):
            await ask(seekr)
    assert server.asked == []

"""Streams: errors on the way, answers side by side, and whether the end was the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nugen_async import Nugen
from nugen_async.errors import APIStatusError
from nugen_async.resources._completions import CompletionStream
from nugen_async.simulator import Simulator, World

from .canned import canned

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def chunk(text: str, index: int = 0, finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish_reason}]
    }


def sse(*payloads: Any) -> bytes:
    lines = [f"data: {p if isinstance(p, str) else json.dumps(p)}\n\n" for p in payloads]
    return "".join(lines).encode()


async def streamed(body: bytes, **options: Any) -> CompletionStream[Any]:
    async with (
        canned(body=body, content_type="text/event-stream") as server,
        Nugen("k", base_url=server.url) as nugen,
    ):
        stream = nugen.inference.stream_chat(**ASK, **options)
        async for _ in stream:
            pass
    return stream


@pytest.mark.parametrize(
    "event",
    [
        sse({"detail": "quota used up"}, "[DONE]"),
        b'event: error\ndata: {"message": "quota used up", "code": 402}\n\n',
        b"event: error\ndata: quota used up\n\n",
        sse({"object": "error", "message": "quota used up"}),
        sse({"error": {"message": "quota used up"}, **chunk("", finish_reason="error")}),
        sse({"error": ["quota used up"]}),
    ],
)
async def test_an_error_on_the_way_is_raised_in_whatever_form(event: bytes) -> None:
    with pytest.raises(APIStatusError, match="quota used up"):
        await streamed(sse(chunk("Yes")) + event)


async def test_an_error_in_place_of_a_stream_is_raised() -> None:
    with pytest.raises(APIStatusError, match="quota used up"):
        await streamed(b'{"detail": "quota used up"}')


async def test_an_event_without_data_says_nothing() -> None:
    stream = await streamed(sse(chunk("Yes")) + b"data:\n\ndata: \n\n" + sse(chunk("!"), "[DONE]"))
    assert stream.text == "Yes!"


async def test_an_answer_that_was_cut_off_has_no_reason_to_end() -> None:
    assert (await streamed(sse(chunk("It may be de")))).finish_reason is None
    whole = await streamed(sse(chunk("It may be."), chunk("", finish_reason="stop"), "[DONE]"))
    assert whole.finish_reason == "stop"


async def test_the_text_is_that_of_the_first_answer_alone() -> None:
    told = [chunk("Yes"), chunk("No", 1), chunk(" sir"), chunk(" madam", 1, "length")]
    stream = await streamed(sse(*told, "[DONE]"), n=2)
    assert (stream.text, stream.finish_reason) == ("Yes sir", None)


async def test_the_first_answer_is_the_first_wherever_it_stands() -> None:
    choices = [{"index": n, "message": {"content": text}} for n, text in ((1, "No"), (0, "Yes"))]
    async with canned({"choices": choices}) as server, Nugen("k", base_url=server.url) as nugen:
        answer = await nugen.inference.chat(**ASK, n=2)
    assert (answer.text, answer.message.content) == ("Yes", "Yes")


async def test_vectors_stand_in_the_order_of_their_inputs() -> None:
    data = [{"index": n, "embedding": [float(n)]} for n in (1, 2, 0)]
    async with canned({"data": data}) as server, Nugen("k", base_url=server.url) as nugen:
        vectors = await nugen.inference.embed(model="m", input=["a", "b", "c"])
    assert [each.embedding for each in vectors.data] == [(0.0,), (1.0,), (2.0,)]


async def test_the_simulator_streams_as_many_answers_as_were_asked_for() -> None:
    ask = {**ASK, "model": "nugen-flash-instruct"}
    async with Simulator(world=World(seed=3)) as sim, Nugen("k", base_url=sim.url) as nugen:
        one = await nugen.inference.chat(**ask)
        stream = nugen.inference.stream_chat(**ask, n=2)
        seen = {choice.index async for each in stream for choice in each.choices}
        assert seen == {0, 1}
        assert stream.text.strip() == one.text

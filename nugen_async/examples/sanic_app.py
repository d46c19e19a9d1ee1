"""Sanic: start alignments and watch them.

pip install nugen-async sanic
python -m nugen_async.examples.sanic_app
"""

from __future__ import annotations

import contextlib
from typing import Any

from sanic import HTTPResponse, Request, Sanic, html, json

from nugen_async import Alignment, Nugen, NugenError
from nugen_async.examples.kept import Kept
from nugen_async.examples.order import Order
from nugen_async.examples.page import PAGE
from nugen_async.integrations.web import SSE_HEADERS, Broadcast, Lifespan, facts, problem, sse

nugen = Lifespan(Nugen)
live: Broadcast[Alignment] = Broadcast(schedule=5)  # seconds, while anybody looks
kept = Kept()
app: Sanic[Any, Any] = Sanic("alignments")


@app.before_server_start
async def opened(_: Sanic[Any, Any]) -> None:
    """One client in each worker, made after its start."""
    await nugen.__aenter__()


@app.after_server_stop
async def closed(_: Sanic[Any, Any]) -> None:
    """The end of the worker's client."""
    await nugen.__aexit__(None, None, None)


@app.get("/")
async def page(_: Request[Any, Any]) -> HTTPResponse:
    """The page."""
    return html(PAGE)


@app.post("/jobs")
async def start(request: Request[Any, Any]) -> HTTPResponse:
    """Start an alignment; it goes on whether or not anybody looks."""
    order = Order.read(request.body)
    job = await nugen.client.alignments.create(
        name=order.name, base_model=order.base_model, document_ids=order.document_ids
    )
    kept.add(job)
    return json(facts(job), 201)


@app.get("/events")
async def events(request: Request[Any, Any]) -> None:
    """The progress of all jobs, in one stream."""
    jobs = [nugen.client.resume(token) for token in kept.tokens()]
    frames = sse(*map(live.updates, jobs), last_event_id=request.headers.get("Last-Event-ID"))
    response = await request.respond(
        headers=dict(SSE_HEADERS), content_type=SSE_HEADERS["Content-Type"]
    )
    assert response is not None  # noqa: S101 # only a second answer is None
    async with contextlib.aclosing(frames):
        async for frame in frames:
            await response.send(frame)
    await response.send(end_stream=True)


@app.exception(NugenError)
async def refused(_: Request[Any, Any], error: NugenError) -> HTTPResponse:
    """Whatever the service refused, in one sentence."""
    status, told = problem(error)
    return json(told, status)


if __name__ == "__main__":
    app.run(port=8000, single_process=True)

"""Quart: start alignments and watch them.

pip install nugen-async quart
python -m nugen_async.examples.quart_app
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from quart import Quart, Response, request

from nugen_async import Alignment, Nugen, NugenError
from nugen_async.examples.kept import Kept
from nugen_async.examples.order import Order
from nugen_async.examples.page import PAGE
from nugen_async.integrations.web import SSE_HEADERS, Broadcast, Lifespan, facts, problem, sse

nugen = Lifespan(Nugen)
live: Broadcast[Alignment] = Broadcast(schedule=5)  # seconds, while anybody looks
kept = Kept()
app = Quart(__name__)


@app.while_serving
async def client() -> AsyncGenerator[None]:
    """One client while the app serves."""
    async with nugen():
        yield


@app.get("/")
async def page() -> str:
    """The page."""
    return PAGE


@app.post("/jobs")
async def start() -> tuple[dict[str, Any], int]:
    """Start an alignment; it goes on whether or not anybody looks."""
    order = Order.read(await request.get_data())
    job = await nugen.client.alignments.create(
        name=order.name, base_model=order.base_model, document_ids=order.document_ids
    )
    kept.add(job)
    return facts(job), 201


@app.get("/events")
async def events() -> Response:
    """The progress of all jobs, in one stream."""
    jobs = [nugen.client.resume(token) for token in kept.tokens()]
    frames = sse(*map(live.updates, jobs), last_event_id=request.headers.get("Last-Event-ID"))
    response = Response(frames, headers=dict(SSE_HEADERS))
    response.timeout = None  # else Quart ends it after a minute
    return response


@app.errorhandler(NugenError)
async def refused(error: NugenError) -> tuple[dict[str, Any], int]:
    """Whatever the service refused, in one sentence."""
    status, told = problem(error)
    return told, status


if __name__ == "__main__":
    app.run(port=8000)

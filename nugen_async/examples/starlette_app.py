"""Starlette: start alignments and watch them.

pip install nugen-async starlette uvicorn
python -m nugen_async.examples.starlette_app
"""

from __future__ import annotations

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from nugen_async import Alignment, Nugen, NugenError
from nugen_async.examples.kept import Kept
from nugen_async.examples.order import Order
from nugen_async.examples.page import PAGE
from nugen_async.integrations.web import SSE_HEADERS, Broadcast, Lifespan, facts, problem, sse

nugen = Lifespan(Nugen)
live: Broadcast[Alignment] = Broadcast(schedule=5)  # seconds, while anybody looks
kept = Kept()


async def page(_: Request) -> HTMLResponse:
    """The page."""
    return HTMLResponse(PAGE)


async def start(request: Request) -> JSONResponse:
    """Start an alignment; it goes on whether or not anybody looks."""
    order = Order.read(await request.body())
    job = await nugen.client.alignments.create(
        name=order.name, base_model=order.base_model, document_ids=order.document_ids
    )
    kept.add(job)
    return JSONResponse(facts(job), 201)


async def events(request: Request) -> StreamingResponse:
    """The progress of all jobs, in one stream."""
    jobs = [nugen.client.resume(token) for token in kept.tokens()]
    frames = sse(*map(live.updates, jobs), last_event_id=request.headers.get("Last-Event-ID"))
    return StreamingResponse(frames, headers=SSE_HEADERS)


async def refused(_: Request, error: Exception) -> Response:
    """Whatever the service refused, in one sentence."""
    if not isinstance(error, NugenError):
        raise error
    status, told = problem(error)
    return JSONResponse(told, status)


app = Starlette(
    lifespan=nugen,
    routes=[
        Route("/", page),
        Route("/jobs", start, methods=["POST"]),
        Route("/events", events),
    ],
    exception_handlers={NugenError: refused},
)

if __name__ == "__main__":
    # Without a limit, the end of the server would wait for every open stream.
    uvicorn.run(app, port=8000, timeout_graceful_shutdown=3)

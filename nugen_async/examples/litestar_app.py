"""Litestar: start alignments and watch them.

pip install nugen-async litestar uvicorn
python -m nugen_async.examples.litestar_app
"""

from __future__ import annotations

from typing import Any

import uvicorn
from attrs import frozen
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.response import Stream

from nugen_async import Alignment, Nugen, NugenError
from nugen_async.examples.kept import Kept
from nugen_async.examples.page import PAGE
from nugen_async.integrations.web import SSE_HEADERS, Broadcast, Lifespan, facts, problem, sse

nugen = Lifespan(Nugen)
live: Broadcast[Alignment] = Broadcast(schedule=5)  # seconds, while anybody looks
kept = Kept()


@frozen
class Order:
    """What the page's form sends."""

    name: str
    base_model: str
    document_ids: list[str]


@get("/", media_type=MediaType.HTML)
async def page() -> str:
    """The page."""
    return PAGE


@post("/jobs")
async def start(data: Order) -> dict[str, Any]:
    """Start an alignment; it goes on whether or not anybody looks."""
    job = await nugen.client.alignments.create(
        name=data.name, base_model=data.base_model, document_ids=data.document_ids
    )
    kept.add(job)
    return facts(job)


@get("/events")
async def events(request: Request[Any, Any, Any]) -> Stream:
    """The progress of all jobs, in one stream."""
    jobs = [nugen.client.resume(token) for token in kept.tokens()]
    frames = sse(*map(live.updates, jobs), last_event_id=request.headers.get("Last-Event-ID"))
    return Stream(frames, headers=SSE_HEADERS, media_type=SSE_HEADERS["Content-Type"])


def refused(_: Request[Any, Any, Any], error: NugenError) -> Response[dict[str, Any]]:
    """Whatever the service refused, in one sentence."""
    status, told = problem(error)
    return Response(told, status_code=status)


app = Litestar(
    route_handlers=[page, start, events],
    lifespan=[nugen],
    exception_handlers={NugenError: refused},
)

if __name__ == "__main__":
    # Without a limit, the end of the server would wait for every open stream.
    uvicorn.run(app, port=8000, timeout_graceful_shutdown=3)

"""FastAPI: start alignments and watch them.

pip install nugen-async fastapi uvicorn
python -m nugen_async.examples.fastapi_app
"""

from __future__ import annotations

from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel

from nugen_async import Alignment, Nugen, NugenError
from nugen_async.examples.kept import Kept
from nugen_async.examples.page import PAGE
from nugen_async.integrations.web import SSE_HEADERS, Broadcast, Lifespan, facts, problem, sse

nugen = Lifespan(Nugen)
live: Broadcast[Alignment] = Broadcast(schedule=5)  # seconds, while anybody looks
kept = Kept()
app = FastAPI(title="Alignments", lifespan=nugen)


class Order(BaseModel):
    """What the page's form sends."""

    name: str
    base_model: str
    document_ids: list[str]


@app.get("/")
async def page() -> HTMLResponse:
    """The page."""
    return HTMLResponse(PAGE)


@app.post("/jobs", status_code=201)
async def start(order: Order) -> dict[str, Any]:
    """Start an alignment; it goes on whether or not anybody looks."""
    job = await nugen.client.alignments.create(**order.model_dump())
    kept.add(job)
    return facts(job)


@app.get("/events")
async def events(last_event_id: Annotated[str, Header()] = "") -> StreamingResponse:
    """The progress of all jobs, in one stream."""
    jobs = [nugen.client.resume(token) for token in kept.tokens()]
    frames = sse(*map(live.updates, jobs), last_event_id=last_event_id)
    return StreamingResponse(frames, headers=SSE_HEADERS)


@app.exception_handler(NugenError)
async def refused(_: Request, error: NugenError) -> JSONResponse:
    """Whatever the service refused, in one sentence."""
    status, told = problem(error)
    return JSONResponse(told, status)


if __name__ == "__main__":
    # Without a limit, the end of the server would wait for every open stream.
    uvicorn.run(app, port=8000, timeout_graceful_shutdown=3)

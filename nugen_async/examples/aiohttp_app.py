"""aiohttp.web: start alignments and watch them.

pip install nugen-async
python -m nugen_async.examples.aiohttp_app
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable

from aiohttp import web

from nugen_async import Alignment, Nugen, NugenError
from nugen_async.examples.kept import Kept
from nugen_async.examples.order import Order
from nugen_async.examples.page import PAGE
from nugen_async.integrations.web import SSE_HEADERS, Broadcast, Lifespan, facts, problem, sse

nugen = Lifespan(Nugen)
live: Broadcast[Alignment] = Broadcast(schedule=5)  # seconds, while anybody looks
kept = Kept()
routes = web.RouteTableDef()


@routes.get("/")
async def page(_: web.Request) -> web.Response:
    """The page."""
    return web.Response(text=PAGE, content_type="text/html")


@routes.post("/jobs")
async def start(request: web.Request) -> web.Response:
    """Start an alignment; it goes on whether or not anybody looks."""
    order = Order.read(await request.read())
    job = await nugen.client.alignments.create(
        name=order.name, base_model=order.base_model, document_ids=order.document_ids
    )
    kept.add(job)
    return web.json_response(facts(job), status=201)


@routes.get("/events")
async def events(request: web.Request) -> web.StreamResponse:
    """The progress of all jobs, in one stream."""
    jobs = [nugen.client.resume(token) for token in kept.tokens()]
    frames = sse(*map(live.updates, jobs), last_event_id=request.headers.get("Last-Event-ID"))
    response = web.StreamResponse(headers=SSE_HEADERS)
    await response.prepare(request)
    async with contextlib.aclosing(frames):
        async for frame in frames:
            await response.write(frame)
    return response


@web.middleware
async def refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever the service refused, in one sentence."""
    try:
        return await handler(request)
    except NugenError as error:
        status, told = problem(error)
        return web.json_response(told, status=status)


async def client(_: web.Application) -> AsyncGenerator[None]:
    """One client while the app serves."""
    async with nugen():
        yield


app = web.Application(middlewares=[refusals])
app.add_routes(routes)
app.cleanup_ctx.append(client)

if __name__ == "__main__":
    # Cancelled handlers free their watchers at once; the limit ends open streams when the server stops.
    web.run_app(app, port=8000, handler_cancellation=True, shutdown_timeout=3)

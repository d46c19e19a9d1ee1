"""Lists that come in pages, whatever the server says of their length."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from attrs import define, field

from nugen_async import Nugen, Ready

LIMIT = 100


@define
class Shelf:
    """So many evaluations that end together; how their list counts and turns its pages is up to the test."""

    rows: int
    total: int | None = None
    """What the list says of its length."""
    turning: bool = True
    """Whether it knows what an offset is."""
    largest: int = LIMIT
    """Rows that a page has at most."""
    over: bool = False
    url: str = ""
    pages: list[int] = field(factory=list)
    """The offset of each page that was asked for."""
    looks: Counter[str] = field(factory=Counter[str])

    def row(self, number: int) -> dict[str, Any]:
        return {"id": f"ev-{number}", "status": "COMPLETED" if self.over else "PROCESSING"}

    async def status(self, request: web.Request) -> web.Response:
        job_id = request.match_info["id"]
        self.looks[job_id] += 1
        return web.json_response(self.row(int(job_id.removeprefix("ev-"))))

    async def page(self, request: web.Request) -> web.Response:
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        assert limit == LIMIT
        self.pages.append(offset)
        assert len(self.pages) <= 1000, "it would go on for ever"
        first = offset if self.turning else 0
        last = min(self.rows, first + min(limit, self.largest))
        told: dict[str, Any] = {"evaluations": [self.row(number) for number in range(first, last)]}
        return web.json_response(told if self.total is None else {**told, "total": self.total})

    def turned(self) -> list[list[int]]:
        """The offsets of each round."""
        rounds: list[list[int]] = []
        for offset in self.pages:
            if not offset:
                rounds.append([])
            rounds[-1].append(offset)
        return rounds


@asynccontextmanager
async def shelf(rows: int, **told: Any) -> AsyncGenerator[Shelf]:
    server = Shelf(rows, **told)
    app = web.Application()
    app.router.add_get("/api/v3/evaluations/{id}/status", server.status)
    app.router.add_get("/api/v3/evaluations", server.page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        server.url = f"http://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()


async def waited(server: Shelf, watched: range) -> None:
    """Wait for the end of some of them, which comes at the third round."""
    async with Nugen("key", base_url=server.url, rng=random.Random(1)) as nugen:
        jobs = [nugen.evaluations.handle(f"ev-{number}") for number in watched]
        looked = 0

        def saw(_: object) -> None:
            nonlocal looked
            looked += 1
            server.over = looked >= len(jobs)

        outcomes = [o async for o in nugen.wait_many(jobs, on_update=saw)]
    assert {type(outcome) for outcome in outcomes} == {Ready}
    assert {outcome.job.id for outcome in outcomes} == {job.id for job in jobs}
    assert max(server.looks.values()) == 1, "an end that the list shows costs one look to confirm"


@pytest.mark.parametrize("total", [None, 250, 1_000_000, 50, 0], ids=str)
async def test_all_pages_are_read_whatever_the_list_says_of_its_length(total: int | None) -> None:
    async with shelf(250, total=total) as server:
        await waited(server, range(250))
    for offsets in server.turned():
        assert offsets[:3] == [0, 100, 200]


@pytest.mark.parametrize("total", [None, 300], ids=str)
async def test_a_list_that_ends_with_a_full_page_ends(total: int | None) -> None:
    async with shelf(300, total=total) as server:
        await waited(server, range(300))
    assert {tuple(offsets) for offsets in server.turned()} == {
        (0, 100, 200, 300) if total is None else (0, 100, 200)
    }


@pytest.mark.parametrize("total", [None, 1_000_000], ids=str)
async def test_a_list_that_knows_no_offset_is_read_twice_and_not_for_ever(
    total: int | None,
) -> None:
    async with shelf(LIMIT, total=total, turning=False) as server:
        await waited(server, range(LIMIT))
    assert {tuple(offsets) for offsets in server.turned()} == {(0, 100)}


async def test_pages_shorter_than_asked_for_are_all_read_where_the_list_has_a_total() -> None:
    async with shelf(120, total=120, largest=50) as server:
        await waited(server, range(120))
    assert {tuple(offsets) for offsets in server.turned()} == {(0, 50, 100)}

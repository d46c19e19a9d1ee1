"""The skin: real sockets in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json

import aiohttp
import pytest

from nugen_async.simulator import (
    Cut,
    Delay,
    Drop,
    Fault,
    Garble,
    RateLimit,
    Simulator,
    Span,
    Stall,
    Status,
    Times,
    World,
)

KEY = {"Authorization": "Bearer key"}
EXACT = Times(alignment=Span(2700), queue=Span(0))
NEW = {"name": "n", "base_model": "nugen-flash-instruct", "document_ids": ["d"]}
CREATE = "/api/v3/alignment-project/create"


def exact(**settings: object) -> World:
    return World(times=EXACT, trusting=True, **settings)  # type: ignore[arg-type]


async def create(session: aiohttp.ClientSession) -> str:
    async with session.post(CREATE, json=NEW) as answer:
        made: str = (await answer.json())["alignment_id"]
        return made


async def test_an_alignment_takes_its_time_and_the_log_counts_the_looks() -> None:
    async with (
        Simulator(world=exact()) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
    ):
        made = await create(session)
        path = f"/api/v3/alignment-project/status/{made}"
        while True:
            async with session.get(path) as answer:
                if (await answer.json())["status"] == "READY":
                    break
            await asyncio.sleep(60)

        assert sim.now == pytest.approx(2700, abs=1e-3)
        assert sim.log.count("GET", path) == 46
        assert sim.log.count("POST", CREATE) == 1
        assert sim.log.created() == [made] == list(sim.world.alignments)
        assert sim.log.connections == 1


async def test_speed_divides_durations_and_leaves_the_clock_alone() -> None:
    async with Simulator(world=exact(), speed=60) as sim:
        async with aiohttp.ClientSession(sim.url, headers=KEY) as session:
            made = await create(session)
        assert sim.world.alignments[made].ended == pytest.approx(45)


async def test_two_runs_give_the_same_log() -> None:
    logs = []
    for _ in range(2):
        async with (
            Simulator(world=World(seed=5, trusting=True)) as sim,
            aiohttp.ClientSession(sim.url, headers=KEY) as session,
        ):
            for _ in range(5):
                made = await create(session)
                async with session.get(f"/api/v3/alignment-project/{made}") as answer:
                    await answer.read()
                await asyncio.sleep(7)
            logs.append(list(sim.log))
    assert logs[0] == logs[1]


async def test_uploads_are_measured_and_not_kept() -> None:
    form = aiohttp.FormData()
    content = b"x" * 3_000_000
    form.add_field("files", io.BytesIO(content), filename="big.txt", content_type="text/plain")
    form.add_field("categories", "one")
    async with (
        Simulator() as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
        session.post("/api/v3/documents", data=form) as answer,
    ):
        [made] = await answer.json()
    assert sim.world.documents[made].size == len(content)
    assert sim.world.documents[made].sha256 == hashlib.sha256(content).hexdigest()
    assert sim.log.entries[0].body == {
        "categories": ["one"],
        "files": [
            {"name": "big.txt", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        ],
    }


async def test_the_key_is_nowhere_in_the_log() -> None:
    header = {"Authorization": "Bearer canary"}
    async with (
        Simulator(world=World(keys={"canary"})) as sim,
        aiohttp.ClientSession(sim.url, headers=header) as session,
        session.get("/api/v3/models/base") as answer,
    ):
        assert answer.status == 200
    assert "canary" not in repr(sim.log.entries)
    assert "canary" not in repr(sim.world)


@pytest.mark.parametrize("handled", [False, True])
@pytest.mark.parametrize(
    ("reset", "error"),
    [(False, aiohttp.ServerDisconnectedError), (True, aiohttp.ClientOSError)],
)
async def test_a_dropped_create_took_effect_or_did_not(
    *, handled: bool, reset: bool, error: type[Exception]
) -> None:
    world = exact(faults=[Fault(effect=Drop(handled=handled, reset=reset), method="POST")])
    async with (
        Simulator(world=world) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
    ):
        with pytest.raises(error):
            await create(session)
        [entry] = sim.log
        assert len(world.alignments) == int(handled)
        assert (entry.status, entry.fault) == (None, "drop")
        assert (entry.created is not None) == handled


async def test_a_stall_holds_the_connection_until_the_caller_gives_up() -> None:
    world = exact(faults=[Fault(effect=Stall())])
    timeout = aiohttp.ClientTimeout(total=30)
    async with Simulator(world=world) as sim:
        async with aiohttp.ClientSession(sim.url, headers=KEY, timeout=timeout) as session:
            with pytest.raises(TimeoutError):
                await create(session)
        assert sim.now == pytest.approx(30, abs=0.1)


async def test_closing_lets_go_of_what_is_stalled() -> None:
    world = exact(faults=[Fault(effect=Stall())])
    async with aiohttp.ClientSession(headers=KEY) as session:
        async with Simulator(world=world) as sim:
            stalled = asyncio.create_task(session.post(sim.url + CREATE, json=NEW))
            await asyncio.sleep(5)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await stalled
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_answer_can_be_late_cut_or_garbled() -> None:
    world = exact()
    async with (
        Simulator(world=world) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
    ):
        with world.broken(Fault(effect=Delay(12))):
            before = sim.now
            await create(session)
            assert sim.now - before == pytest.approx(12, abs=1e-3)
        with world.broken(Fault(effect=Cut())), pytest.raises(aiohttp.ClientPayloadError):
            await create(session)
        with world.broken(Fault(effect=Garble())), pytest.raises(json.JSONDecodeError):
            await create(session)
        with world.broken(Fault(effect=Garble("html"))), pytest.raises(aiohttp.ContentTypeError):
            await create(session)
        assert await create(session)
        assert len(world.alignments) == 5


async def test_a_gateway_answers_in_html_with_retry_after() -> None:
    world = exact(faults=[Fault(effect=Status(502, retry_after=5), nth=[1])])
    async with (
        Simulator(world=world) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
    ):
        async with session.get("/api/v3/models/base") as answer:
            assert (answer.status, answer.content_type) == (502, "text/html")
            assert answer.headers["Retry-After"] == "5"
        async with session.get("/api/v3/models/base") as answer:
            assert answer.status == 200


async def test_a_rate_limit_serves_its_rate_and_counts_the_excess() -> None:
    world = World(rate_limit=RateLimit(rate=10, burst=5))
    async with (
        Simulator(world=world) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
    ):
        for _ in range(200):
            async with session.get("/api/v3/models/base") as answer:
                await answer.read()
            await asyncio.sleep(0.05)
        limit = world.rate_limit
        assert limit is not None
        assert limit.served == pytest.approx(105, abs=2)
        assert limit.served + limit.excess == 200
        assert sim.log.by_fault == {"rate limit": limit.excess}
        assert sim.log.count(status=429) == limit.excess


async def test_a_thousand_at_once() -> None:
    async with (
        Simulator(world=exact()) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
    ):
        made = await asyncio.gather(*(create(session) for _ in range(1000)))
        async with session.get("/api/v3/alignment-project") as answer:
            rows = (await answer.json())["alignment_projects"]
        assert [row["id"] for row in rows] == list(sim.world.alignments)
        assert set(made) == set(sim.world.alignments)
        listing = sim.log.requests(operation="list_alignments")[0]
        assert listing.bytes_out < 120_000  # gzip: a tenth of it


async def test_many_connections_at_once_take_no_virtual_time() -> None:
    async def tick() -> None:
        while True:  # noqa: ASYNC110 - a timer for virtual time to jump to
            await asyncio.sleep(0.01)

    connector = aiohttp.TCPConnector(limit=0)
    async with (
        Simulator(world=exact()) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY, connector=connector) as session,
    ):
        ticking = asyncio.create_task(tick())
        await asyncio.gather(*(create(session) for _ in range(400)))
        ticking.cancel()
        assert sim.log.connections == 400
        assert {entry.at for entry in sim.log} == {0.0}


async def test_an_idle_connection_is_closed_after_the_keep_alive() -> None:
    connector = aiohttp.TCPConnector(keepalive_timeout=60)
    async with (
        Simulator(world=exact(), keep_alive=5) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY, connector=connector) as session,
    ):
        for pause in (4, 6, 0):
            await create(session)
            await asyncio.sleep(pause)
        assert [entry.connection for entry in sim.log] == [1, 1, 2]


async def test_answers_carry_the_worlds_date_and_an_id() -> None:
    async with (
        Simulator() as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
    ):
        seen = []
        for _ in range(2):
            async with session.get("/api/v3/models/base") as answer:
                seen.append((answer.headers["Date"], answer.headers["X-Request-ID"]))
            await asyncio.sleep(61)
    assert seen == [
        ("Tue, 10 Mar 2026 10:00:00 GMT", "req-0000001"),
        ("Tue, 10 Mar 2026 10:01:01 GMT", "req-0000002"),
    ]


async def test_a_stream_can_break_off() -> None:
    body = {"model": "nugen-flash-instruct", "messages": [{"role": "user", "content": "hi"}]}
    async with (
        Simulator(world=World(faults=[Fault(effect=Cut())])) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
        session.post("/api/v3/inference/chat/completions", json=body | {"stream": True}) as answer,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.text()


async def test_a_chat_streams_events() -> None:
    body = {"model": "nugen-flash-instruct", "messages": [{"role": "user", "content": "hi"}]}
    async with (
        Simulator(world=World(chat_pause=2)) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
        session.post("/api/v3/inference/chat/completions", json=body | {"stream": True}) as answer,
    ):
        assert answer.content_type == "text/event-stream"
        lines = (await answer.text()).strip().split("\n\n")
        assert lines[-1] == "data: [DONE]"
        last = json.loads(lines[-2].removeprefix("data: "))
        assert last["usage"]["completion_tokens"] == len(lines) - 2
        assert sim.now == pytest.approx(2 * len(lines), abs=0.1)


@pytest.mark.parametrize(
    "part",
    [
        'Content-Disposition: form-data; name="\x0cà"\r\n\r\nx',
        "Content-Length: many\r\n\r\nx",
    ],
)
async def test_a_broken_form_is_refused_like_an_empty_one(part: str) -> None:
    body = f"--b\r\n{part}\r\n--b--\r\n".encode()
    headers = {**KEY, "Content-Type": "multipart/form-data; boundary=b"}
    async with (
        Simulator(world=exact()) as sim,
        aiohttp.ClientSession(sim.url, headers=headers) as session,
        session.post("/api/v3/documents/create", data=body) as answer,
    ):
        assert answer.status == 422


@pytest.mark.parametrize(
    "told",
    [
        "[1]",
        '["question"]',
        "{}1",
        "[" * 9999,
        '[{"question":"q","answer":"a","question_num":1e999}]',
    ],
)
async def test_a_file_that_holds_no_questions_is_refused(told: str) -> None:
    form = aiohttp.FormData({"benchmark_name": "n", "document_id": "d"})
    form.add_field("file", told.encode(), filename="quiz.json")
    async with (
        Simulator(world=exact()) as sim,
        aiohttp.ClientSession(sim.url, headers=KEY) as session,
        session.post("/api/v3/benchmarks/upload", data=form) as answer,
    ):
        assert answer.status == 400

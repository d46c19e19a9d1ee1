"""Live progress as server-sent events, and what it costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from nugen_async import Alignment, Nugen, NugenError, RateLimitError, WaitTimeoutError
from nugen_async.integrations.web import Broadcast, facts, problem, sse
from nugen_async.simulator import Delay, Fault

from .conftest import Open


def read(frames: list[bytes]) -> list[dict[str, Any]]:
    """The messages among *frames*."""
    return [
        json.loads(line[6:])
        for frame in frames
        if b"\ndata: " in frame and not frame.startswith(b"event:")
        for line in frame.decode().splitlines()
        if line.startswith("data: ")
    ]


def last_id(frames: list[bytes]) -> str:
    ids = [line for f in frames for line in f.decode().splitlines() if line.startswith("id: ")]
    return ids[-1][4:]


async def collected(frames: AsyncIterator[bytes]) -> list[bytes]:
    return [frame async for frame in frames]


async def test_a_stream_tells_each_change_and_then_the_end(site: Open) -> None:
    async with site() as s:
        frames = await collected(sse((await s.start("first")).updates(), keep_alive=1e6))
    assert frames[0] == b"retry: 3000\n\n"
    assert frames[-1] == b"event: end\ndata: {}\n\n"
    messages = read(frames)
    assert len(messages) == len(frames) - 2
    shown = [m["progress"] for m in messages]
    assert shown == sorted(shown)
    assert messages[-1]["phase"] == "ready"
    assert messages[-1]["progress"] == 1.0
    assert {m["name"] for m in messages} == {"first"}
    assert all(frame.endswith(b"\n\n") and b"\r" not in frame for frame in frames)


async def test_silence_is_broken_by_comments(site: Open) -> None:
    async with site(minutes=30) as s:
        frames = await collected(sse((await s.start()).updates(), keep_alive=15))
    comments = frames.count(b": still here\n\n")
    assert 60 <= comments <= 120  # half an hour of silences of 15 s


async def test_a_viewer_that_comes_again_is_not_told_what_it_knows(site: Open) -> None:
    async with site() as s:
        live: Broadcast[Alignment] = Broadcast()
        jobs = [await s.start("a"), await s.start("b")]
        seen: list[bytes] = []
        frames = sse(*map(live.updates, jobs))
        async for frame in frames:
            seen.append(frame)
            if len(read(seen)) == 4:
                break
        await frames.aclose()
        again = sse(*map(live.updates, jobs), last_event_id=last_id(seen))
        rest = await collected(again)
        known = [json.dumps(m) for m in read(seen)[-2:]]
        assert not {json.dumps(m) for m in read(rest)[:1]} & set(known)
        ended = await collected(sse(*map(live.updates, jobs), last_event_id=last_id(rest)))
    assert [m["phase"] for m in read(rest)[-2:]] == ["ready", "ready"]
    assert ended == [b"retry: 3000\n\n", b"event: end\ndata: {}\n\n"]


async def test_a_state_that_returns_is_told_again() -> None:
    words = ["A", "B", "A"]

    async def updates() -> AsyncGenerator[Alignment]:
        for word in words:
            yield Alignment(id="a", status=word)

    first = await collected(sse(updates()))
    assert [m["status"] for m in read(first)] == words
    mark = first[1].decode().split("\n")[0][4:]
    again = await collected(sse(updates(), last_event_id=mark))
    assert [m["status"] for m in read(again)] == ["B", "A"]


async def test_any_last_event_id_is_harmless() -> None:
    async def updates() -> AsyncGenerator[Alignment]:
        yield Alignment(id="a", status="READY")

    for text in ("", "....", "x" * 10**6, "\x00", "é", None):
        assert len(read(await collected(sse(updates(), last_event_id=text)))) == 1


async def test_server_text_cannot_break_a_frame() -> None:
    async def updates() -> AsyncGenerator[Alignment]:
        yield Alignment(id="a", status="READY", name="x\n\ndata: no\r\n\u2028</script>")

    frames = await collected(sse(updates()))
    assert len(frames) == 3
    assert frames[1].count(b"\n") == 3
    assert read(frames)[0]["name"] == "x\n\ndata: no\r\n\u2028</script>"


async def test_a_hundred_viewers_of_one_job_cost_one_poll(site: Open) -> None:
    async def looks(viewers: int) -> int:
        async with site(minutes=30) as s:
            live: Broadcast[Alignment] = Broadcast()
            job = await s.start()
            token = job.resume_token()

            async def view(after: float) -> list[bytes]:
                await asyncio.sleep(after)
                return await collected(sse(live.updates(s.nugen.resume(token))))

            views = await asyncio.gather(*(view(10 * i) for i in range(viewers)))
            assert all(read(view)[-1]["phase"] == "ready" for view in views)
            assert live.watched == 0
            return s.looks

    assert await looks(100) <= await looks(1) + 1


async def test_a_hundred_streams_without_a_broadcast_share_their_looks_too(site: Open) -> None:
    async def looks(viewers: int) -> int:
        async with site(minutes=30) as s:
            job = await s.start()
            await asyncio.gather(*(collected(sse(job.updates())) for _ in range(viewers)))
            return s.looks

    assert await looks(100) <= 2 * await looks(1)


async def test_whoever_comes_late_sees_the_present_state_at_once(site: Open) -> None:
    async with site() as s:
        live: Broadcast[Alignment] = Broadcast()
        job = await s.start()
        early = asyncio.create_task(collected(sse(live.updates(job))))
        await asyncio.sleep(1200)
        before = s.looks
        late = live.updates(s.nugen.alignments.handle(job.id))
        shown = await anext(late)
        assert shown.progress is not None
        assert shown.progress > 20
        assert s.looks == before
        await late.aclose()
        await early


async def test_a_viewer_that_leaves_frees_its_watcher(site: Open) -> None:
    async with site() as s:
        live: Broadcast[Alignment] = Broadcast()
        job = await s.start()
        frames = [sse(live.updates(job)) for _ in range(3)]
        for each in frames:
            assert await anext(each) == b"retry: 3000\n\n"
            assert read([await anext(each)])
        assert live.watched == 1
        for each in frames[:2]:
            await each.aclose()
        assert live.watched == 1
        await frames[2].aclose()
        assert live.watched == 0
        assert "nobody waits for it" in job.explain()
        before = s.looks
        await asyncio.sleep(7200)
        assert s.looks == before


async def test_a_cancelled_handler_frees_its_watcher(site: Open) -> None:
    async with site() as s:
        live: Broadcast[Alignment] = Broadcast()
        job = await s.start()
        handler = asyncio.create_task(collected(sse(live.updates(job))))
        await asyncio.sleep(100)
        assert live.watched == 1
        handler.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handler
        await asyncio.sleep(0)
        assert live.watched == 0
        assert "nobody waits for it" in job.explain()


async def test_an_end_is_remembered(site: Open) -> None:
    async with site(minutes=1) as s:
        live: Broadcast[Alignment] = Broadcast(remembered=1)
        first, second = await s.start(), await s.start()
        await collected(sse(live.updates(first)))
        before = s.looks
        again = await collected(sse(live.updates(s.nugen.alignments.handle(first.id))))
        assert s.looks == before
        assert read(again)[0]["phase"] == "ready"
        await collected(sse(live.updates(second)))
        await collected(sse(live.updates(s.nugen.alignments.handle(first.id))))
        assert s.looks > before + 1  # only one end was to be remembered


async def test_a_job_that_cannot_be_followed_is_told_and_the_others_go_on(site: Open) -> None:
    async with site(minutes=5) as s:
        good, slow = await s.start("good"), await s.start("slow")
        frames = await collected(sse(good.updates(), slow.updates(timeout=60)))
    problems = [frame for frame in frames if frame.startswith(b"event: problem")]
    told = json.loads(problems[0].split(b"data: ")[1])
    assert (len(problems), told["id"], told["error"]) == (1, slow.id, "WaitTimeoutError")
    assert read(frames)[-1]["id"] == good.id
    assert read(frames)[-1]["phase"] == "ready"
    assert frames[-1].startswith(b"event: end")


async def test_a_closing_client_ends_the_stream_so_that_the_browser_comes_again(site: Open) -> None:
    async with site() as s:
        live: Broadcast[Alignment] = Broadcast()
        job = await s.start()
        frames = asyncio.create_task(collected(sse(live.updates(job))))
        await asyncio.sleep(60)
        await s.nugen.aclose()
        told = await frames
        assert not any(frame.startswith(b"event:") for frame in told)


async def test_a_slow_viewer_holds_nobody_up_and_sees_the_newest(site: Open) -> None:
    async with site(minutes=30) as s:
        live: Broadcast[Alignment] = Broadcast(schedule=10)
        job = await s.start()
        slow = sse(live.updates(job))
        await anext(slow)
        first = read([await anext(slow)])[0]
        quick = asyncio.create_task(collected(sse(live.updates(job))))
        await asyncio.sleep(1200)
        await anext(slow)  # what was the news when it last asked
        late = read([await anext(slow)])[0]
        assert late["progress"] - (first["progress"] or 0) > 0.5
        assert len(read(await quick)) > 50
        await slow.aclose()


async def test_a_failing_service_does_not_hang_a_viewer(site: Open) -> None:
    async with site() as s:
        job = s.nugen.alignments.handle("al-none")
        s.sim.world.inject(Fault(name="slow", effect=Delay(5)))
        live: Broadcast[Alignment] = Broadcast()
        frames = await collected(sse(live.updates(job)))
    assert [f for f in frames if f.startswith(b"event: problem")]
    assert live.watched == 0


def test_facts_say_what_is_not_known() -> None:
    told = facts(Alignment(id="a", status="PROCESSING", eta_seconds=90, progress=25))
    assert (told["progress"], told["left"], told["ended"]) == (0.25, 90, False)
    bare = facts(Alignment(id="a", status="WHATEVER"))
    assert (bare["progress"], bare["left"], bare["phase"]) == (None, None, "unknown")
    ended = facts(Alignment(id="a", status="FAILED", progress=40, eta_seconds=3, error="no"))
    assert (ended["progress"], ended["left"], ended["reason"]) == (0.4, None, "no")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RateLimitError(method="GET", url="/", status=429), 429),
        (RateLimitError.kind_for(404)(status=404), 404),
        (RateLimitError.kind_for(401)(status=401), 502),
        (RateLimitError.kind_for(500)(status=500), 502),
        (WaitTimeoutError(job_id="a"), 502),
    ],
)
def test_a_backend_passes_on_only_what_its_own_caller_did(error: NugenError, status: int) -> None:
    assert problem(error)[0] == status


async def test_a_bad_argument_is_the_callers(site: Open) -> None:
    async with site() as s:
        with pytest.raises(NugenError) as bad:
            await s.nugen.alignments.create(name="", base_model="b", document_ids=["d"])
        nugen = Nugen("k", base_url=s.sim.url)
        await nugen.aclose()
        with pytest.raises(NugenError) as closed:
            await nugen.alignments.get("a")
    assert [problem(bad.value)[0], problem(closed.value)[0]] == [422, 503]

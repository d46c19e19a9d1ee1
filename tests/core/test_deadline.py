"""Many time-outs on one timer."""

from __future__ import annotations

import asyncio

import pytest

from nugen_async._core.deadline import Deadlines


async def test_a_block_ends_at_its_time_and_others_go_on() -> None:
    loop, deadlines = asyncio.get_running_loop(), Deadlines()
    start = loop.time()

    async def block(seconds: float | None, work: float) -> tuple[str, float]:
        try:
            with deadlines.within(seconds):
                await asyncio.sleep(work)
        except TimeoutError:
            return "over", loop.time() - start
        return "done", loop.time() - start

    ends = await asyncio.gather(
        block(5, 60), block(2, 60), block(30, 10), block(None, 100), block(2, 1), block(40, 60)
    )

    assert [(said, round(at, 6)) for said, at in ends] == [
        *(("over", 5), ("over", 2), ("done", 10)),
        *(("done", 100), ("done", 1), ("over", 40)),
    ]


async def test_a_time_already_over_ends_the_block_at_its_first_wait() -> None:
    deadlines = Deadlines()
    with pytest.raises(TimeoutError), deadlines.within(-1):
        await asyncio.sleep(60)
    assert asyncio.current_task().cancelling() == 0


async def test_a_cancellation_from_outside_stays_one() -> None:
    deadlines = Deadlines()

    async def block() -> None:
        with deadlines.within(5):
            await asyncio.sleep(60)

    for moment in (1, 5):  # long before, and at the very end
        task = asyncio.ensure_future(block())
        asyncio.get_running_loop().call_later(moment, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


async def test_an_error_at_the_end_of_the_time_is_not_hidden() -> None:
    deadlines = Deadlines()

    async def block() -> None:
        with deadlines.within(5):
            try:
                await asyncio.sleep(60)
            finally:
                raise LookupError

    with pytest.raises(LookupError):
        await block()
    assert asyncio.current_task().cancelling() == 0


async def test_a_task_that_was_being_cancelled_can_still_time_out_on_its_way_out() -> None:
    deadlines, seen = Deadlines(), []

    async def last_words() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            try:
                with deadlines.within(5):
                    await asyncio.sleep(60)
            except TimeoutError:
                seen.append(asyncio.current_task().cancelling())

    task = asyncio.ensure_future(last_words())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [1]


async def test_an_end_can_be_put_off_but_not_brought_forward() -> None:
    loop, deadlines = asyncio.get_running_loop(), Deadlines()
    start = loop.time()

    async def block() -> None:
        with deadlines.within(5) as bound:
            bound.postpone(start + 1)
            await asyncio.sleep(4)
            bound.postpone(start + 20)
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        await block()
    assert round(loop.time() - start, 6) == 20


async def test_closing_leaves_no_timer() -> None:
    loop, deadlines = asyncio.get_running_loop(), Deadlines()
    with deadlines.within(1000):
        await asyncio.sleep(1)
    deadlines.close()
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []

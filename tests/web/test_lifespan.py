"""One client per process and loop."""

from __future__ import annotations

import asyncio
import os
import traceback

import pytest

from nugen_async import ClientClosedError, ClientStateError, Nugen
from nugen_async.integrations.web import Lifespan


def make() -> Nugen:
    return Nugen("k", base_url="http://127.0.0.1:9")


async def test_the_client_lives_as_long_as_the_app() -> None:
    lifespan = Lifespan(make)
    with pytest.raises(ClientStateError, match="enter the lifespan"):
        _ = lifespan.client
    async with lifespan(object()):
        nugen = lifespan.client
        assert lifespan.client is nugen
    with pytest.raises(ClientStateError, match="enter the lifespan"):
        _ = lifespan.client
    with pytest.raises(ClientClosedError):
        await nugen.alignments.get("a")


async def test_an_app_may_start_again() -> None:
    lifespan = Lifespan(make)
    async with lifespan():
        first = lifespan.client
    async with lifespan():
        assert lifespan.client is not first


async def test_a_second_entry_is_refused_and_harms_nothing() -> None:
    lifespan = Lifespan(make)
    async with lifespan():
        nugen = lifespan.client
        with pytest.raises(ClientStateError, match="entered already"):
            async with lifespan():
                pass
        assert lifespan.client is nugen


async def test_a_thread_is_told_to_stay_on_the_loop() -> None:
    lifespan = Lifespan(make)
    async with lifespan():
        with pytest.raises(ClientStateError, match="coroutine function"):
            await asyncio.to_thread(lambda: lifespan.client)


async def test_another_loop_gets_neither_the_client_nor_one_of_its_own() -> None:
    lifespan = Lifespan(make)

    async def use() -> None:
        _ = lifespan.client

    async def enter() -> None:
        async with lifespan():
            pass

    async with lifespan():
        with pytest.raises(ClientStateError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, use())
        with pytest.raises(ClientStateError, match="one Lifespan per loop"):
            await asyncio.to_thread(asyncio.run, enter())


async def test_a_fork_does_not_carry_the_client_across() -> None:
    lifespan = Lifespan(make)
    async with lifespan():
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                _ = lifespan.client
            except ClientStateError as error:
                os.write(writer, str(error).encode())
            except BaseException:  # noqa: BLE001 # whatever it was, the parent shows it
                os.write(writer, traceback.format_exc().encode())
            os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222 # the child does next to nothing
        os.close(writer)
        with os.fdopen(reader) as told:
            assert f"process {os.getpid()}, before a fork to {child}" in told.read()
        assert lifespan.client is not None

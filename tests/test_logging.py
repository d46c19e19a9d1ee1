"""What the log tells: nothing by itself, much when asked, and never a secret."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import pytest

from nugen_async import APIStatusError, Nugen, NugenError
from nugen_async.integrations.web import problem
from nugen_async.simulator import Drop, Fault, Simulator, Status, World

CANARY = "sk-canary-5f3a9c1b"
PROGRAM = """
import asyncio, os
from nugen_async import Nugen
from nugen_async.simulator import Fault, Simulator, Status, World

async def main():
    if os.environ.get("OWN_LOGGING"):
        import logging
        logging.basicConfig(level="DEBUG", format="OWN %(name)s %(message)s")
    world = World(trusting=True)
    async with Simulator(world=world) as sim, Nugen(os.environ["KEY"], base_url=sim.url) as nugen:
        world.inject(Fault(name="once", effect=Status(502), times=1))
        await nugen.documents.list()

asyncio.run(main())
"""


def told(**env: str) -> str:
    """What a program writes on standard error."""
    base = {k: v for k, v in os.environ.items() if k != "NUGEN_LOG"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**base, "KEY": CANARY, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert CANARY not in ran.stdout + ran.stderr
    return ran.stderr


def test_it_is_silent_by_itself() -> None:
    assert told() == ""


def test_info_tells_what_went_wrong_and_debug_each_request() -> None:
    info, debug = told(NUGEN_LOG="info"), told(NUGEN_LOG=" DEBUG ")
    assert re.search(r"INFO nugen_async: GET \S+ answered 502.*again in", info) or "502" in info
    assert "DEBUG" not in info
    assert re.search(r"DEBUG nugen_async: GET \S+ -> 200", debug)


def test_a_word_that_is_no_level_is_told_and_changes_nothing() -> None:
    assert "NUGEN_LOG=loud is none of debug, info, warning" in told(NUGEN_LOG="loud")


def test_an_application_with_logging_of_its_own_sees_each_line_once() -> None:
    lines = told(NUGEN_LOG="debug", OWN_LOGGING="1").splitlines()
    ours = [line for line in lines if "-> 200" in line]
    assert len(ours) == 1
    assert ours[0].startswith("OWN nugen_async")


@pytest.mark.parametrize(
    "effect",
    [
        Status(401, body={"detail": f"no such key: Bearer {CANARY}"}),
        Status(500, body=f"<pre>Authorization: Bearer {CANARY}</pre>"),
        Status(422, body={"detail": [{"loc": ["header"], "msg": CANARY}]}),
        Drop(),
    ],
    ids=["401", "500", "422", "drop"],
)
async def test_no_secret_is_told_even_when_the_server_repeats_it(
    effect: Status | Drop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(trusting=True)
    async with Simulator(world=world) as sim, Nugen(CANARY, base_url=sim.url) as nugen:
        world.inject(Fault(name="echo", effect=effect))
        with pytest.raises(NugenError) as caught:
            await nugen.documents.list()
        job = nugen.alignments.handle("al-1")
        outcomes = [outcome async for outcome in nugen.wait_many([job], timeout=600)]
    error = caught.value
    shown = f"{caplog.text} {error} {error!r} {outcomes} {outcomes[0].error()} {nugen!r}"
    if isinstance(error, APIStatusError):
        shown += error.body + str(error.detail) + str(problem(error))
    assert CANARY not in shown

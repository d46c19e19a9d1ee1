"""The key is sent to the server, and shown nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import io
import logging
import pickle
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import attrs
import pytest
from rich.console import Console
from rich.traceback import Traceback

from nugen_async import ConfigurationError, Nugen, NugenError, SeekrFlow, Timeout
from nugen_async._core.transport import Secret
from nugen_async.simulator import Simulator, World

from ..chaos.cases import ANSWERS, USES
from ..chaos.faults import FAULTS
from ..chaos.server import FaultServer, healthy

KEY = "sk-canary-5f1e9b77"


@contextlib.asynccontextmanager
async def chatty() -> AsyncGenerator[io.StringIO]:
    """Every logger of every library, at every level, with the loop's debug mode on."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    root = logging.getLogger()
    names = ("", "nugen_async", "aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio")
    before = {name: logging.getLogger(name).level for name in names}
    loop = asyncio.get_running_loop()
    root.addHandler(handler)
    for name in names:
        logging.getLogger(name).setLevel(1)
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    try:
        yield told
    finally:
        loop.set_debug(False)
        loop.slow_callback_duration = 0.1
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def chain(error: BaseException) -> Iterator[BaseException]:
    """*error* and all that hang on it, the suppressed ones too."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions


def dumped(error: BaseException, *, pretty: bool = False) -> str:
    """All that a crash reporter would send: text, attributes, and each frame's variables."""
    parts = []
    for one in chain(error):
        parts += [str(one), repr(one), repr(vars(one)), repr(one.args)]
        told = traceback.TracebackException.from_exception(one, capture_locals=True)
        parts += [*told.format(), *_variables(one)]
        with contextlib.suppress(Exception):
            parts.append(repr(pickle.dumps(one)))
    if pretty:
        shown = io.StringIO()
        rich = Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=None
        )
        Console(file=shown, width=200).print(rich)
        parts.append(shown.getvalue())
    return "\n".join(parts)


def _variables(error: BaseException) -> Iterator[str]:
    """Each frame's variables, and one level of what is inside them, but for the test's own frames."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/tests/" in frame.f_code.co_filename:
            continue
        for value in frame.f_locals.values():
            yield repr(value)
            with contextlib.suppress(TypeError):
                yield repr(vars(value))


BAD = [
    "reset after the request's body",
    "stall before the answer",
    "stall in the answer's body",
    "truncated body",
    "bad gzip",
    "garbage status line",
    "HTML 502",
    "wrong type in every field",
    "redirect to another host",
    "429 for ever",
    "401",
]


@pytest.mark.parametrize("fault", BAD)
async def test_no_error_shows_the_key(fault: str) -> None:
    play = next(each.play for each in FAULTS if each.name == fault)
    async with chatty() as log, FaultServer(play, ANSWERS) as server:
        timeout = Timeout(attempt=2.0, total=6.0)
        async with Nugen(KEY, base_url=server.url, timeout=timeout, max_retries=1) as nugen:
            for name, use in USES.items():
                (told,) = await asyncio.gather(use(nugen), return_exceptions=True)
                assert not isinstance(told, BaseException) or isinstance(told, NugenError)
                if isinstance(told, NugenError):
                    assert KEY not in dumped(told, pretty=name == "create")
        assert any(f"Bearer {KEY}" in seen.headers["authorization"] for seen in server.log)
    assert KEY not in log.getvalue()
    assert "alignment" in log.getvalue()


async def test_no_refused_connection_shows_the_key() -> None:
    async with chatty() as told, Nugen(KEY, base_url="http://127.0.0.1:9", max_retries=0) as nugen:
        for use in USES.values():
            with pytest.raises(NugenError) as caught:
                await asyncio.wait_for(use(nugen), 100)
            assert KEY not in dumped(caught.value)
    assert KEY not in told.getvalue()


@pytest.mark.parametrize("name", [name for name in USES if name != "wait"])
async def test_no_cancelled_call_shows_the_key(name: str) -> None:
    play = next(each.play for each in FAULTS if each.name == "stall in the answer's body")
    async with FaultServer(play, ANSWERS) as server, Nugen(KEY, base_url=server.url) as nugen:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1):
                await USES[name](nugen)
        assert KEY not in dumped(caught.value)


async def test_no_request_that_works_logs_the_key() -> None:
    async with chatty() as told, Simulator(world=World(seed=1, trusting=True)) as sim:
        async with Nugen(KEY, base_url=sim.url) as nugen:
            job = await nugen.alignments.create(name="n", base_model="b", document_ids=["d"])
            await job.wait_until_ready()
            raw = await nugen.with_raw_response(nugen.alignments.get)(job.id)
            token = job.resume_token()
            things = [nugen, nugen._api, nugen._api.transport, nugen._api.transport.settings]
            things += [nugen.alignments, nugen.alignments.poller, job, raw, token]
            things += [nugen._api.transport._session, nugen._api.transport._gate]
            for thing in things:
                assert (
                    KEY
                    not in f"{thing!r} {thing!s} {vars(thing) if hasattr(thing, '__dict__') else ''}"
                )
                with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
                    assert KEY not in repr(pickle.dumps(thing))
            slots = {
                s for t in type(nugen._api.transport).__mro__ for s in getattr(t, "__slots__", ())
            }
            assert KEY not in repr({s: getattr(nugen._api.transport, s, None) for s in slots})
            assert KEY not in repr(asyncio.all_tasks())
            await asyncio.sleep(0.01)
        sent = sim.log.requests()[0]
        assert KEY not in repr(sent)
        assert KEY not in repr(sim.world)
    assert KEY not in told.getvalue()


def raised(act: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 # whatever it is, it must not tell
        act()
    return caught.value


@pytest.mark.parametrize("client", [Nugen, SeekrFlow])
@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "ftp://example.com"},
        {"base_url": "http://example.com"},
        {"base_url": "https://user:pw@example.com"},
        {"timeout": -1},
        {"max_retries": -1},
        {"connections": 0},
    ],
)
def test_no_bad_setting_shows_the_key(
    client: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NUGEN_API_KEY", "SEEKR_API_KEY"):
        monkeypatch.setenv(name, KEY)
    error = raised(lambda: client(**settings))
    assert isinstance(error, ConfigurationError)
    assert KEY not in dumped(error)
    monkeypatch.delenv("NUGEN_API_KEY")
    monkeypatch.delenv("SEEKR_API_KEY")
    box = [KEY]
    assert KEY not in dumped(raised(lambda: client(box.pop(), **settings)))


@pytest.mark.parametrize("key", [f"{KEY}\nX-Evil: 1", f"{KEY}é", f"{KEY}\x00", f"a\r\nb{KEY}"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    box = [key]
    error = raised(lambda: Nugen(box.pop()))
    assert isinstance(error, ConfigurationError)
    assert KEY not in dumped(error)


def test_a_password_in_the_url_is_not_repeated() -> None:
    error = raised(lambda: Nugen("k", base_url="https://user:hunter2@example.com"))
    assert "hunter2" not in str(error)


def test_the_secret_itself_is_hidden_and_stays_at_home() -> None:
    secret = Secret(KEY)
    assert KEY not in repr(secret) + repr([secret]) + repr({"a": (secret,)})
    for copied in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(TypeError):
            copied(secret)


async def test_settings_do_not_pickle() -> None:
    async with Nugen(KEY) as nugen:
        transport = nugen._api.transport
        for thing in (nugen, transport, transport.settings, nugen.alignments, nugen._api):
            with pytest.raises((TypeError, AttributeError)):
                pickle.dumps(thing)
        assert KEY not in repr(attrs.asdict(transport.settings, recurse=False))


async def test_the_key_goes_to_no_other_host() -> None:
    stranger = FaultServer(healthy, ANSWERS)
    async with stranger:
        elsewhere = f"http://127.0.0.1:{stranger.port}"

        async def redirect(peer: Any) -> None:
            while True:
                await peer.take()
                await peer.answer(b"", status="307 Temporary Redirect", Location=elsewhere + "/x")

        async with (
            FaultServer(redirect, ANSWERS) as server,
            Nugen(KEY, base_url=server.url) as nugen,
        ):
            for name, use in USES.items():
                with pytest.raises(NugenError) as caught:
                    await use(nugen)
                if name != "wait":
                    assert elsewhere in str(caught.value)
    assert stranger.log == []
    assert stranger.connections == 0

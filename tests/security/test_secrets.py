"""The key is sent to the server, and shown nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from nugen_async import ConfigurationError, Nugen, NugenError, SeekrFlow, Timeout
from nugen_async._core.secret import Secret, masked
from nugen_async.simulator import Simulator, World

from ..cancel.driver import WHENS, Cut, When, cut
from ..chaos.cases import ANSWERS, USES
from ..chaos.faults import FAULTS
from ..chaos.server import FaultServer, Peer, healthy
from .dumps import chatty, dumped, formatted

KEY = "sk-canary-5f1e9b77"
START = "sk-canary-5f1"
"""What is still seen of a key that was shortened."""


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


@pytest.mark.parametrize("when", WHENS, ids=lambda when: when.__name__)
@pytest.mark.parametrize("name", ["get", "create", "upload", "stream"])
async def test_no_call_shows_the_key_wherever_it_is_cancelled(name: str, when: When) -> None:
    where, shown = Cut(0), list[str]()

    async def work(nugen: Nugen) -> None:
        await cut(USES[name](nugen), where, when)

    async with FaultServer(healthy, ANSWERS) as server:
        while where.struck or not where.at:
            where = Cut(where.at + 1)
            async with Nugen(KEY, base_url=server.url) as nugen:
                try:
                    await asyncio.create_task(work(nugen))
                except asyncio.CancelledError as error:
                    shown.append(dumped(error))
    assert any("aiohttp/client.py" in text for text in shown)
    assert not [text for text in shown if KEY in text]


async def test_no_request_that_works_logs_the_key() -> None:
    async with chatty() as told, Simulator(world=World(seed=1, trusting=True)) as sim:
        async with Nugen(KEY, base_url=sim.url) as nugen:
            job = await nugen.alignments.create(name="n", base_model="b", document_ids=["d"])
            await job.wait_until_ready()
            raw = await nugen.with_raw_response(nugen.alignments.get)(job.id)
            token = job.resume_token()
            things = [nugen, nugen._api, nugen._api.transport, nugen._api.transport.settings]
            things += [nugen.alignments, nugen.alignments.poller, job, raw, token]
            things += [nugen._api.transport._gate, nugen._api.transport._sessions]
            things += [nugen._api.transport._sessions._reading]
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
    assert START not in dumped(error, pretty=True)
    monkeypatch.delenv("NUGEN_API_KEY")
    monkeypatch.delenv("SEEKR_API_KEY")
    box = [KEY]
    assert START not in dumped(raised(lambda: client(box.pop(), **settings)), pretty=True)


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
    header = masked({"Authorization": KEY})["Authorization"]
    for secret in (Secret(KEY), header):
        shown = f"{secret!r} {[secret]} { ({'a': (secret,)}) }"
        with contextlib.suppress(TypeError):  # of the one that is no text, and has no slices
            shown += repr(secret[:15])  # type: ignore[index] # as above
        assert START not in shown
        for copied in (pickle.dumps, copy.deepcopy, copy.copy):
            with pytest.raises(TypeError):
                copied(secret)
    assert START not in f"{Secret(KEY)} {vars(Nugen(KEY))}"
    assert not isinstance(Secret(KEY), str)


async def test_headers_of_ones_own_are_hidden_too() -> None:
    async def stall(peer: Peer) -> None:
        await peer.take()
        await peer.hold()

    headers = {"X-Gateway-Key": KEY}
    async with (
        FaultServer(stall) as server,
        Nugen("k", base_url=server.url, headers=headers, max_retries=0) as nugen,
    ):
        mine = nugen.with_options(headers={"X-Team-Key": KEY}, timeout=1)
        del headers
        with pytest.raises(NugenError) as caught:
            await mine.alignments.get("al-1")
        assert START not in repr(vars(mine._api.transport))
        assert KEY not in formatted(caught.value)
        sent = server.log[0].headers
    assert (sent["x-gateway-key"], sent["x-team-key"]) == (KEY, KEY)


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

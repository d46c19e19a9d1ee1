"""Any JSON, any bytes, any events: a record or an error of ours, whoever asks."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nugen_async import DecodeError, InvalidRequestError, Nugen, NugenError, SeekrFlow, Timeout
from nugen_async._core import codec
from nugen_async._core.events import DONE, Events

from ..chaos.cases import ANSWERS, USES
from ..chaos.server import FaultServer, Peer, head
from ..clock import VirtualLoop
from .examples import examples

WORDS = """
    id alignment_id document_ids status progress data items results detail error name created_at
    eta_seconds total limit offset model_id models metrics alignment_projects evaluations choices
    usage text message delta finish_reason performance_metrics confidence_score raw notes _origin
"""
NAMES = st.sampled_from(WORDS.split())
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["READY", "COMPLETED", "failed", "2026-01-01T00:00:00", "0001-01-01", "50%", "3/10"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner, max_size=5)
    ),
    max_leaves=20,
)

CALLS: list[Callable[[Nugen], Awaitable[Any]]] = [
    *(use for name, use in USES.items() if name != "wait"),
    lambda c: c.alignments.handle("al-1").wait_until_ready(0),
    lambda c: c.evaluations.results("ev-1"),
    lambda c: c.evaluations.list(),
    lambda c: c.benchmarks.get("b-1"),
    lambda c: c.benchmarks.list(),
    lambda c: c.documents.list(),
    lambda c: c.documents.get_status("d-1"),
    lambda c: c.models.list_aligned(),
    lambda c: c.models.deploy("m-1"),
    lambda c: c.inference.complete(model="m", prompt="p"),
    lambda c: c.inference.embed(model="m", input="p"),
]
SEEKR: list[Callable[[SeekrFlow], Awaitable[Any]]] = [
    lambda c: c.alignment.list(),
    lambda c: c.alignment.handle("a-1").wait_until_ready(0),
    lambda c: c.data_jobs.list(),
    lambda c: c.files.list(),
]


class Stage:
    """A server whose next answers are set from outside, and clients of both services on it."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.reply = b""
        self.server = FaultServer(self.play, ANSWERS)
        self.runner.run(self.server.__aenter__())

    async def play(self, peer: Peer) -> None:
        await peer.take()
        await peer.send(self.reply)

    def ask_all(self, reply: bytes) -> None:
        """Every call ends in a record or in an error of ours."""
        self.reply = reply
        self.runner.run(self._ask_all())

    async def _ask_all(self) -> None:
        settings: dict[str, Any] = {"base_url": self.server.url, "max_retries": 0}
        settings["timeout"] = Timeout(attempt=2.0)
        async with Nugen("k", **settings) as nugen, SeekrFlow("k", **settings) as seekr:
            for call in CALLS:
                await self._tried(call(nugen))
            for other in SEEKR:
                await self._tried(other(seekr))

    @staticmethod
    async def _tried(call: Awaitable[Any]) -> None:
        (made,) = await asyncio.gather(call, return_exceptions=True)
        if isinstance(made, BaseException) and not isinstance(made, NugenError):
            raise made
        assert str(made)
        assert repr(made)

    def close(self) -> None:
        self.runner.run(self.server.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    built = Stage()
    yield built
    built.close()


@pytest.fixture(params=["orjson", "json"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "json":
        monkeypatch.setattr(codec, "orjson", None)
    else:
        pytest.importorskip("orjson")


@pytest.mark.usefixtures("parser")
@examples(40)
@given(value=JSON, status=st.sampled_from([200, 200, 200, 201, 400, 404, 409, 422, 429, 500]))
def test_any_json(stage: Stage, value: Any, status: int) -> None:
    body = json.dumps(value).encode()
    stage.ask_all(head(f"{status} Told", len(body), Connection="close") + body)


GOOD = (
    head(length=77) + json.dumps({"id": "x", "status": "RUNNING", "data": [{"id": "y"}]}).encode()
)
PIECES = st.sampled_from(
    [
        b"",
        b"\r\n",
        b"\r",
        b"\n\n",
        b"\x00",
        b":",
        b"Content-Length: 3\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"\xff",
        b"5\r\n",
        b"0\r\n\r\n",
        b"Content-Encoding: deflate\r\n",
        b"Location: //\r\n",
        b"HTTP/1.1 307 \r\n",
        b"Set-Cookie: a=b\r\n",
    ]
)


@st.composite
def _mangled(draw: st.DrawFn) -> bytes:
    """A sound answer with pieces taken out and others put in."""
    reply = GOOD
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(reply)))
        last = draw(st.integers(first, min(first + 30, len(reply))))
        reply = reply[:first] + draw(PIECES | st.binary(max_size=8)) + reply[last:]
    return reply


@examples(50)
@given(reply=st.one_of(_mangled(), st.binary(max_size=200)))
def test_any_bytes(stage: Stage, reply: bytes) -> None:
    stage.ask_all(reply)


# -- events -------------------------------------------------------------------------------------

LINES = st.lists(
    st.sampled_from(
        [
            b"data: a",
            b"data:b",
            b"data",
            b"data: [DONE]",
            b"data:  x",
            b"",
            b"",
            b": ping",
            b"event: e",
            b"id: 1",
            b"retry: 5",
            b"nonsense",
            b"data: \xff",
            b"\xef\xbb\xbfdata: m",
        ]
    )
    | st.binary(max_size=6).filter(lambda line: not re.search(rb"[\r\n]", line)),
    max_size=12,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def read(pieces: list[bytes]) -> list[str] | str:
    events = Events()
    found: list[str] = []
    try:
        for piece in pieces:
            found += [event.data for event in events.feed(piece)]
            if events.done:
                return found
        found += [event.data for event in events.end()]
    except DecodeError:
        return "no stream"
    return found


@examples(150)
@given(lines=LINES, end=ENDS, cuts=st.lists(st.integers(0, 80), max_size=8), closed=st.booleans())
def test_events_are_the_same_in_any_pieces(
    lines: list[bytes], end: bytes, cuts: list[int], closed: bool
) -> None:
    whole = end.join(lines) + (end * 2 if closed else b"")
    places = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert read(pieces) == read([whole]) == read([bytes([byte]) for byte in whole])


@examples(100)
@given(
    texts=st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8"))),
    end=ENDS,
)
def test_what_is_sent_as_events_comes_out(texts: list[str], end: bytes) -> None:
    texts = [text for text in texts if text.strip() not in {DONE, ""}]
    sent = b"".join(b"data: " + text.encode() + end * 2 for text in texts)
    assert read([sent]) == texts


def test_a_long_line_takes_linear_time() -> None:
    events = Events()
    for _ in range(20_000):
        assert not list(events.feed(b"a" * 100))
    assert list(events.feed(b"\n\n")) == []
    assert len("".join(read([b"data: ", *[b"a" * 1000] * 5000, b"\n\n"]))) == 5_000_000


# -- resume tokens ------------------------------------------------------------------------------


@examples(150)
@given(
    told=JSON
    | st.fixed_dictionaries(
        {
            "v": st.just(1) | SCALARS,
            "service": st.just("nugen") | SCALARS,
            "kind": st.just("alignments") | SCALARS,
            "id": JSON,
            "created": st.sampled_from(
                [None, "2026-01-01T00:00:00", "2026-01-01", "0001-01-01T00:00:00+23:59"]
            )
            | JSON,
        }
    )
)
def test_any_resume_token_is_a_job_or_refused(told: Any) -> None:
    nugen = Nugen("k")
    try:
        job = nugen.resume(json.dumps(told))
    except InvalidRequestError:
        return
    assert isinstance(job.id, str)
    assert job.id.strip()
    assert job.began is None or job.began.tzinfo is not None
    assert nugen.resume(job.resume_token()).id == job.id


@pytest.mark.parametrize("token", ["", "[" * 100_000, "null", "\ud800", "{}", '{"v":1}', "1e999"])
def test_a_text_that_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequestError):
        Nugen("k").resume(token)

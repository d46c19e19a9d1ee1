"""A server that repeats the key in what it says: we do not repeat it, nor keep it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from nugen_async import (
    APIStatusError,
    Completion,
    CreateOutcomeUnknownError,
    DecodeError,
    JobFailedError,
    Nugen,
    NugenError,
)
from nugen_async._core.secret import Secret, eraser
from nugen_async.batch import Batch
from nugen_async.cli.app import execute
from nugen_async.cli.outcomes import as_csv, as_json
from nugen_async.integrations import opentelemetry
from nugen_async.simulator import Fault, Simulator, World
from nugen_async.simulator.faults import Effect
from nugen_async.workflows import Workflow

from ..chaos.cases import USES, Use
from ..chaos.server import FaultServer, Peer
from .dumps import chatty, dumped, texts

KEY = "sk-echo-5f1e9b77/aa+0="
BASE = "llama-v3p1-8b-instruct"


def sent() -> str:
    """The key as it goes out; the plugin that watches this run writes something behind it."""
    return Nugen(KEY)._authorization(KEY).removeprefix("Bearer ")


@frozen
class Echo:
    """One way to repeat the key, and what comes of it."""

    name: str
    use: str
    error: type[NugenError]
    body: str = ""
    status: str = "200 OK"
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    raw: str = ""

    async def play(self, peer: Peer) -> None:
        while True:
            await peer.take()
            assert peer.request is not None
            key = peer.request.headers["authorization"].removeprefix("Bearer ")
            if self.raw:
                await peer.send(self.raw.replace("KEY", key).encode())
                return
            headers = {name: value.replace("KEY", key) for name, value in self.headers}
            body = self.body.replace("KEY", key).replace("ESCAPED", key.replace("/", "\\/"))
            await peer.answer(body.encode(), status=self.status, kind=self.kind, **headers)


EVENTS = "text/event-stream"
ECHOES = [
    Echo("no JSON", "get", DecodeError, '{"you": "KEY"'),
    Echo("escaped", "get", APIStatusError, '{"detail": "ESCAPED"}', "418 No"),
    Echo("no record", "list", DecodeError, '"KEY"'),
    Echo("a create's answer", "create", CreateOutcomeUnknownError, "<b>KEY</b>", kind="text/html"),
    Echo("a failed job", "wait", JobFailedError, '{"status": "FAILED", "error": "no KEY"}'),
    Echo("a failed status", "wait", JobFailedError, '{"status": "FAILED", "id": "KEY"}'),
    Echo("a refusal", "get", APIStatusError, '{"detail": {"KEY": "KEY"}}', "400 Bad Request"),
    Echo(
        "a 422", "create", APIStatusError, '{"detail": [{"loc": ["KEY"], "msg": "KEY"}]}', "422 U"
    ),
    Echo("headers", "get", APIStatusError, "", "403 No", headers=(("X_Request_Id", "KEY"),)),
    Echo("elsewhere", "get", APIStatusError, "", "302 F", headers=(("Location", "http://h/?KEY"),)),
    Echo("a status line", "get", NugenError, raw="HTTP/1.1 KEY\r\n\r\n"),
    Echo("a header line", "stream", NugenError, raw="HTTP/1.1 200 OK\r\nKEY KEY\r\n\r\n"),
    Echo("an event", "stream", DecodeError, 'data: {"k": KEY\n\n', kind=EVENTS),
    Echo("an error event", "stream", APIStatusError, 'data: {"error": "KEY"}\n\n', kind=EVENTS),
    Echo("no events", "stream", DecodeError, "<html>KEY</html>", kind="text/html"),
    Echo("a refused stream", "stream", APIStatusError, '{"detail": "KEY"}', "401 No"),
]


PRETTY = {"no JSON", "a refusal", "an event"}
"""Those whose traceback is drawn, too, which takes a while."""


@pytest.mark.parametrize("echo", ECHOES, ids=lambda echo: echo.name)
async def test_no_error_repeats_the_key(echo: Echo) -> None:
    use: Use = USES[echo.use]
    async with chatty() as log, FaultServer(echo.play) as server:
        async with Nugen(KEY, base_url=server.url, max_retries=1, timeout=5) as nugen:
            with pytest.raises(echo.error) as caught:
                await use(nugen)
        assert KEY in server.log[0].headers["authorization"]
    error: Any = caught.value
    body = getattr(error, "body", "")
    assert KEY not in dumped(error, pretty=echo.name in PRETTY)
    assert KEY not in log.getvalue()
    assert KEY.replace("/", "\\/") not in f"{error}{body}"
    if echo.body and not isinstance(error, JobFailedError | CreateOutcomeUnknownError):
        assert "***" in f"{error}{body}"


async def test_no_piece_of_a_stream_repeats_the_key() -> None:
    async def play(peer: Peer) -> None:
        await peer.take()
        body = ('data: {"choices": [{"text": "it is ' + sent() + '!"}]}\n\n').encode()
        await peer.answer(b"", kind=EVENTS, length=len(body))
        for index in range(len(body)):
            await peer.send(body[index : index + 1])

    async with FaultServer(play) as server, Nugen(KEY, base_url=server.url) as nugen:
        stream = nugen.inference.stream_complete(model="m", prompt="p")
        chunks = [chunk async for chunk in stream]
    assert stream.text == "it is ***!"
    assert KEY not in repr(chunks) + repr([chunk.raw for chunk in chunks])


async def test_no_record_keeps_the_key() -> None:
    echo = Echo("a record", "get", NugenError, '{"id": "c", "model": "KEY"}')
    async with FaultServer(echo.play) as server, Nugen(KEY, base_url=server.url) as nugen:
        raw = await nugen.with_raw_response(nugen.inference.complete)(model="m", prompt="p")
    assert raw.record == Completion(id="c", model="***")
    assert (raw.body, raw.payload) == (b'{"id": "c", "model": "***"}', raw.record.raw)
    assert KEY.encode() not in pickle.dumps(evolve(raw, headers={}))
    assert KEY not in repr(raw)


@pytest.mark.parametrize(
    ("authorization", "said", "left"),
    [
        ("Bearer sk-0123456789", b"a sk-0123456789!", b"a ***!"),
        ("sk-0123456789", b"sk-0123456789sk-0123456789", b"******"),
        ("Bearer llama", b"llama-v3p1", b"llama-v3p1"),
        ("Bearer ab/cd/ef/gh/ij", b'"ab\\/cd\\/ef\\/gh\\/ij ab/cd/ef/gh/ij"', b'"*** ***"'),
        ("Bearer sk-0123456789", b"Bearer sk-012345678", b"Bearer sk-012345678"),
    ],
)
def test_a_key_is_erased_wherever_it_stands_and_a_mere_word_is_left_alone(
    authorization: str, said: bytes, left: bytes
) -> None:
    assert eraser(Secret(authorization))(said) == left


@frozen
class Parrot(Effect):
    """Says the key wherever a reason is given."""

    key: str

    def deliver(self, response: Any, moment: Any) -> Any:  # noqa: ARG002
        return evolve(response, body=response.body.replace(b"502", self.key.encode()))


async def test_a_batch_keeps_and_tells_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = _recorded()
    world = World(seed=4, failures={"alignment": 0.5})
    world.inject(Fault(name="parrot", effect=Parrot(sent())))
    world.add_document("doc-1")
    manifest = tmp_path / "runs.jsonl"
    lines = [
        f'{{"name": "run {n}", "base_model": "{BASE}", "document_ids": ["doc-1"]}}' for n in "1234"
    ]
    manifest.write_text("\n".join(lines))
    told: list[str] = []
    async with chatty() as log, Simulator(world=world) as sim:
        monkeypatch.setenv("NUGEN_API_KEY", KEY)
        monkeypatch.setenv("NUGEN_BASE_URL", sim.url)
        async with (
            Nugen(KEY, base_url=sim.url) as nugen,
            Batch.open(tmp_path / "mine.db", nugen) as batch,
        ):
            spec = Workflow(name="n", base_model=BASE, document_ids=("doc-1",), num_questions=5)
            specs = [evolve(spec, name=f"n{n}", key=f"k{n}") for n in range(6)]
            outcomes = [outcome async for outcome in batch.run(specs)]
            told.append(await batch.report())
        journal = ("--journal", str(tmp_path / "runs.db"))
        for command in (
            ("batch", "run", str(manifest), *journal, "--json", "--debug"),
            ("batch", "run", str(manifest), *journal),
            ("batch", "status", *journal, "--json"),
            ("batch", "export", *journal),
            ("batch", "export", *journal, "--format", "jsonl"),
            ("report", *journal, "--output", str(tmp_path / "report.html")),
            ("status", *world.alignments, "--json"),
            ("watch", *world.alignments),
        ):
            await execute(command)
    opentelemetry.uninstrument()
    shown = capsys.readouterr()
    told += [shown.out, shown.err, log.getvalue(), *recorded()]
    told += contents(tmp_path)
    errors = [error for outcome in outcomes if (error := outcome.error()) is not None]
    rows = [as_json(outcome) for outcome in outcomes]
    told += [repr(outcomes), *texts(rows), as_csv(rows), *map(dumped, errors)]
    told += [repr(pickle.dumps(outcome)) for outcome in outcomes]
    assert errors
    assert any("*** Bad Gateway" in text for text in told), "the parrot was heard"
    assert not [text for text in told if KEY in text]


def contents(folder: Path) -> list[str]:
    return [file.read_bytes().decode("latin-1") for file in folder.iterdir()]


def _recorded() -> Callable[[], list[str]]:
    """Trace and meter everything; what was told, when it is called."""
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    metrics = pytest.importorskip("opentelemetry.sdk.metrics")
    metered = pytest.importorskip("opentelemetry.sdk.metrics.export").InMemoryMetricReader()
    spans, tracers = memory.InMemorySpanExporter(), trace.TracerProvider()
    tracers.add_span_processor(export.SimpleSpanProcessor(spans))
    opentelemetry.instrument(
        tracer_provider=tracers, meter_provider=metrics.MeterProvider([metered]), looks=True
    )
    return lambda: [
        *(span.to_json() for span in spans.get_finished_spans()),
        str(metered.get_metrics_data()),
    ]

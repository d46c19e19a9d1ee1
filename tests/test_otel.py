"""Spans and metrics: as the semantic conventions say, nothing secret, and nothing when not asked for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import define, field

pytest.importorskip(
    "opentelemetry.sdk", reason="OPENTELEMETRY IS NOT TESTED: pip install opentelemetry-sdk"
)

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from nugen_async import (
    ClientClosedError,
    JobFailedError,
    NotFoundError,
    Nugen,
    PermissionDeniedError,
    WaitTimeoutError,
)
from nugen_async._core import observe
from nugen_async.integrations import opentelemetry
from nugen_async.simulator import Drop, Fault, Simulator, Span, Stall, Status, Times, World
from nugen_async.workflows import Workflow, run_workflow

CANARY = "sk-canary-7e1d"
BASE = "nugen-flash-instruct"


@define
class Recorded:
    """Everything that was traced and metered."""

    spans_: InMemorySpanExporter = field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(factory=InMemoryMetricReader)
    meters: MeterProvider = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.meters = MeterProvider([self.reader])

    def instrument(self, **options: Any) -> None:
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans_))
        opentelemetry.instrument(tracer_provider=tracers, meter_provider=self.meters, **options)

    def spans(self, name: str = "") -> list[ReadableSpan]:
        return [s for s in self.spans_.get_finished_spans() if s.name.startswith(name)]

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def total(self, name: str) -> float:
        return sum(getattr(p, "count", None) or getattr(p, "value", 0) for p in self.points(name))


@pytest.fixture
def recorded() -> Generator[Recorded]:
    made = Recorded()
    made.instrument()
    yield made
    opentelemetry.uninstrument()


@asynccontextmanager
async def opened(minutes: float = 30, **settings: Any) -> AsyncGenerator[tuple[Simulator, Nugen]]:
    times = Times(alignment=Span(minutes * 60), queue=Span(0.0))
    world = World(**{"seed": 1, "times": times, "trusting": True, **settings})
    async with Simulator(world=world) as sim, Nugen(CANARY, base_url=sim.url) as nugen:
        yield sim, nugen


async def start(nugen: Nugen) -> Any:
    return await nugen.alignments.create(name="n", base_model=BASE, document_ids=["d"])


async def test_a_request_is_a_client_span_by_the_conventions(recorded: Recorded) -> None:
    async with opened() as (sim, nugen):
        await nugen.alignments.list()
    (span,) = recorded.spans()
    assert span.kind is SpanKind.CLIENT
    assert span.name == "GET alignments"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "nugen.noun": "alignments",
        "server.address": "127.0.0.1",
        "server.port": sim.port,
        "url.full": f"{sim.url}/api/v3/alignment-project",
    }
    assert span.status.status_code is StatusCode.UNSET


async def test_a_refusal_and_a_lost_connection_are_errors_with_a_type(recorded: Recorded) -> None:
    async with opened(trusting=False) as (sim, nugen):
        with pytest.raises(NotFoundError):
            await nugen.alignments.get("none")
        # Twice, since aiohttp itself sends a GET again that died with an old connection.
        with sim.world.broken(Fault(name="gone", effect=Drop(), times=2)):
            await nugen.alignments.list()
    refused, lost, again = recorded.spans("GET alignments")
    assert (refused.attributes or {})["error.type"] == "404"
    assert refused.status.status_code is StatusCode.ERROR
    assert (lost.attributes or {})["error.type"] == "APIConnectionError"
    assert "http.response.status_code" not in (lost.attributes or {})
    assert (again.attributes or {})["http.request.resend_count"] == 1


async def test_a_cancelled_request_ends_its_span(recorded: Recorded) -> None:
    async with opened() as (sim, nugen):
        with sim.world.broken(Fault(name="still", effect=Stall())):
            task = asyncio.create_task(nugen.alignments.get("a"))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    (span,) = recorded.spans("GET")
    assert (span.attributes or {})["error.type"] == "cancelled"


async def test_requests_and_429s_are_counted_looks_included(recorded: Recorded) -> None:
    async with opened() as (sim, nugen):
        job = await start(nugen)
        with sim.world.broken(Fault(name="slow down", effect=Status(429, retry_after=1), times=2)):
            await nugen.alignments.list()
        await job.wait_until_ready()
        assert recorded.total("http.client.request.duration") == sim.log.total
    assert recorded.total("nugen.client.rate_limited") == 2
    point = recorded.points("http.client.request.duration")[0]
    assert point.explicit_bounds[0] == 0.005
    assert set(point.attributes) <= {
        "http.request.method",
        "http.response.status_code",
        "server.address",
        "server.port",
        "error.type",
    }


async def test_a_wait_is_a_span_and_the_looks_are_nobodys(recorded: Recorded) -> None:
    async with opened(minutes=30) as (sim, nugen):
        job = await start(nugen)
        await asyncio.gather(*(job.wait_until_ready() for _ in range(3)))
        looks = sim.log.total - 1
    waits = recorded.spans("wait alignments")
    assert len(waits) == 3
    assert {(w.attributes or {})["nugen.outcome"] for w in waits} == {"ready"}
    assert {(w.attributes or {})["nugen.job.id"] for w in waits} == {job.id}
    assert looks > 3
    assert len(recorded.spans("GET")) == 0
    assert recorded.total("nugen.client.wait.duration") == 3
    (lag,) = recorded.points("nugen.client.wait.lag")
    assert lag.count == 3
    assert 0 <= lag.max <= 60


async def test_looks_are_traced_where_that_is_wanted(recorded: Recorded) -> None:
    recorded.instrument(looks=True)
    async with opened() as (sim, nugen):
        await (await start(nugen)).wait_until_ready()
        assert len(recorded.spans("GET")) == sim.log.total - 1
    assert all(span.parent is None for span in recorded.spans("GET"))


async def test_who_waits_now_is_known(recorded: Recorded) -> None:
    def waiters() -> float:
        return recorded.total("nugen.client.waiters")

    async with opened() as (_, nugen):
        jobs = [await start(nugen) for _ in range(4)]
        tasks = [asyncio.create_task(job.wait_until_ready()) for job in jobs]
        many = nugen.wait_many(jobs)
        first = asyncio.create_task(anext(many))
        await asyncio.sleep(60)
        assert waiters() == 8
        tasks[0].cancel()
        await asyncio.sleep(1)
        assert waiters() == 7
        await first
        await many.aclose()
        await asyncio.gather(*tasks[1:])
    assert waiters() == 0
    (span,) = [s for s in recorded.spans("wait") if (s.attributes or {})["nugen.jobs"] == 4]
    assert len(span.events) >= 1


async def test_bad_ends_are_errors(recorded: Recorded) -> None:
    async with opened(minutes=5, failures={"alignment": 1.0}) as (_, nugen):
        job = await start(nugen)
        with pytest.raises(WaitTimeoutError):
            await job.wait_until_ready(timeout=10)
        with pytest.raises(JobFailedError):
            await job.wait_until_ready()
    timed_out, failed = recorded.spans("wait")
    assert (timed_out.attributes or {})["error.type"] == "WaitTimeoutError"
    assert failed.status.description == "JobFailedError: FAILED"


async def test_a_closed_client_leaves_no_waiter(recorded: Recorded) -> None:
    async with opened() as (_, nugen):
        task = asyncio.create_task((await start(nugen)).wait_until_ready())
        await asyncio.sleep(60)
        await nugen.aclose()
        with pytest.raises(ClientClosedError):
            await task
    assert recorded.total("nugen.client.waiters") == 0
    assert len(recorded.spans("wait")) == 1


async def test_a_workflow_holds_its_stages_requests_and_waits(recorded: Recorded) -> None:
    async with opened(minutes=5) as (_, nugen):
        spec = Workflow(
            name="one", base_model=BASE, document_ids=("d",), deploy=True, evaluate=None
        )
        await run_workflow(nugen, spec)
    (whole,) = [s for s in recorded.spans("workflow") if s.name == "workflow"]
    stages = {s.name: s for s in recorded.spans("workflow ")}
    assert list(stages) == [
        "workflow alignment",
        "workflow deployment",
        "workflow undeployment",
    ]
    assert (whole.attributes or {})["nugen.workflow.name"] == "one"
    assert whole.context is not None
    assert {s.parent and s.parent.span_id for s in stages.values()} == {whole.context.span_id}
    inside = [*recorded.spans("wait"), *recorded.spans("POST")]
    ids = {s.context.span_id for s in stages.values() if s.context}
    assert inside
    assert all(s.parent and s.parent.span_id in ids for s in inside)


async def test_a_failed_workflow_is_an_error(recorded: Recorded) -> None:
    async with opened(minutes=5, failures={"alignment": 1.0}) as (_, nugen):
        with pytest.raises(JobFailedError):
            await run_workflow(nugen, Workflow(name="x", base_model=BASE, document_ids=("d",)))
    (whole,) = [s for s in recorded.spans("workflow") if s.name == "workflow"]
    assert whole.status.status_code is StatusCode.ERROR
    assert (whole.attributes or {})["error.type"] == "JobFailedError"


async def test_nothing_secret_is_recorded(recorded: Recorded) -> None:
    recorded.instrument(looks=True)
    async with opened() as (sim, nugen):
        await (await start(nugen)).wait_until_ready()
        echo = Status(403, body={"detail": f"not with {CANARY}"})
        with (
            sim.world.broken(Fault(name="echo", effect=echo)),
            pytest.raises(PermissionDeniedError, match="not with"),
        ):
            await nugen.alignments.list()
    told = "".join(span.to_json() for span in recorded.spans())
    told += str(recorded.reader.get_metrics_data())
    assert CANARY not in told
    assert "Bearer" not in told
    assert "not with" not in told  # a server's words may hold anything


async def test_off_means_off() -> None:
    assert observe._observer is None
    async with opened() as (_, nugen):
        await (await start(nugen)).wait_until_ready()
    assert observe.sending(None, "", look=False, resends=0) is None  # type: ignore[arg-type] # not looked at
    assert observe.waiting("alignments", "a") is None


def test_it_is_imported_only_by_who_asks() -> None:
    code = (
        "import sys, nugen_async, nugen_async.batch, nugen_async.report, nugen_async.integrations.web;"
        "print([m for m in sys.modules if m.split('.')[0] in ('opentelemetry', 'rich', 'IPython')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"

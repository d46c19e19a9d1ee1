"""OpenTelemetry: spans and metrics of requests, waits and workflows (extra ``otel``).

::

    from nugen_async.integrations import opentelemetry

    opentelemetry.instrument()

Spans: one for each request as it goes out (the semantic conventions for HTTP clients), one for each wait,
one for each workflow and each of its stages. The looks that a poller makes belong to nobody's trace, since
one look serves many waits; they are counted, and traced only with ``looks=True``.

Metrics, in seconds and by the semantic conventions' attributes:

``http.client.request.duration``   every request, so its count is their number
``nugen.client.rate_limited``      answers 429
``nugen.client.waiters``           who waits now, by noun
``nugen.client.wait.duration``     waits that ended, by noun and outcome
``nugen.client.wait.lag``          from a job's end to its being seen, both by the server's clock

Nothing is sent along with requests: the service is another company's. No body, no header and no query is
recorded, so neither is a key.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import define, field
from opentelemetry import metrics, trace
from opentelemetry.metrics import Meter, MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider
from yarl import URL

from .._core import observe
from .._core.age import server_time
from .._core.outcome import Ending
from .._core.wire import Call, Response
from ..errors import APIStatusError, JobError, NugenError

_NAME = "nugen_async"
_REFUSED, _TOO_MANY = 400, 429
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The boundaries that the semantic conventions advise for requests."""
_LAGS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)
_WAITS = (1, 10, 60, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_ENDS = ("completed_date", "completed_at", "end_time")


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    looks: bool = False,
) -> None:
    """Trace and meter all clients of this process, by the global providers unless others are given.

    Calling it again replaces what was set before.
    """
    tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
    meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
    observe.tell(_Telemetry(tracer, _Meters.of(meter), looks))


def uninstrument() -> None:
    """Stop tracing and metering; what is under way is still recorded."""
    observe.tell(None)


@define
class _Meters:
    requests: metrics.Histogram
    limited: metrics.Counter
    waiters: metrics.UpDownCounter
    waits: metrics.Histogram
    lag: metrics.Histogram

    @classmethod
    def of(cls, meter: Meter) -> _Meters:
        def seconds(name: str, about: str, steps: tuple[float, ...]) -> metrics.Histogram:
            return meter.create_histogram(
                name, unit="s", description=about, explicit_bucket_boundaries_advisory=steps
            )

        return cls(
            seconds("http.client.request.duration", "Duration of HTTP client requests.", _SECONDS),
            meter.create_counter("nugen.client.rate_limited", "{answer}", "Answers 429."),
            meter.create_up_down_counter("nugen.client.waiters", "{waiter}", "Who waits now."),
            seconds("nugen.client.wait.duration", "Duration of waits for one job.", _WAITS),
            seconds("nugen.client.wait.lag", "From a job's end to its being seen.", _LAGS),
        )


@define
class _Telemetry:
    """The observer that speaks OpenTelemetry."""

    _tracer: Tracer
    _meters: _Meters
    _looks: bool

    def sending(self, call: Call[Any], base_url: str, *, look: bool, resends: int) -> observe.Sent:
        url = URL(base_url)
        about: dict[str, Any] = {
            "http.request.method": call.method,
            "server.address": url.host or "",
            "server.port": url.port or 0,
        }
        span: Span = trace.INVALID_SPAN
        if self._looks or not look:
            more: dict[str, Any] = {"url.full": f"{base_url}{call.path}", "nugen.noun": call.noun}
            if resends:
                more["http.request.resend_count"] = resends
            span = self._tracer.start_span(
                f"{call.method} {call.noun}".strip(), kind=SpanKind.CLIENT, attributes=about | more
            )
        began = time.perf_counter()

        def sent(result: Response | NugenError | None) -> None:
            told = _told(result)
            span.set_attributes(told)
            if "error.type" in told:
                span.set_status(Status(StatusCode.ERROR, _sentence(result)))
            span.end()
            self._meters.requests.record(time.perf_counter() - began, about | told)
            if told.get("http.response.status_code") == _TOO_MANY:
                self._meters.limited.add(1, about)

        return sent

    def waiting(self, noun: str, job_id: str | None) -> observe.Wait:
        about = {"nugen.noun": noun}
        more = {} if job_id is None else {"nugen.job.id": job_id}
        span = self._tracer.start_span(f"wait {noun}", attributes=about | more)
        return _Wait(span, self._meters, about)

    @contextmanager
    def doing(self, what: str, about: Mapping[str, str]) -> Generator[observe.Failed]:
        attributes = {f"nugen.workflow.{name}": value for name, value in about.items()}
        with self._tracer.start_as_current_span(
            what, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:

            def failed(error: BaseException | None) -> None:
                if error is not None:
                    span.set_attribute("error.type", type(error).__qualname__)
                    span.set_status(Status(StatusCode.ERROR, _sentence(error)))

            try:
                yield failed
            except BaseException as error:
                failed(error)
                raise


@define
class _Wait:
    _span: Span
    _meters: _Meters
    _about: dict[str, str]
    _began: float = field(factory=time.perf_counter)
    _left: int = 0
    _seen: int = 0

    def joined(self) -> None:
        self._left += 1
        self._seen += 1
        self._meters.waiters.add(1, self._about)

    def ended(self, outcome: Ending[Any]) -> None:
        self._left -= 1
        self._meters.waiters.add(-1, self._about)
        kind = type(outcome).__name__.lower()
        about = {**self._about, "nugen.outcome": kind}
        self._meters.waits.record(time.perf_counter() - self._began, about)
        if (lag := _lag(outcome.job)) is not None:
            self._meters.lag.record(lag, about)
        self._span.add_event(
            kind, {"nugen.job.id": outcome.job.id, "nugen.job.status": outcome.job.status}
        )
        if self._seen == 1:
            self._span.set_attribute("nugen.outcome", kind)
            if (error := outcome.error()) is not None:
                self._span.set_attribute("error.type", type(error).__qualname__)
                self._span.set_status(Status(StatusCode.ERROR, _sentence(error)))

    def left(self) -> None:
        self._meters.waiters.add(-self._left, self._about)
        self._left = 0
        self._span.set_attribute("nugen.jobs", self._seen)
        self._span.end()


def _told(result: Response | NugenError | None) -> dict[str, Any]:
    """What the semantic conventions want to know of an end."""
    match result:
        case Response(status=status):
            told: dict[str, Any] = {"http.response.status_code": status}
            return told | {"error.type": str(status)} if status >= _REFUSED else told
        case None:
            return {"error.type": "cancelled"}
        case _:
            return {"error.type": type(result).__qualname__}


def _sentence(result: object) -> str:
    """What a status says of an error: its class or number, for a server's words may hold anything."""
    match result:
        case Response(status=status) | APIStatusError(status=status):
            return f"HTTP {status}"
        case JobError(status=status):
            return f"{type(result).__name__}: {status}"
        case None:
            return "cancelled"
        case _:
            return type(result).__name__


def _lag(job: Any) -> float | None:
    """Seconds by which the end of a job was seen late."""
    ended = next((at for name in _ENDS if (at := getattr(job, name, None)) is not None), None)
    seen = server_time(job.seen.date) if job.seen is not None else None
    if ended is None or seen is None or not job.phase.ended:
        return None
    return max(0.0, float((seen - ended).total_seconds()))

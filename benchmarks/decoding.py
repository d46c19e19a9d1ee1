"""Decoding: an aligned model as a record, with everything forgiven that has to be, beside plain parsers."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs
import cattrs

from nugen_async._core import codec
from nugen_async._core.page import Page
from nugen_async.resources.models import AlignedModel

from ._measure import Report, Spread, command, installed, interleaved, ratios

Decoder = Callable[[bytes], Any]

BASE = "orjson alone"
OURS = "nugen_async"
SIZES = (1, 100, 10_000)

ROW = {
    "alignment_id": "alignment-xyz789",
    "alignment_project": "Customer Support Alignment",
    "base_model": "nugen-flash-instruct",
    "conversation_saving_enabled": True,
    "created_date": "2024-01-15T10:30:00Z",
    "creator": "user@example.com",
    "deployment_status": "DEPLOYED",
    "downloadable": True,
    "endpoint": "https://api.nugen.in/api/v3/inference/completions/alignment-xyz789-deployed",
    "evaluation_data": {
        "completed_at": "2024-01-16T08:00:00Z",
        "created_at": "2024-01-16T07:45:00Z",
        "evaluation_id": "eval-abc123",
        "method": "eval",
        "metrics": {
            "accuracy": 0.92,
            "domain_violations": 2,
            "overall_score": 0.92,
            "uncertainty": 0.15,
        },
        "raw_answers_count": 50,
        "status": "READY",
    },
    "id": "alignment-xyz789-deployed",
    "last_used": "2024-01-20T14:30:00Z",
    "name": "customer_support_model",
    "performance_metrics": {
        "accuracy": 0.92,
        "average_response_time": 1.2,
        "domain_violations": 2,
        "uncertainty": 0.15,
    },
    "status": "DEPLOYED",
    "usage_count": 150,
}
"""The example of the aligned-models page."""

DRIFTED = {
    "model_id": ROW["id"],
    "model_name": ROW["name"],
    "base_model_id": ROW["base_model"],
    **{
        k: v
        for k, v in ROW.items()
        if k not in {"id", "name", "base_model", "created_date", "usage_count"}
    },
    "createdDate": "2024-01-15T10:30:00",
    "usage_count": "150",
}
"""The same under other names, with a time without a zone and a number as text."""


@attrs.frozen(kw_only=True)
class PlainMetrics:
    """What a strict decoder would be given."""

    accuracy: float = 0.0
    uncertainty: float = 0.0
    domain_violations: int = 0
    average_response_time: float = 0.0


@attrs.frozen(kw_only=True)
class PlainModel:
    """The documented schema, nothing forgiven."""

    id: str
    name: str
    base_model: str
    alignment_project: str
    created_date: datetime
    status: str
    endpoint: str
    creator: str
    usage_count: int
    performance_metrics: PlainMetrics
    downloadable: bool
    deployment_status: str | None = None
    alignment_id: str | None = None
    last_used: datetime | None = None
    evaluation_data: dict[str, Any] | None = None
    conversation_saving_enabled: bool = False


def _body(row: Mapping[str, Any], size: int) -> bytes:
    rows = [row | {"id": f"alignment-{number}"} for number in range(size)]
    if row is DRIFTED:
        rows = [row | {"model_id": f"alignment-{number}"} for number in range(size)]
    return json.dumps({"domain_aligned_models": rows}).encode()


def _with_json(body: bytes) -> Any:
    kept = codec.orjson
    codec.orjson = None  # type: ignore[assignment] # as if the extra were not there
    try:
        return _ours(body)
    finally:
        codec.orjson = kept


def _ours(body: bytes) -> Any:
    return codec.structure(codec.loads(body), Page[AlignedModel])


def _cattrs() -> Decoder:
    import orjson  # noqa: PLC0415 # only where it is installed
    from cattrs.preconf.orjson import make_converter  # noqa: PLC0415 # the same

    converter: cattrs.Converter = make_converter()
    rows = dict[str, list[PlainModel]]
    return lambda body: converter.structure(orjson.loads(body), rows)


def _pydantic() -> Decoder:
    from pydantic import BaseModel, TypeAdapter, create_model  # noqa: PLC0415 # the same

    def copied(kind: type[Any], **more: Any) -> type[BaseModel]:
        asked = {
            a.name: (more.get(a.name, a.type), ... if a.default is attrs.NOTHING else a.default)
            for a in attrs.fields(attrs.resolve_types(kind))
        }
        made: type[BaseModel] = create_model(kind.__name__, **asked)  # type: ignore[call-overload]
        return made

    model = copied(PlainModel, performance_metrics=copied(PlainMetrics))
    return TypeAdapter(dict[str, list[model]]).validate_json  # type: ignore[valid-type]


def _msgspec() -> Decoder:
    import msgspec  # noqa: PLC0415 # the same

    def copied(kind: type[Any], **more: Any) -> Any:
        asked = [
            (a.name, more.get(a.name, a.type), *([] if a.default is attrs.NOTHING else [a.default]))
            for a in attrs.fields(attrs.resolve_types(kind))
        ]
        return msgspec.defstruct(kind.__name__, asked, frozen=True, kw_only=True)

    model = copied(PlainModel, performance_metrics=copied(PlainMetrics))
    decoder = msgspec.json.Decoder(dict[str, list[model]])  # type: ignore[valid-type]
    return decoder.decode


def _sides() -> dict[str, tuple[Decoder, Mapping[str, Any]]]:
    import orjson  # noqa: PLC0415 # the base of every ratio

    sides: dict[str, tuple[Decoder, Mapping[str, Any]]] = {
        BASE: (orjson.loads, ROW),
        OURS: (_ours, ROW),
        f"{OURS}, drifted names and forms": (_ours, DRIFTED),
        f"{OURS}, with json in place of orjson": (_with_json, ROW),
        "cattrs as it comes, strict": (_cattrs(), ROW),
    }
    if installed("pydantic"):
        sides["pydantic, strict schema"] = (_pydantic(), ROW)
    if installed("msgspec"):
        sides["msgspec, strict schema"] = (_msgspec(), ROW)
    return sides


def _cost(decode: Decoder, body: bytes, size: int, times: int) -> Callable[[], float]:
    def measured() -> float:
        gc.collect()
        began = time.process_time()
        for _ in range(times):
            decode(body)
        return (time.process_time() - began) / times / size

    return measured


async def _longest_hold(body: bytes) -> tuple[float, float]:
    """The longest time that the loop was held, in seconds of CPU: by the parse, and by a slice."""
    gc.collect()
    began = time.thread_time()
    payload = codec.loads(body)
    parse = time.thread_time() - began
    longest, reading = 0.0, codec.steps(payload, Page[AlignedModel])
    done = object()
    while True:
        began = time.thread_time()
        step = next(reading, done)
        longest = max(longest, time.thread_time() - began)
        if step is done:
            return parse, longest
        await asyncio.sleep(0)


def main(*, quick: bool) -> None:
    """Measure and report."""
    report = Report("decoding", "Decoding aligned models")
    report.say(
        "CPU per aligned model (0.9 kB), parse included, as ratios to orjson alone in the same round,"
        " minimum · median · maximum; and the median in µs."
    )
    sides, rounds = _sides(), 2 if quick else 9
    found: dict[int, dict[str, list[float]]] = {}
    for size in SIZES:
        times = max(1, (2_000 if quick else 40_000) // size)
        costs = {
            name: _cost(decode, _body(row, size), size, times)
            for name, (decode, row) in sides.items()
        }
        found[size] = interleaved(costs, rounds)
    shown = {size: ratios(costs, BASE) for size, costs in found.items()}
    report.table(
        ["decoder", *(f"{size:,} models" for size in SIZES), "µs each"],
        [
            [
                name,
                *(shown[size][name] for size in SIZES),
                " / ".join(f"{1e6 * Spread.of(found[size][name]).middle:.1f}" for size in SIZES),
            ]
            for name in sides
        ],
    )
    for size in SIZES:
        report.goal(f"{OURS}, {size:,} models", shown[size][OURS], 4.0)
    holds = [asyncio.run(_longest_hold(_body(ROW, SIZES[-1]))) for _ in range(rounds)]
    odd = [asyncio.run(_longest_hold(_body(DRIFTED, SIZES[-1]))) for _ in range(rounds)]
    for name, told in (("ordinary", holds), ("drifted", odd)):
        report.say(
            f"10,000 {name} models in slices of {codec.SLICE}, in CPU time: the parse holds the loop for"
            f" {Spread.of(1e3 * parse for parse, _ in told)} ms in one piece, the longest slice for"
            f" {Spread.of(1e3 * hold for _, hold in told)} ms."
        )
        longest = Spread.of(1e3 * hold for _, hold in told)
        report.goal(f"longest slice of {name} models", longest, 10.0, " ms")
    report.write(quick=quick)


if __name__ == "__main__":
    command(main)

"""Every request that the SDK sends fits the vendor's OpenAPI document, whatever optional fields are set."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest

from nugen_async import Nugen, SeekrFlow
from nugen_async.simulator import Entry, Simulator, World

DOCUMENTS = Path(__file__).parent / "data"


def document(name: str) -> OpenAPI:
    spec = yaml.safe_load((DOCUMENTS / name).read_text())
    spec["servers"] = [{"url": "http://simulator"}]
    return OpenAPI.from_dict(spec)


def check(api: OpenAPI, entry: Entry, authorization: str) -> None:
    api.validate_request(
        MockRequest(
            "http://simulator",
            entry.method.lower(),
            entry.path,
            headers={"Authorization": authorization},
            data=None if entry.body is None else json.dumps(entry.body).encode(),
            content_type="application/json",
        )
    )


def every_choice(options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each subset of *options*."""
    for size in range(len(options) + 1):
        for names in itertools.combinations(options, size):
            yield {name: options[name] for name in names}


ALIGNMENT = {"workflow_id": "w", "benchmark_id": "b", "description": "d"}
EVALUATION = {"model_id_2": "m2", "custom_metrics": {"relevance": {"weight": 1}}}
PAIRS = {
    "type": "context_data",
    "system_prompt": "s",
    "vector_database_id": "v",
    "further": [1, {"a": None}],
}


@pytest.mark.parametrize("options", list(every_choice(ALIGNMENT)), ids="+".join)
async def test_create_alignment(options: dict[str, Any]) -> None:
    api = document("create_alignment.yaml")
    async with Simulator(world=World(trusting=True)) as sim, Nugen("k", base_url=sim.url) as nugen:
        await nugen.alignments.create(
            name="n", base_model="nugen-flash-instruct", document_ids=["d"], **options
        )
        (entry,) = sim.log
    check(api, entry, "Bearer k")
    assert set(entry.body) == {"name", "base_model", "document_ids", *options}


@pytest.mark.parametrize("options", list(every_choice(EVALUATION)), ids="+".join)
async def test_create_evaluation(options: dict[str, Any]) -> None:
    api = document("create_evaluation.yaml")
    async with Simulator(world=World(trusting=True)) as sim, Nugen("k", base_url=sim.url) as nugen:
        await nugen.evaluations.create(model_id="m", benchmark_id="b", **options)
        (entry,) = sim.log
    check(api, entry, "Bearer k")
    assert set(entry.body) == {"model_id", "benchmark_id", *options}


async def test_list_aligned_models() -> None:
    api = document("list_aligned_models.yaml")
    async with Simulator() as sim, Nugen("k", base_url=sim.url) as nugen:
        assert len(await nugen.models.list_aligned()) == 0
        (entry,) = sim.log
    check(api, entry, "Bearer k")


@pytest.mark.parametrize("options", list(every_choice(PAIRS)), ids="+".join)
async def test_seekr_generate(options: dict[str, Any]) -> None:
    api = document("seekr_generate.yaml")
    async with (
        Simulator(world=World(trusting=True)) as sim,
        SeekrFlow("k", base_url=sim.url) as seekr,
    ):
        with pytest.deprecated_call(match="data_jobs"):
            await seekr.alignment.generate(instructions="i", files=["f"], **options)
        (entry,) = sim.log
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # openapi-core's, of the operation
        check(api, entry, "k")
    assert set(entry.body) == {"instructions", "files", "type", *options}


async def test_the_list_of_names_that_the_prose_shows_is_sent_as_it_is() -> None:
    async with Simulator(world=World(trusting=True)) as sim, Nugen("k", base_url=sim.url) as nugen:
        await nugen.evaluations.create(
            model_id="m", benchmark_id="b", custom_metrics=["accuracy", "relevance"]
        )
        (entry,) = sim.log
    assert entry.body["custom_metrics"] == ["accuracy", "relevance"]

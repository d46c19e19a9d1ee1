"""A setting that makes no sense is told in words, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from nugen_async import (
    APIConnectionError,
    ConfigurationError,
    InvalidRequestError,
    Nugen,
    SeekrFlow,
    Timeout,
)
from nugen_async.simulator import Simulator

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"api_key": 5}, "api_key must be text, not int"),
    ({"api_key": b"key"}, "api_key must be text, not bytes"),
    ({"api_key": "Bearer key"}, "pass it alone"),
    ({"base_url": 5}, "base_url must be text, not int"),
    ({"base_url": "http://gateway"}, "or NUGEN_ALLOW_HTTP=gateway"),
    ({"timeout": "5"}, "timeout: attempt must be more than 0 s, not '5'"),
    ({"timeout": 0}, "timeout: attempt must be more than 0 s, not 0"),
    ({"max_retries": "3"}, "max_retries must be a whole number from 0 on, not '3'"),
    ({"max_retries": None}, "max_retries must be a whole number from 0 on, not None"),
    ({"max_retries": 1.5}, "max_retries must be a whole number from 0 on, not 1.5"),
    ({"headers": {"X-Team": "a\r\nb"}}, "header 'X-Team' holds what no header can carry"),
    ({"headers": {"X-Team": 5}}, "header 'X-Team' holds what no header can carry"),
    ({"contract": "newest"}, "not 'newest'"),
]


@pytest.mark.parametrize(("setting", "told"), WRONG, ids=lambda value: str(value)[:40])
def test_a_setting_of_the_wrong_kind_is_told_in_words(setting: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Nugen(**{"api_key": "key", **setting})
    assert told in str(caught.value)


def test_options_are_checked_as_settings_are() -> None:
    nugen = Nugen("key")
    wrong: list[dict[str, Any]] = [
        {"timeout": "5"},
        {"max_retries": -1},
        {"headers": {"X-Team": "a\nb"}},
    ]
    for setting in wrong:
        with pytest.raises(ConfigurationError):
            nugen.with_options(**setting)
    with pytest.raises(ConfigurationError):
        Timeout(total=0)


async def test_a_base_url_may_end_as_all_paths_begin() -> None:
    async with Simulator() as sim:
        async with Nugen("key", base_url=f"{sim.url}/api/v3/") as nugen:
            assert len(await nugen.models.list_base()) > 0
        async with SeekrFlow("key", base_url=f"{sim.url}/v1/flow") as seekr:
            assert len(await seekr.alignment.list()) == 0


async def test_what_is_sent_as_a_header_is_checked() -> None:
    async with Simulator() as sim, Nugen("key", base_url=sim.url) as nugen:
        with pytest.raises(InvalidRequestError, match="X-Session-ID"):
            await nugen.agents.run("agent", "hello", session_id="a\r\nb")
        assert not len(sim.log)


async def test_a_server_that_is_not_there_is_told_as_the_system_tells_it() -> None:
    async with Nugen("key", base_url="http://127.0.0.1:1", max_retries=0) as nugen:
        with pytest.raises(APIConnectionError) as caught:
            await nugen.models.list_base()
    assert caught.value.reason == "cannot connect to 127.0.0.1:1: Connection refused"
    assert not caught.value.sent


async def test_only_jobs_can_be_waited_for_together() -> None:
    async with Nugen("key", base_url="http://127.0.0.1:1") as nugen:
        ids: Any = ["al-1"]
        with pytest.raises(InvalidRequestError, match="wait_many takes jobs, not str"):
            await anext(nugen.wait_many(ids))

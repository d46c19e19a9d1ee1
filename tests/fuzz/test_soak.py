"""Many jobs under mixed faults and random cancellations: the server's book and the client's agree."""

from __future__ import annotations

import logging

import pytest

from ..cases import NIGHTLY
from .soak import live

COUNT = 10_000 if NIGHTLY else 150


async def test_the_book_and_the_outcomes_agree_and_nothing_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, logger="nugen_async")  # what is captured would count as left
    life = await live(COUNT, warm=100)
    told = life.tally
    assert sum(told[end] for end in ("ready", "failed", "unknown", "cut off")) == COUNT
    assert min(told[each] for each in ("ready", "failed", "unknown", "cut off", "left")) > 0
    assert (life.sockets, life.tasks) == (0, 0)
    assert life.blocks < 3000

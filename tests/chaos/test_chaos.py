"""Whatever the server does: an error of ours, in time, nothing paid twice, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from nugen_async import CreateOutcomeUnknownError, JobError, NugenError

from .cases import ANSWERS, CAP, NAMES, PAID, SLACK, TOTAL, USES, Row, client, row
from .faults import FAULTS
from .server import FaultServer

PAGE = Path(__file__).parents[2] / "benchmarks" / "results" / "chaos.md"
NOT_TAKEN = {
    "429 for ever",
    "429 with a Retry-After of nonsense",
    "503 until a date that is past",
    "redirect on the same host, and a sound answer there",
}
"""The server said that it did nothing, so that a create may be sent again."""


def promised() -> dict[str, dict[str, str]]:
    """What the page says of each cell: its first word."""
    table: dict[str, dict[str, str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells and cells[0] in NAMES:
            table[cells[0]] = {
                use: cell.split()[0] for use, cell in zip(USES, cells[1:], strict=True)
            }
    return table


def check(met: Row) -> None:
    assert met.error is None or isinstance(met.error, NugenError)
    assert met.elapsed <= TOTAL + 1e-6
    assert met.sent <= max(1, met.requests) * (CAP + SLACK)
    assert (met.strangers, met.open, met.tasks) == (0, 0, 0)
    if met.use in PAID and met.fault not in NOT_TAKEN:
        assert met.posts <= 1
    if isinstance(met.error, CreateOutcomeUnknownError):
        assert met.error.body is not None
        assert met.error.look_for
    if met.use == "wait":
        assert isinstance(met.error, JobError)
        assert met.error.job is not None
        assert met.error.resume_token


@pytest.mark.parametrize("fault", NAMES)
async def test_every_call_ends_as_the_page_says(fault: str) -> None:
    outcomes = {}
    for use in USES:
        met = await row(fault, use)
        check(met)
        outcomes[use] = met.outcome
    assert outcomes == promised()[fault]


async def test_a_forged_second_answer_is_nobodys_answer() -> None:
    fault = next(each for each in FAULTS if each.name == "a second answer behind the first")
    async with FaultServer(fault.play, ANSWERS) as server, client(server.url) as nugen:
        for _ in range(2):
            assert (await nugen.alignments.get("al-1")).id == "al-1"

"""A long life: 10,000 jobs under mixed faults, callers who leave and come back, and what is left then."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from itertools import pairwise

from tests.clock import VirtualLoop
from tests.fuzz.soak import AT_ONCE, FAULTS, WARM, Life, live

from ._measure import Report, command

FACTS: dict[str, Callable[[Life], object]] = {
    "CPU time of both sides, s": lambda life: f"{life.marks[-1].cpu - life.marks[0].cpu:.0f}",
    "virtual time, hours": lambda life: f"{life.virtual / 3600:.0f}",
    "requests": lambda life: f"{life.marks[-1].requests - life.marks[0].requests:,}",
    "of them hit by a fault": lambda life: f"{life.faults.total():,}",
    "ready": lambda life: f"{life.tally['ready']:,}",
    "failed, as the server says": lambda life: f"{life.tally['failed']:,}",
    "create's answer lost: unknown": lambda life: f"{life.tally['unknown']:,}",
    "create cut off by its caller": lambda life: f"{life.tally['cut off']:,}",
    "waits given up and taken up again": lambda life: f"{life.tally['left']:,}",
    "sockets left": lambda life: life.sockets,
    "tasks left": lambda life: life.tasks,
    "blocks of memory left": lambda life: f"{life.blocks:,}",
}


def main(*, quick: bool) -> None:
    """Live and report."""
    report = Report("soak", "Soak: 10,000 jobs under faults")
    shares = ", ".join(f"{fault.title} {100 * fault.share:g} %" for fault in FAULTS)
    report.say(
        f"Client and simulator in one process and in virtual time, {AT_ONCE} callers at once. Each creates an"
        " alignment (30 min in the median; 5 % fail) and follows it by `wait_until_ready` or `updates`; three"
        " in ten give up at a random moment, some while the create is under way, and come back with a new"
        f" handle. Of all requests: {shares}. `tests/fuzz/soak.py` is the code; the test runs 300 jobs by"
        " default."
    )
    sizes = (100,) if quick else (1_000, 10_000)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        lives = {size: runner.run(live(size)) for size in sizes}
    report.table(
        ["jobs", *(f"{size:,}" for size in sizes)],
        [[name, *(told(life) for life in lives.values())] for name, told in FACTS.items()],
    )
    report.say(
        "No job was made twice, each outcome is the one in the server's book, and what nobody knows of (lost"
        " answers, creates cut off) is all that may differ. Blocks of memory are counted after"
        f" {WARM} jobs and at the end, both times with the server's book emptied and the connections idle for"
        " an hour."
    )
    longest = lives[sizes[-1]]
    report.say(
        f"Each tenth of the {sizes[-1]:,}, while the list on the server grows, all of it one page. A look at"
        " the list costs by the row, so that jobs are looked at one by one the more, the longer it is:"
    )
    report.table(
        ["rows on the list", "CPU ms a job, both sides", "requests a job"],
        [
            [
                f"{after.rows:,}",
                f"{1000 * (after.cpu - before.cpu) / (sizes[-1] / 10):.1f}",
                f"{(after.requests - before.requests) / (sizes[-1] / 10):.1f}",
            ]
            for before, after in pairwise(longest.marks)
        ],
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report.say(f"Peak memory of the process, the server's book included: {peak:.0f} MB.")
    report.write(quick=quick)


if __name__ == "__main__":
    command(main)

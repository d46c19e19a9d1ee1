"""How many requests waiting costs, and how late it is: ours against the usual loops, in virtual time.

``python -m benchmarks.waiting [--quick] [--out benchmarks/results]`` prints the tables and writes them
there as ``waiting.md``, with a plot ``waiting.png``. Seeded: the same figures in every run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from . import _limit_model as limit
from ._waiting_model import (
    ESTIMATES,
    LONG,
    SHORT,
    Estimate,
    Result,
    alone,
    expo,
    fixed,
    launch,
    ours,
)

SEED = 1
TOGETHER = (1, 10, 100, 1000)
KINDS = {
    "median 45 min, sigma 0.8": LONG,
    "median 5 min, sigma 0.5": SHORT,
}
LOOPS = {
    "fixed 5 s": fixed(5),
    "fixed 30 s": fixed(30),
    "`backoff.expo` cap 60, full jitter": expo(jitter=True),
    "`backoff.expo` cap 60, no jitter": expo(jitter=False),
}
WORDS: dict[Estimate, str] = {
    "right": "right within 20 %, steadily",
    "noisy": "right within 20 %, anew at each look",
    "total rough": "as if the job took up to 20 % more or less",
    "left too long": "three times the time left",
    "left too short": "a third of the time left",
    "total too long": "as if the job took three times as long",
    "total too short": "as if the job took a third as long",
    "progress t²": "only progress, as t²",
    "progress √t": "only progress, as √t",
    "absent": "none",
}

INTRO = f"""# Waiting: requests and lag

Written by `python -m benchmarks.waiting`, seed {SEED}. A model in virtual time drives the modules that
the poller obeys (`schedule`, `rounds`, `pace`); looks take no time, so a lag is the schedule's own.
Durations are lognormal, jobs are launched together, and a client has *N* of them; each row is about
{{jobs}} jobs (so 1,000 clients at N = 1). The list is not paged: a row has 600 bytes, an item 1,000,
nothing is compressed, and rows of ended jobs stay on the list. Ours pays one request more at each end, to
fetch the whole record; the loops are spared that. *Front*: no loop is as good in requests and mean lag,
and better in one of them.
"""

REMARK = """The row that is not met cannot be. Where all that is known is that a job takes up to 20 % more
or less than it says, its end may come at any moment of a stretch of 0.4 times its length, and 1,000 such
stretches overlap. With lists alone, a mean lag of L seconds takes at least (∫√e dt)² / (2 · 1,000 · L) of
them, with e the ends a second (the best intervals are as 1/√e): 1,860 lists for 4 s, so 2.9 requests and
1.1 MB a job where nothing is compressed. Ours, which asks for single jobs where few are left, needs as
many requests for 4.3 s, and fewer bytes. Over the network answers are compressed: the real poller against
the simulator sends 3.2 requests for each of these 1,000 jobs and gets 0.06 MB, at a mean lag of 4.2 s
(before errors were learned: 5.2 requests, 17 s).
"""


@frozen
class Study:
    """All runs over one kind of durations."""

    name: str
    loops: dict[str, Result]
    ours: dict[tuple[int, Estimate], Result] = field(repr=False)

    @classmethod
    def of(cls, name: str, durations: tuple[float, float], count: int) -> Study:
        """Run every policy over *count* jobs."""
        loops = {
            policy: alone(launch(count, durations, SEED), delays, SEED)
            for policy, delays in LOOPS.items()
        }
        runs = {
            (n, estimate): ours(launch(count, durations, SEED), estimate, SEED, together=n)
            for n in TOGETHER
            if n <= count
            for estimate in ESTIMATES
        }
        return cls(name, loops, runs)

    def on_front(self, result: Result) -> bool:
        """No loop beats it."""
        return not any(result.beaten_by(other) for other in self.loops.values())

    def markdown(self) -> Iterator[str]:
        """One table for all N."""
        yield f"## Durations: {self.name}\n"
        yield (
            "| N | policy, and its estimate | requests a job | mean lag, s | p95 lag, s "
            "| p99 of lag ÷ duration | MB a job | front |"
        )
        yield "|---|---|---|---|---|---|---|---|"
        for policy, result in self.loops.items():
            yield f"| any | {policy} | {_figures(result)} | |"
        for (n, estimate), result in self.ours.items():
            front = "yes" if self.on_front(result) else "**no**"
            yield f"| {n:,} | ours, {WORDS[estimate]} | {_figures(result)} | {front} |"
        yield ""


def _figures(result: Result) -> str:
    requests = f"{result.requests:.0f}" if result.requests >= 100 else f"{result.requests:.1f}"
    return (
        f"{requests} | {result.mean:.1f} | {result.p95:.1f} | {result.relative_p99:.1%} "
        f"| {result.megabytes:.3f}"
    )


@frozen
class Goal:
    """One of the numbers that were asked for."""

    what: str
    asked: str
    got: str
    met: bool


def goals(study: Study, count: int) -> Iterator[Goal]:
    """What was asked of the 45-minute jobs, and what came out."""
    most = max(n for n, _ in study.ours)
    within: tuple[Estimate, ...] = ("right", "noisy", "total rough")
    for estimate in within:
        result = study.ours[most, estimate]
        yield Goal(
            f"{most:,} together, {WORDS[estimate]}",
            "≤ 3 requests, ≤ 0.35 MB, mean lag ≤ 4 s",
            f"{result.requests:.2f}, {result.megabytes:.2f} MB, {result.mean:.1f} s",
            result.requests <= 3 and result.megabytes <= 0.35 and result.mean <= 4,
        )
    result = study.ours[most, "absent"]
    yield Goal(
        f"{most:,} together, no estimate",
        "≤ 3 requests, mean lag ≤ 5 s",
        f"{result.requests:.2f}, {result.mean:.1f} s ({result.megabytes:.2f} MB)",
        result.requests <= 3 and result.mean <= 5,
    )
    result, loop = study.ours[1, "right"], study.loops["`backoff.expo` cap 60, no jitter"]
    yield Goal(
        "one job, good estimate, lag no longer",
        "≤ half the requests of `expo` cap 60",
        f"{result.requests:.1f} and {result.mean:.1f} s against "
        f"{loop.requests:.1f} and {loop.mean:.1f} s",
        result.requests <= loop.requests / 2 and result.mean <= loop.mean,
    )
    wrong: tuple[Estimate, ...] = (
        *("left too long", "left too short", "total too long", "total too short"),
    )
    worst = max(study.ours[n, estimate].beyond for n, estimate in study.ours if estimate in wrong)
    share = max(
        study.ours[n, estimate].relative_p99 for n, estimate in study.ours if estimate in wrong
    )
    yield Goal(
        "estimates three times wrong, every job",
        "lag ≤ max(25 s, duration ÷ 4) + 1 s",
        f"{-worst:.1f} s inside at the nearest; p99 {share:.1%} of the duration",
        worst <= 0,
    )
    thirty = study.loops["fixed 30 s"]
    bars: tuple[Estimate, ...] = ("progress t²", "progress √t")
    for estimate in bars:
        result = ours(launch(count, LONG, SEED), estimate, SEED, listed=False)
        yield Goal(
            f"items only, {WORDS[estimate]}",
            "p95 lag ≤ 5 % of the duration, requests ≤ 0.4 of fixed 30 s",
            f"{result.relative_p95:.1%}, {result.requests / thirty.requests:.2f}",
            result.relative_p95 <= 0.05 and result.requests <= 0.4 * thirty.requests,
        )
    ends: tuple[Estimate, ...] = ("right", "absent")
    for estimate in ends:
        result = ours(launch(count, LONG, SEED), estimate, SEED, listed=False)
        yield Goal(
            f"{count:,} launched at once, items only, {WORDS[estimate]}",
            "busiest second ≤ twice the mean second of the first minute",
            f"{result.burst:.2f}",
            result.burst <= 2,
        )
    fronts = [study.on_front(result) for result in study.ours.values()]
    yield Goal(
        "Pareto front (requests, mean lag), every N and estimate",
        "on it",
        f"{sum(fronts)} of {len(fronts)}",
        all(fronts),
    )


def limits(seeds: int) -> Iterator[tuple[str, float, float]]:
    """Goodput and share of refusals at twice each server's limit: the worst of *seeds* runs."""
    for name, server in limit.SERVERS.items():
        runs = [limit.run(server(), seed) for seed in range(seeds)]
        yield name, min(run.goodput for run in runs), max(run.share_refused for run in runs)


def report(studies: Sequence[Study], count: int, seeds: int) -> Iterator[str]:
    """The whole page, line by line."""
    yield INTRO.format(jobs=f"{count:,}")
    yield "![Requests and lag](waiting.png)\n"
    yield "## The numbers that were asked for\n"
    yield "| what (45-minute jobs) | asked | measured | met |"
    yield "|---|---|---|---|"
    for goal in goals(studies[0], count):
        yield f"| {goal.what} | {goal.asked} | {goal.got} | {'yes' if goal.met else '**no**'} |"
    yield ""
    yield REMARK
    for study in studies:
        yield from study.markdown()
    yield "## Demand at twice the limit\n"
    yield (
        f"Ten minutes, {limit.POSSIBLE:,} requests possible, answers after 0.1 s, `Retry-After` in whole"
        f" seconds; the worst of {seeds} runs. Asked: goodput ≥ 70 %, ≤ 1 % refused.\n"
    )
    yield "| server | goodput | refused (429) |"
    yield "|---|---|---|"
    for name, goodput, refused in limits(seeds):
        yield f"| {name} | {goodput:.0%} | {refused:.2%} |"


def plot(studies: Sequence[Study], path: Path) -> None:
    """One panel for each N and kind of durations: requests across, lag upwards."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 # an extra that only this needs

    sizes = sorted({n for n, _ in studies[0].ours})
    figure, grid = plt.subplots(
        len(studies), len(sizes), figsize=(4 * len(sizes), 4 * len(studies)), squeeze=False
    )
    for row, study in zip(grid, studies, strict=True):
        for axes, n in zip(row, sizes, strict=True):
            loops = list(study.loops.values())
            axes.plot([r.requests for r in loops], [r.mean for r in loops], "ks", alpha=0.4)
            for policy, result in study.loops.items():
                label = policy.replace("`", "").replace("backoff.", "")
                axes.annotate(label, (result.requests, result.mean), fontsize=6, alpha=0.7)
            for estimate in ESTIMATES:
                result = study.ours[n, estimate]
                axes.plot(result.requests, result.mean, "o", label=WORDS[estimate])
            axes.set(xscale="log", yscale="log", title=f"{study.name}, N = {n:,}")
            axes.set(
                xlabel="requests a job", ylabel="mean lag, s", xlim=(0.8, 2e3), ylim=(0.8, 500)
            )
            axes.grid(visible=True, which="major", alpha=0.3)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, title="ours, by estimate", loc="lower center", ncol=5, fontsize=8
    )
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="200 jobs instead of 1,000")
    parser.add_argument("--out", type=Path, default=None, help="directory to write the results to")
    options = parser.parse_args(arguments)
    count, seeds = (200, 2) if options.quick else (1000, 5)
    studies = [Study.of(name, durations, count) for name, durations in KINDS.items()]
    page = "\n".join(report(studies, count, seeds)) + "\n"
    say(page)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "waiting.md").write_text(page, encoding="utf-8")
        plot(studies, options.out / "waiting.png")


if __name__ == "__main__":
    main()

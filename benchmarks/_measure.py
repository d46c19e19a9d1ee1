"""What the benchmarks share: interleaved runs, their minimum, median and maximum, tables, plots, facts."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

RESULTS = Path(__file__).parent / "results"


@frozen
class Spread:
    """The same thing measured several times."""

    least: float
    middle: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Sum up *values*."""
        told = sorted(values)
        return cls(told[0], statistics.median(told), told[-1])

    def __str__(self) -> str:
        return " · ".join(_number(x) for x in (self.least, self.middle, self.most))


def _number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def ratios(costs: Mapping[str, Sequence[float]], base: str) -> dict[str, Spread]:
    """Each side's cost over the base's *of the same round*, so that a slow moment slows both."""
    return {
        name: Spread.of(cost / of for cost, of in zip(values, costs[base], strict=True))
        for name, values in costs.items()
    }


def interleaved(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The cost of each side in each of so many rounds, every other round in the opposite order."""
    costs: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            costs[name].append(sides[name]())
    return costs


@define
class Report:
    """One page of results, in Markdown."""

    name: str
    title: str
    parts: list[str] = field(factory=list)

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self.parts.append(text)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table."""
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
        self.parts.append("\n".join(lines))

    def goal(self, what: str, reached: Spread | float, at_most: float, unit: str = "") -> None:
        """Add a line that sets the median beside its goal."""
        middle = reached.middle if isinstance(reached, Spread) else reached
        verdict = "met" if middle <= at_most else f"missed by {100 * (middle / at_most - 1):.0f} %"
        said = reached if isinstance(reached, Spread) else _number(reached)
        self.say(f"Goal: {what} ≤ {_number(at_most)}{unit}; measured {said}{unit}: **{verdict}**.")

    def write(self, *, quick: bool) -> None:
        """Print the page; a full run is kept in `results/` as well."""
        page = "\n\n".join([f"# {self.title}", *self.parts]) + "\n"
        print(page, flush=True)
        if not quick:
            RESULTS.mkdir(exist_ok=True)
            facts = "\n".join(f"- {line}" for line in machine())
            (RESULTS / f"{self.name}.md").write_text(
                f"{page}\nRepeat with `python -m benchmarks {self.name}`. Measured on:\n\n{facts}\n"
            )


def command(main: Callable[..., None]) -> None:
    """Run one benchmark from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="smaller, and nothing is written")
    main(quick=parser.parse_args().quick)


def machine() -> list[str]:
    """Where the figures were measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in _lines("/proc/cpuinfo")
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    memory = next(
        (f"{int(line.split()[1]) / 2**20:.0f} GiB" for line in _lines("/proc/meminfo")), "unknown"
    )
    return [
        f"{os.cpu_count()} x {cpu}, {memory} of memory",
        f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}",
        ", ".join(
            f"{name} {said}"
            for name in (
                *("aiohttp", "attrs", "cattrs", "backoff", "orjson", "uvloop"),
                *("httpx", "openai", "seekrai", "azure-core", "pydantic", "msgspec"),
            )
            if (said := _version(name))
        ),
    ]


def installed(module: str) -> bool:
    """Whether *module* can be imported here."""
    return importlib.util.find_spec(module) is not None


def plot(
    name: str,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str,
    quick: bool,
) -> None:
    """Draw *curves* on logarithmic axes into ``results/name.png``; needs matplotlib."""
    if quick or not installed("matplotlib"):
        return
    import matplotlib as mpl  # noqa: PLC0415 # only a full run draws

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 # after the choice of its back end

    figure, axes = plt.subplots(figsize=(6, 4))
    for label, points in curves.items():
        axes.loglog(*zip(*points, strict=True), marker="o", label=label)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / f"{name}.png", bbox_inches="tight", dpi=120)
    plt.close(figure)


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def _version(name: str) -> Any:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

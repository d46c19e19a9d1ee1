"""What the pages state, held to the code."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from nugen_async import NugenError, Schedule, errors
from nugen_async.cli.exits import MEANING

from .samples import PAGES, ROOT, SAMPLES, Sample, commands_of, lines_of_code, samples_of

NOT_RUN = re.compile(r"not run by (?:this site's|the) tests", re.IGNORECASE)

_TAKE_JOBS = {"watch", "status"}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_compiles(sample: Sample) -> None:
    compile(sample.module, sample.name, "exec")


def test_samples_are_no_wider_than_the_page() -> None:
    shown = [
        (f"{path.name}:{number}", line)
        for path in PAGES
        if path.name != "README.md"  # it is not a page of this site
        for number, line in lines_of_code(path)
    ]

    assert [(where, line) for where, line in shown if len(line) > 76] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_says_why_a_sample_is_not_run(path: Path) -> None:
    hidden = [s for s in samples_of(path) if s.skipped and "pytest_plugins" not in s.source]

    assert not hidden or NOT_RUN.search(re.sub(r"\s+", " ", path.read_text("utf-8")))


def test_most_samples_are_run() -> None:
    skipped = sum(sample.skipped for sample in SAMPLES)

    assert len(SAMPLES) - skipped > 40
    assert skipped <= 3


def test_the_bound_on_lag_is_that_of_the_default_schedule() -> None:
    default = Schedule()
    share = {0.25: "a quarter"}[default.net]

    told = f"max({default.stride:g} s, {share} of the job's duration), never more than"
    assert f"{told} {default.longest / 60:g} min" in page("how-to/waiting.md")


def test_every_error_is_explained() -> None:
    told = page("how-to/errors.md") + page("reference/errors.md")
    made = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, NugenError) and not name.startswith("_")
    }

    explained = set(re.findall(r"nugen_async\.(\w+)", page("how-to/errors.md")))
    assert made - explained - {"APIError"} == set()
    assert made - set(re.findall(r"^::: nugen_async\.(\w+)$", told, re.MULTILINE)) == set()


def test_exit_codes_are_those_of_the_command() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", page("how-to/terminal.md"), re.MULTILINE)

    assert rows == [(str(code.value), meaning) for code, meaning in MEANING.items()]


def test_every_page_is_in_the_navigation() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))
    named: set[str] = set()

    def walk(entries: list[dict[str, object]]) -> None:
        for entry in entries:
            for value in entry.values():
                if isinstance(value, list):
                    walk(value)
                else:
                    named.add(str(value))

    walk(config["project"]["nav"])
    assert named == {str(p.relative_to(ROOT / "docs")) for p in PAGES if p.name != "README.md"}


def test_every_result_of_a_benchmark_has_a_page() -> None:
    results = {path.name for path in (ROOT / "benchmarks" / "results").glob("*.md")}
    included = "".join(path.read_text("utf-8") for path in (ROOT / "docs/measured").glob("*.md"))

    missing = {name for name in results if f"benchmarks/results/{name}" not in included}
    assert missing == set(), "each wants a page in docs/measured and a line in zensical.toml"


def test_commands_on_pages_are_understood() -> None:
    from nugen_async.cli.app import app  # noqa: PLC0415 # needs the extra cli
    from nugen_async.cli.refs import token_of  # noqa: PLC0415

    lines = [(where, line) for path in PAGES for where, line in commands_of(path)]
    shown = [each for each in lines if each[1].startswith("nugen-async ")]

    for where, line in shown:
        if not line.startswith("nugen-async --"):
            command = re.split(r" [>|] ", line)[0]
            arguments = shlex.split(command, comments=True)[1:]
            try:
                _, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
                for ref in bound.arguments.get("jobs", ()) if arguments[0] in _TAKE_JOBS else ():
                    job_id = json.loads(token_of(ref)[1])["id"]
                    assert re.fullmatch(r"[a-z]+-\w+", job_id), f"{ref} stands for {job_id}"
            except Exception as error:  # noqa: BLE001 # whatever the parser says
                pytest.fail(f"{where}: {line}: {error}")
    assert len(shown) > 10


def test_every_floor_is_on_the_plan() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    plan = page("design/floors.md").partition("```text")[2].partition("```")[0]

    rooms = {room.strip() for layer in layers for room in layer.split("|")}
    assert {room for room in rooms if not re.search(rf"\b{room}\b", plan)} == set()

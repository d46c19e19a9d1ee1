"""The package as it is installed: what importing costs, what is exported, what it depends on."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nugen_async
from nugen_async import errors

ROOT = Path(__file__).parent.parent


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_brings_neither_the_server_nor_the_terminal_nor_an_extra() -> None:
    loaded = modules_after("import nugen_async")
    unwanted = {"aiohttp.web", "nugen_async.cli", "nugen_async.simulator.app", "rich", "cyclopts"}
    unwanted |= {"yaml", "procrastinate", "opentelemetry", "pytest", "IPython", "matplotlib"}
    assert loaded & unwanted == set()


def test_the_simulator_loads_its_server_only_when_it_serves() -> None:
    assert "aiohttp.web" not in modules_after("import nugen_async.simulator")


def test_the_core_depends_on_exactly_four_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {name.split(">")[0].split("=")[0] for name in project["dependencies"]}
    assert names == {"aiohttp", "attrs", "cattrs", "backoff"}


def test_the_package_is_typed() -> None:
    assert (Path(nugen_async.__file__).parent / "py.typed").exists()


def test_every_name_that_is_exported_is_there_once() -> None:
    assert len(set(nugen_async.__all__)) == len(nugen_async.__all__)
    for name in nugen_async.__all__:
        assert hasattr(nugen_async, name), name


def all_errors() -> list[type[errors.NugenError]]:
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == errors.__name__
    ]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_is_under_the_root_pickles_and_prints(kind: type[errors.NugenError]) -> None:
    assert issubclass(kind, errors.NugenError)
    plain = issubclass(kind, errors.ConfigurationError | errors.InvalidRequestError) or issubclass(
        kind, errors.ClientStateError
    )
    error = kind("said") if plain or kind.__name__ == "_PlainError" else kind()
    error.add_note("n")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), repr(again)) == (str(error), repr(error))


def test_what_a_server_says_cannot_drive_a_terminal() -> None:
    error = errors.NotFoundError(
        method="GET", url="/x", status=404, detail="\x1b]0;owned\x07\u202edetsurt"
    )
    assert error.told != str(error)
    assert all(char.isprintable() or char == "\ufffd" for char in str(error))


def test_a_long_answer_is_shown_in_part() -> None:
    assert len(str(errors.ServerError(status=500, detail="x" * 10_000))) < 700

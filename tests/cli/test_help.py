"""Every command explains itself, and its examples are true."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Literal

import pytest
from cyclopts import App

from nugen_async.cli.app import app
from nugen_async.cli.exits import MEANING, Exit

from .conftest import Run


def commands(at: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in at:
        if not name.startswith("-"):
            yield (*path, name)
            yield from commands(at[name], (*path, name))


def examples(text: str) -> list[str]:
    """The command lines below "Examples:", continued lines joined, comments and pipes cut."""
    told = text.partition("\nExamples:\n")[2].replace("\\\n", " ")
    lines = (re.split(r"\s+#|\s[|<>]\s", line)[0].strip() for line in told.splitlines())
    return [line for line in lines if line.startswith("nugen-async")]


PATHS = [(), *commands()]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
async def test_every_command_has_help_and_an_example(
    path: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for flag in ("-h", "--help"):
        ran = await run(*path, flag)
        assert (ran.code, ran.err) == (0, "")
        shown = examples(ran.out)
        wanted = shlex.join(("nugen-async", *path))
        assert any(example.startswith(wanted) for example in shown), f"no example of {wanted!r}"
        for example in shown:
            app.parse_args(shlex.split(example)[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_no_example_is_broken_on_a_terminal_of_80_columns(path: tuple[str, ...]) -> None:
    command: App = app
    for name in path:
        command = command[name]
    assert isinstance(command.help_epilogue, str)
    assert [line for line in command.help_epilogue.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("path", PATHS[1:], ids=" ".join)
def test_every_command_and_parameter_is_described(path: tuple[str, ...]) -> None:
    command: App = app
    for name in path:
        command = command[name]
    assert command.help
    if command.default_command is not None:
        for argument in command.assemble_argument_collection(parse_docstring=True):
            if argument.show:
                told = argument.parameter.help
                assert told, f"{' '.join(path)} {argument.name}"
                assert "\n" not in told, "the help would be broken there, whatever the width"


async def test_the_help_lists_every_exit_code(run: Run) -> None:
    assert set(MEANING) == set(Exit)
    shown = (await run("-h")).out
    for code, meaning in MEANING.items():
        assert re.search(rf"^ +{code.value}  {re.escape(meaning)}$", shown, re.MULTILINE)


async def test_the_version_is_told(run: Run) -> None:
    ran = await run("--version")
    assert ran.code == 0
    assert re.fullmatch(r"\d+\.\d+.*\n", ran.out) or "not installed" in ran.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_can_be_completed(shell: Literal["bash", "zsh", "fish"]) -> None:
    script = app.generate_completion(shell=shell)
    assert "undeploy" in script


async def test_no_key_is_ever_an_argument() -> None:
    for path in PATHS[1:]:
        command: App = app
        for name in path:
            command = command[name]
        if command.default_command is not None:
            for argument in command.assemble_argument_collection(parse_docstring=True):
                assert "key" not in argument.name.lower()

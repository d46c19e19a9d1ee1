"""The command line as a whole: all commands, and errors in one sentence."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import CycloptsError
from rich.text import Text

from ..errors import (
    JobStalledError,
    JobUnreachableError,
    NugenError,
    WaitTimeoutError,
    printable,
)
from . import (
    alignments,
    batch,
    benchmarks,
    chat,
    demo,
    documents,
    evaluations,
    jobs,
    models,
    report,
    simulator,
    worker,
)
from .common import app
from .exits import Exit, as_json, exit_for, sentence, sentence_of
from .screen import Form, Screen

__all__ = ["app", "execute", "run"]

_LONGEST = 100_000
"""Characters of a traceback."""

_GROUPS = (
    demo,
    simulator,
    alignments,
    evaluations,
    chat,
    jobs,
    models,
    documents,
    benchmarks,
    report,
)
"""Importing them is what makes their commands."""

app.command(batch.app)
app.command(worker.app)
app.register_install_completion_command()


def run(arguments: Sequence[str]) -> int:
    """Run one command line to its end."""
    try:
        return asyncio.run(execute(arguments))
    except KeyboardInterrupt:
        Screen().warn("Interrupted.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


async def execute(arguments: Sequence[str]) -> int:
    """Run one command line inside a running loop.

    Errors become a sentence and an exit code; with ``--json`` or ``--jsonl`` also an object on standard
    output.
    """
    words, debug = _split(arguments)
    screen = Screen(_form(words))
    try:
        result = await app.run_async(words)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 # the last resort of a command line
        code, text = _explained(error)
        if debug:
            screen.err.file.write(printable(traceback.format_exc(), _LONGEST))
        screen.warn(Text.assemble(("Error: ", "bold red"), text))
        if not screen.human:
            screen.show(as_json(error, code))
        return code
    return int(result) if isinstance(result, int) else Exit.OK


def _split(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The command line without ``--debug``, which every command takes, and whether it was there."""
    words = list(arguments)
    options = _options(words)
    return [w for w in options if w != "--debug"] + words[len(options) :], "--debug" in options


def _options(words: list[str]) -> list[str]:
    """All *words* that may be options."""
    return words[: words.index("--")] if "--" in words else words


def _form(words: list[str]) -> Form:
    """The form that the output of a command line has, also of one that is not understood."""
    options = _options(words)
    return "jsonl" if "--jsonl" in options else "json" if "--json" in options else "people"


def _explained(error: Exception) -> tuple[Exit, str]:
    """The exit code of *error*, and a sentence about it."""
    match error:
        case CycloptsError():
            command = " ".join((app.name[0], *(error.command_chain or ())))
            return Exit.USAGE, f"{sentence(str(error))} Help: {command} -h"
        case WaitTimeoutError() | JobStalledError() | JobUnreachableError():
            return exit_for(error), f"{printable(error.job_id)}: {sentence_of(error)}"
        case NugenError():
            return exit_for(error), sentence_of(error)
        case OSError():
            return Exit.USAGE, sentence(_os_error(error))
        case _:
            text = f"This is a bug in nugen-async: {type(error).__name__}: {error}"
            return Exit.INTERNAL, f"{sentence(text)} Run it with --debug to see where."


def _os_error(error: OSError) -> str:
    said = error.strerror or str(error)
    return f"{error.filename!r}: {said}" if error.filename else said

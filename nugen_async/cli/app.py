"""The command line as a whole: all commands, and errors in one sentence."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import CycloptsError
from rich.text import Text

from ..errors import NugenError, printable
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
from .exits import Exit, exit_for, sentence, sentence_of
from .screen import Screen

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
    """Run one command line inside a running loop; errors become a sentence and an exit code."""
    words, debug = _split(arguments)
    try:
        result = await app.run_async(words)
    except CycloptsError as error:
        command = " ".join((app.name[0], *(error.command_chain or ())))
        return _told(f"{sentence(str(error))} Help: {command} -h", Exit.USAGE, debug=debug)
    except NugenError as error:
        return _told(sentence_of(error), exit_for(error), debug=debug)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _told(sentence(_os_error(error)), Exit.USAGE, debug=debug)
    except Exception as error:  # noqa: BLE001 # the last resort of a command line
        text = f"This is a bug in nugen-async: {type(error).__name__}: {error}"
        return _told(
            f"{sentence(text)} Run it with --debug to see where.", Exit.INTERNAL, debug=debug
        )
    return int(result) if isinstance(result, int) else Exit.OK


def _split(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The command line without ``--debug``, which every command takes, and whether it was there."""
    words = list(arguments)
    options = words[: words.index("--")] if "--" in words else words
    return [w for w in options if w != "--debug"] + words[len(options) :], "--debug" in options


def _told(text: str, code: Exit, *, debug: bool) -> int:
    screen = Screen()
    if debug:
        screen.err.file.write(printable(traceback.format_exc(), _LONGEST))
    screen.warn(Text.assemble(("Error: ", "bold red"), text))
    return code


def _os_error(error: OSError) -> str:
    said = error.strerror or str(error)
    return f"{error.filename!r}: {said}" if error.filename else said

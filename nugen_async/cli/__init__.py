"""The nugen-async command: tables and bars for people, JSON for scripts, no logic of its own.

app       the command line as a whole: common options, exit codes, errors in one sentence
exits     which exit code and which advice an error gets (pure)
screen    where output goes: tables and JSON to standard output, all else to standard error
board     several jobs as they move: bars on a terminal, lines without one
jobs      watch, status      alignments, align      evaluations, evaluate, compare, results
models    models, deploy, undeploy      documents      benchmarks      chat
demo      the whole flow, eight alignments at once      simulator
batch, worker      many workflows, from a manifest      report
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_MISSING = """\
The nugen-async command needs {name}, which is not installed. This installs it:

    {python} -m pip install 'nugen-async[cli]'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    try:
        from .app import run  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in {"cyclopts", "rich"}:
            raise
        sys.stderr.write(_MISSING.format(name=name, python=sys.executable or "python"))
        return 2
    return run(sys.argv[1:] if arguments is None else arguments)

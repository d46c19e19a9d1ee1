"""``batch``: many workflows from a manifest, with a journal that lets them go on after anything."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shlex
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from attrs import frozen
from cyclopts import App, Parameter
from rich.text import Text

from ..batch import (
    Ask,
    Batch,
    BatchStoppedError,
    Failed,
    Open,
    Outcome,
    Policy,
    Ready,
    Status,
    TimedOut,
    Unknown,
    open_store,
)
from ..errors import CreateOutcomeUnknownError, InvalidRequestError, printable
from ..journal import JournalError
from ..launching.outcomes import outcome_of, status_of
from ..launching.stages import Moment
from ..manifests import ManifestError, load_manifest
from ..workflows import Workflow
from .board import Board, End
from .common import DEFAULTS, WORK, Common, Flag, Patience, epilogue
from .exits import Exit, overall
from .screen import Column, Screen, duration, plural

app = App(
    name="batch",
    help="Run many workflows from a manifest; after a crash or Ctrl-C they go on where they were.",
    group=WORK,
    help_epilogue=epilogue(
        "nugen-async batch run runs.yaml",
        "nugen-async batch status",
        "nugen-async batch resume",
    ),
)

Journal = Annotated[str, Parameter(metavar="FILE|URL")]
OnUnknown = Literal["fail", "ask", "create"]

_WORDS: dict[type[Outcome], tuple[str, End, Exit]] = {
    Ready: ("ready", "ok", Exit.OK),
    Failed: ("failed", "bad", Exit.FAILED),
    Unknown: ("unknown", "bad", Exit.UNKNOWN),
    TimedOut: ("open", "open", Exit.TIMED_OUT),
    Open: ("open", "open", Exit.TIMED_OUT),
}


@Parameter(name="*")
@frozen(kw_only=True)
class Running:
    """How a batch runs."""

    at_once: Annotated[int, Parameter(metavar="COUNT")] = 64
    """How many workflows run at once."""
    timeout: Patience = None
    """Wait so many seconds at most for one workflow; it goes on at the server."""
    fail_fast: Flag = False
    """Stop at the first that fails."""
    at_least: Annotated[float | None, Parameter(metavar="SHARE")] = None
    """Stop when not even this share (0 to 1) can succeed."""
    on_unknown: OnUnknown = "fail"
    """What to do where no look can tell whether something was created: report it, ask, or create it."""
    settle: Annotated[float, Parameter(metavar="SECONDS")] = 60.0
    """How long the server's lists may take to show something new."""

    @property
    def policy(self) -> Policy:
        """The policy that the options make."""
        if self.fail_fast and self.at_least is not None:
            raise InvalidRequestError("--fail-fast and --at-least exclude each other")
        return "fail_fast" if self.fail_fast else "all" if self.at_least is None else self.at_least

    def unknown(self, screen: Screen) -> Literal["fail", "create"] | Ask:
        """What `Batch.open` takes for it."""
        if self.on_unknown != "ask":
            return self.on_unknown
        if not sys.stdin.isatty():
            raise InvalidRequestError("--on-unknown ask needs a terminal")

        async def ask(error: CreateOutcomeUnknownError) -> str:
            screen.warn(str(error))
            question = "create it, take it as failed, or adopt an id [create/fail/ID]? "
            return (await asyncio.to_thread(input, question)).strip()

        return ask


ONE_GO = Running()


@app.command(
    help_epilogue=epilogue(
        "nugen-async batch run runs.yaml",
        "nugen-async batch run runs.csv --journal runs.db --at-once 200 --at-least 0.95",
        "nugen-async batch run runs.jsonl --jsonl --on-unknown ask",
    )
)
async def run(
    manifest: Path,
    /,
    *,
    journal: Journal = "runs.db",
    running: Running = ONE_GO,
    common: Common = DEFAULTS,
) -> int:
    """Run the workflows of a manifest. The same command again goes on, and makes nothing twice.

    Parameters
    ----------
    manifest
        A .jsonl, .json, .csv, .yaml or .py file; a row holds the fields of a Workflow. All mistakes in it
        are told before anything is sent.
    journal
        The file that keeps what is done, or postgresql://...
    """
    with _told():
        specs = await asyncio.to_thread(load_manifest, manifest)
    return await _run(specs, journal, running, common)


@app.command(help_epilogue=epilogue("nugen-async batch resume --journal runs.db"))
async def resume(
    *, journal: Journal = "runs.db", running: Running = ONE_GO, common: Common = DEFAULTS
) -> int:
    """Go on with everything in a journal that has not ended.

    Parameters
    ----------
    journal
        The file that keeps what is done, or postgresql://...
    """
    return await _run(None, journal, running, common)


@app.command(help_epilogue=epilogue("nugen-async batch retry --journal runs.db"))
async def retry(
    *, journal: Journal = "runs.db", running: Running = ONE_GO, common: Common = DEFAULTS
) -> int:
    """Give what failed another try, and look again for what is unknown. What is there is kept.

    Parameters
    ----------
    journal
        The file that keeps what is done, or postgresql://...
    """
    return await _run(None, journal, running, common, again=True)


@app.command(help_epilogue=epilogue("nugen-async batch status --journal runs.db --json"))
async def status(*, journal: Journal = "runs.db", common: Common = DEFAULTS) -> int:
    """Tell how many workflows stand how, also while they run. Asks no server.

    Parameters
    ----------
    journal
        The file that keeps what is done, or postgresql://...
    """
    with _told():
        store = await open_store(journal, watch=True)
        try:
            rows = await store.rows()
        finally:
            await store.aclose()
    found = status_of(rows)
    common.screen.show(found, Text(_summary(found)))
    return Exit.OK


@app.command(
    help_epilogue=epilogue("nugen-async batch export --journal runs.db --output results.csv")
)
async def export(
    *,
    journal: Journal = "runs.db",
    format: Literal["csv", "jsonl"] = "csv",
    output: Path | None = None,
) -> int:
    """Write what a journal knows of every workflow: ids, scores, errors.

    Parameters
    ----------
    journal
        The file that keeps what is done, or postgresql://...
    format
        The form of the output.
    output
        The file to write; standard output without it.
    """
    with _told():
        store = await open_store(journal, watch=True)
        try:
            rows = [_as_json(outcome_of(row)) for row in await store.rows()]
        finally:
            await store.aclose()
    text = _csv(rows) if format == "csv" else "".join(json.dumps(row) + "\n" for row in rows)
    if output is None:
        sys.stdout.write(text)
    else:
        await asyncio.to_thread(output.write_text, text, encoding="utf-8")
    return Exit.OK


# -- what they have in common -------------------------------------------------------------------------


async def _run(
    specs: Sequence[Workflow] | None,
    journal: str,
    running: Running,
    common: Common,
    *,
    again: bool = False,
) -> int:
    screen, policy = common.screen, running.policy
    outcomes: list[Outcome] = []
    board = Board(screen)
    stopped: BatchStoppedError | None = None
    with _told():
        async with (
            common.nugen() as nugen,
            Batch.open(
                journal, nugen, on_unknown=running.unknown(screen), settle=running.settle
            ) as batch,
            _resumable(screen, journal),
            board.shown(),
        ):
            if again:
                screen.say(f"{plural(await batch.retry_failed(), 'workflow')} to try again.")
            try:
                async for outcome in batch.run(
                    specs,
                    at_once=running.at_once,
                    timeout=running.timeout,
                    policy=policy,
                    on_step=lambda moment: _show(board, moment),
                ):
                    outcomes.append(outcome)
                    _finish(board, outcome)
                    if screen.form == "jsonl":
                        screen.show(_as_json(outcome))
            except BatchStoppedError as error:
                stopped = error
            found = await batch.status()
    if screen.form != "jsonl":
        screen.rows(outcomes, _COLUMNS, as_json=_as_json, nothing="There was nothing to do.")
    screen.say(_summary(found))
    _go_on(screen, journal, found)
    if stopped is not None:
        screen.warn(str(stopped))
        return Exit.FAILED
    return overall(_WORDS[type(outcome)][2] for outcome in outcomes)


@contextmanager
def _told() -> Iterator[None]:
    """The mistakes of a user's file are wrong input, not a failure of the service."""
    try:
        yield
    except (JournalError, ManifestError) as error:
        raise InvalidRequestError(str(error)) from error


@asynccontextmanager
async def _resumable(screen: Screen, journal: str) -> AsyncGenerator[None]:
    try:
        yield
    except asyncio.CancelledError:
        screen.warn("Interrupted. The journal has everything, and what runs at the server goes on.")
        screen.warn("To go on:")
        screen.command(_command("resume", journal))
        raise


def _go_on(screen: Screen, journal: str, found: Status) -> None:
    for count, verb in ((found.open, "resume"), (found.failed + found.unknown, "retry")):
        if count:
            screen.say(f"For the {plural(count, 'workflow')} {_LEFT[verb]}:")
            if not screen.quiet:
                screen.command(_command(verb, journal))


_LEFT = {"resume": "not ended yet", "retry": "that failed"}


def _command(verb: str, journal: str) -> str:
    return f"nugen-async batch {verb} --journal {shlex.quote(printable(journal))}"


def _show(board: Board, moment: Moment) -> None:
    if moment.what == "fails":
        return
    board.add(moment.key, moment.key)
    said = moment.status or ("done" if moment.what == "ends" else "waiting")
    board.tell(moment.key, said, stage=str(moment.stage), progress=moment.progress)


def _finish(board: Board, outcome: Outcome) -> None:
    word, end, _ = _WORDS[type(outcome)]
    board.add(outcome.key, outcome.key)
    error = outcome.error()
    board.finish(outcome.key, end, word, "" if error is None else str(error))


def _summary(found: Status) -> str:
    parts = [
        f"{count} {word}"
        for count, word in (
            (found.ready, "ready"),
            (found.failed, "failed"),
            (found.unknown, "unknown"),
            (found.open, "open"),
        )
        if count
    ]
    text = f"{plural(found.total, 'workflow')}: {', '.join(parts) or 'nothing yet'}."
    if found.still_deployed:
        text += f" {plural(len(found.still_deployed), 'model')} may still be deployed."
    return text


_COLUMNS: tuple[Column[Outcome], ...] = (
    Column("key", lambda o: o.key, fold=True),
    Column("state", lambda o: _WORDS[type(o)][0]),
    Column("model", lambda o: o.result.model_id, rank=2, fold=True),
    Column("base", lambda o: o.result.base_accuracy, right=True, rank=3),
    Column("aligned", lambda o: o.result.aligned_accuracy, right=True, rank=3),
    Column("difference", lambda o: o.result.difference, right=True, rank=1),
    Column("waited", lambda o: duration(sum(o.result.waited.values())), right=True, rank=4),
    Column("error", lambda o: str(o.error() or ""), rank=5, fold=True),
)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    result, error = outcome.result, outcome.error()
    return {
        "key": outcome.key,
        "name": result.name,
        "state": _WORDS[type(outcome)][0],
        "document_ids": list(result.document_ids),
        "benchmark_id": result.benchmark_id,
        "alignment_id": result.alignment_id,
        "model_id": result.model_id,
        "endpoint": result.endpoint,
        "evaluation_id": result.evaluation_id,
        "base_accuracy": result.base_accuracy,
        "aligned_accuracy": result.aligned_accuracy,
        "difference": result.difference,
        "uncertainty": result.uncertainty,
        "waited": dict(result.waited),
        "still_deployed": result.still_deployed,
        "error": None if error is None else str(error),
    }


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    made = io.StringIO(newline="")
    table = csv.writer(made, lineterminator="\n")
    names = list(rows[0]) if rows else []
    table.writerow(names)
    for row in rows:
        table.writerow([_cell(row[name]) for name in names])
    return made.getvalue()


def _cell(value: Any) -> Any:
    """One cell; text that a spreadsheet would run as a formula is made harmless."""
    match value:
        case list():
            return "; ".join(map(str, value))
        case dict():
            return round(sum(value.values()), 1)
        case str() if value.startswith(("=", "+", "-", "@")):
            return f"'{value}"
        case _:
            return value

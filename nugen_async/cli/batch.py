"""``batch``: many workflows from a manifest, with a journal that lets them go on after anything."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Literal

from attrs import frozen
from cyclopts import App, Parameter
from rich.text import Text

from ..batch import Ask, Batch, BatchStoppedError, Outcome, Policy, Status, open_store
from ..errors import CreateOutcomeUnknownError, InvalidRequestError, printable
from ..journal import JournalError
from ..launching.outcomes import ended, outcome_of, status_of
from ..launching.stages import Moment
from ..manifests import ManifestError, load_manifest
from ..workflows import Workflow
from .board import Board
from .common import AS_USUAL, DEFAULTS, VERBS, WORK, Common, Flag, Output, Patience, epilogue
from .exits import Exit, overall
from .outcomes import COLUMNS, WORDS, as_csv, as_json, summary, tell_of_failures, tell_of_models
from .screen import Screen, plural

app = App(
    name="batch",
    help="Run many workflows from a manifest; after a crash or Ctrl-C they go on where they were.",
    group=WORK,
    group_commands=VERBS,
    help_epilogue=epilogue(
        "nugen-async batch run runs.yaml",
        "nugen-async batch status",
        "nugen-async batch resume",
    ),
)

Journal = Annotated[str, Parameter(metavar="FILE|URL")]
OnUnknown = Literal["fail", "ask", "create"]


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

    All mistakes in the manifest are told before anything is sent.

    Parameters
    ----------
    manifest
        A .jsonl, .json, .csv, .yaml or .py file: the fields of a Workflow in each row.
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
async def status(*, journal: Journal = "runs.db", shown: Output = AS_USUAL) -> int:
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
    shown.screen.show(found, Text(summary(found)))
    tell_of_models(shown.screen, [outcome_of(row) for row in rows if ended(row.end)])
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
            rows = [as_json(outcome_of(row)) for row in await store.rows()]
        finally:
            await store.aclose()
    text = as_csv(rows) if format == "csv" else "".join(json.dumps(row) + "\n" for row in rows)
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
                        screen.show(as_json(outcome))
            except BatchStoppedError as error:
                stopped = error
            found = await batch.status()
    if screen.form != "jsonl":
        screen.rows(outcomes, COLUMNS, as_json=as_json, nothing="There was nothing to do.")
    screen.say(summary(found))
    tell_of_failures(screen, outcomes)
    tell_of_models(screen, outcomes)
    _go_on(screen, journal, found)
    if stopped is not None:
        screen.warn(str(stopped))
        return Exit.FAILED
    return overall(WORDS[type(outcome)][2] for outcome in outcomes)


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
        screen.warn("The journal has everything, and what runs at the server goes on.")
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
    board.add(moment.key, moment.name)
    said = moment.status or ("done" if moment.what == "ends" else "waiting")
    board.tell(
        moment.key, said, stage=str(moment.stage), progress=moment.progress, left=moment.left
    )


def _finish(board: Board, outcome: Outcome) -> None:
    word, end, _ = WORDS[type(outcome)]
    board.add(outcome.key, outcome.result.name)
    error = outcome.error()
    board.finish(outcome.key, end, word, "" if error is None else str(error))

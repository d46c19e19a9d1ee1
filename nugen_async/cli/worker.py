"""``worker``: one of many processes that run the workflows in a database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ..errors import ConfigurationError, InvalidRequestError
from ..journal import JournalError
from ..manifests import ManifestError, load_manifest
from .common import DEFAULTS, WORK, Common, Flag, epilogue
from .exits import Exit
from .screen import plural

if TYPE_CHECKING:
    from ..integrations.procrastinate import Fleet

app = App(
    name="worker",
    help="Run workflows on many machines, from a journal in PostgreSQL.",
    group=WORK,
    help_epilogue=epilogue(
        "nugen-async worker --database postgresql://db/x --submit runs.yaml --no-work",
        "nugen-async worker --database postgresql://db/x --creates-per-second 5",
    ),
)


@app.default
async def worker(
    *,
    database: Annotated[str, Parameter(env_var="NUGEN_DATABASE", metavar="URL")],
    submit: Path | None = None,
    no_work: Flag = False,
    once: Flag = False,
    at_once: Annotated[int, Parameter(metavar="COUNT")] = 100,
    creates_per_second: Annotated[float | None, Parameter(metavar="RATE")] = None,
    settle: Annotated[float, Parameter(metavar="SECONDS")] = 60.0,
    common: Common = DEFAULTS,
) -> int:
    """Take workflows from the database and run them, until it is stopped.

    Any number of workers may run. What a worker had under way when it stopped or died another one goes on
    with; nothing is made twice.

    Parameters
    ----------
    database
        postgresql://...; also taken from NUGEN_DATABASE, where no process list shows its password.
    submit
        First put the workflows of this manifest into the database.
    no_work
        Only submit.
    once
        Stop when nothing is left to take.
    at_once
        How many workflows this worker runs at once.
    creates_per_second
        How many things all workers together may create in a second; kept in the database.
    settle
        How long the server's lists may take to show something new.
    """
    if no_work and submit is None:
        raise InvalidRequestError("--no-work goes with --submit")
    screen = common.screen
    try:
        specs = None if submit is None else await asyncio.to_thread(load_manifest, submit)
        async with _fleet(database, creates_per_second) as fleet:
            if specs is not None:
                keys = await fleet.submit(specs)
                screen.say(f"{plural(len(keys), 'workflow')} in the database.")
            if not no_work:
                async with common.nugen() as nugen:
                    screen.say("At work; Ctrl-C hands over to the other workers.")
                    await fleet.work(nugen, at_once=at_once, wait=not once, settle=settle)
            screen.show(await fleet.status())
    except (JournalError, ManifestError) as error:
        raise InvalidRequestError(str(error)) from error
    return Exit.OK


def _fleet(database: str, creates_per_second: float | None) -> Fleet:
    try:
        from ..integrations.procrastinate import Fleet  # noqa: PLC0415 # an extra
    except ImportError as error:
        raise ConfigurationError(
            f"workers need more: pip install 'nugen-async[procrastinate]' ({error})"
        ) from error
    return Fleet.open(database, creates_per_second=creates_per_second)

"""The journal in a real PostgreSQL, and workers on it: killed, stopped, cut off."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from nugen_async import Nugen
from nugen_async.batch import Batch, Ready, Status
from nugen_async.cli.app import execute
from nugen_async.errors import InvalidRequestError
from nugen_async.integrations.procrastinate import Fleet
from nugen_async.journal import JournalError
from nugen_async.launching.course import End, Progress, Record
from nugen_async.launching.postgres import PostgresJournal
from nugen_async.launching.spec import Stage
from nugen_async.workflows import Workflow
from tests.kill.processes import PROCESSES, run_worker, server, specs

pytestmark = pytest.mark.looptime(False)  # the server keeps its own time

SPEC = Workflow(name="n", key="k", base_model="b", document_ids=["d"])
SPEED = 2000.0


async def test_a_database_that_is_not_there_is_told_in_one_line() -> None:
    for database in ("postgresql://u:hunter2@127.0.0.1:1/runs", "sqlite://runs"):
        with pytest.raises(JournalError) as caught:
            await PostgresJournal.open(database)
        assert "\n" not in str(caught.value)
        assert "hunter2" not in str(caught.value)


async def test_what_was_awaited_is_there_for_the_next_process(database: str) -> None:
    journal = await PostgresJournal.open(database)
    assert await journal.admit([SPEC]) == ["k"]
    record = Record(token="t", intended="2026-01-01T00:00:00+00:00", ids=("al-1",))
    progress = Progress().noted(Stage.ALIGNMENT, record)
    await journal.end("k", progress, End.READY)
    await journal.write_shared("document:x", Record(ids=("doc-1",), done=True))
    series = journal.series
    await journal.aclose()

    journal = await PostgresJournal.open(database)
    row = await journal.row("k")
    assert (row.spec, row.end, row.progress) == (SPEC, End.READY, progress)
    assert await journal.shared("document:x") == Record(ids=("doc-1",), done=True)
    assert await journal.taken(["al-1", "doc-1", "al-2"]) == {"al-1", "doc-1"}
    assert journal.series == series
    with pytest.raises(InvalidRequestError, match="under these keys: k"):
        await journal.admit([Workflow(name="m", key="k", base_model="b", document_ids=["d"])])
    await journal.aclose()


async def test_one_process_at_a_time_holds_a_claim_and_a_dead_one_none(database: str) -> None:
    one, two = await PostgresJournal.open(database), await PostgresJournal.open(database)
    taken: list[str] = []

    async def take(journal: PostgresJournal, name: str) -> None:
        async with journal.claim("x"):
            taken.append(name)

    async with one.claim("x"):
        waiting = asyncio.create_task(take(two, "two"))
        await asyncio.sleep(0.2)
        assert taken == []
    await waiting
    holding = one.claim("x")
    await holding.__aenter__()
    await one.aclose()
    await take(two, "after its end")
    await holding.__aexit__(None, None, None)
    assert taken == ["two", "after its end"]
    await two.aclose()


async def test_a_claim_cancelled_while_it_is_granted_is_given_back(database: str) -> None:
    """It stayed held as long as the process lived, and others waited for that workflow in vain."""
    one, two = await PostgresJournal.open(database), await PostgresJournal.open(database)

    async def hold(key: str) -> None:
        async with one.claim(key):
            await asyncio.Event().wait()

    with psycopg.connect(database, autocommit=True) as server:

        def granted() -> bool:
            """Asked without the loop, which so does not read the answer meanwhile."""
            held = server.execute(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
            return held.fetchone() == (1,)

        for n in range(10):
            holding = asyncio.create_task(hold(f"k{n}"))
            while not granted():  # noqa: ASYNC110 # of another process there is no event
                await asyncio.sleep(0)
            for _ in range(1 + n % 3):
                holding.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await holding
            async with asyncio.timeout(5), two.claim(f"k{n}"):
                pass
    await one.aclose()
    await two.aclose()


async def test_all_processes_share_one_pace(database: str) -> None:
    journals = [await PostgresJournal.open(database) for _ in range(3)]
    await journals[0].set_pace(20)
    began = time.monotonic()
    await asyncio.gather(*(journal.turn() for journal in journals for _ in range(5)))
    assert 14 / 20 <= time.monotonic() - began < 2
    for journal in journals:
        await journal.aclose()


async def test_who_lost_the_connection_writes_nothing_more(database: str, postgres: str) -> None:
    journal = await PostgresJournal.open(database)
    await journal.admit([SPEC])
    with psycopg.connect(postgres, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname LIKE 'nugen_test%' AND pid <> pg_backend_pid()"
        )
    with pytest.raises(JournalError):
        await journal.keep("k", Progress())
    assert journal.broken
    await journal.aclose()


async def test_a_newer_schema_and_a_wrong_address_are_told(database: str) -> None:
    journal = await PostgresJournal.open(database)
    await journal.aclose()
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("UPDATE nugen_meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(JournalError, match="newer version"):
        await PostgresJournal.open(database)
    with pytest.raises(JournalError) as caught:
        await PostgresJournal.open("postgresql://someone:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)


async def test_a_batch_runs_on_it_as_on_a_file(database: str, tmp_path: Path) -> None:
    document = tmp_path / "notes.txt"
    document.write_text("Notes.")
    wanted = specs(10, document, 1)
    with server(SPEED) as (url, book):
        async with Nugen("key", base_url=url) as nugen:
            for _ in range(2):
                async with Batch.open(database, nugen, settle=0.3) as batch:
                    outcomes = [each async for each in batch.run(wanted, schedule=0.1)]
                assert {type(each) for each in outcomes} == {Ready}
        assert len(book().tokens) == 10


@contextmanager
def workers(count: int, database: str, url: str) -> Iterator[list[BaseProcess]]:
    made: list[Any] = [
        PROCESSES.Process(target=run_worker, args=(database, url), daemon=True)
        for _ in range(count)
    ]
    for each in made:
        each.start()
    try:
        yield made
    finally:
        for each in made:
            each.kill()
            each.join()


async def ended(fleet: Fleet, *, least: int | None = None, patience: float = 60) -> Status:
    """The status once nothing is open, or so many have ended."""
    until = time.monotonic() + patience
    while True:
        status = await fleet.status()
        if status.open == 0 or (least is not None and status.total - status.open >= least):
            return status
        assert time.monotonic() < until, status
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_a_worker_that_dies_leaves_its_workflows_to_the_other(
    database: str, tmp_path: Path, end: str
) -> None:
    document = tmp_path / "notes.txt"
    document.write_text("Notes.")
    with server(SPEED) as (url, book):
        async with Fleet.open(database, creates_per_second=40) as fleet:
            keys = await fleet.submit(specs(40, document, 1))
            assert await fleet.submit(specs(40, document, 1)) == keys
            with workers(2, database, url) as (first, second):
                await ended(fleet, least=2)
                assert second.is_alive()
                getattr(first, end)()
                status = await ended(fleet)
            outcomes = await fleet.outcomes()
        told = book()

    assert (status.total, status.ready) == (40, 40)
    assert [token for token, n in Counter(told.tokens).items() if n > 1] == []
    assert len(told.tokens) == 40
    assert told.documents == told.benchmarks == 1
    assert {told.evaluated[each.result.model_id] for each in outcomes} == {1}
    assert {told.deployed[each.result.model_id] for each in outcomes} == {1}
    assert told.serving == ()


async def test_a_worker_outlives_a_database_that_was_away(
    database: str, postgres: str, tmp_path: Path
) -> None:
    document = tmp_path / "notes.txt"
    document.write_text("Notes.")
    with server(SPEED) as (url, book):
        async with Fleet.open(database) as fleet:
            await fleet.submit(specs(10, document, 1))
            with workers(1, database, url):
                await ended(fleet, least=1)
                with psycopg.connect(postgres, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE query LIKE '%nugen_workflows SET state%' AND pid <> pg_backend_pid()"
                    )
                status = await ended(fleet)
        told = book()

    assert status.ready == len(told.tokens) == len(set(told.tokens)) == 10


async def test_the_command_submits_and_works_until_nothing_is_left(
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = tmp_path / "notes.txt"
    document.write_text("Notes.")
    manifest = tmp_path / "runs.jsonl"
    manifest.write_text(
        "\n".join(
            json.dumps({"name": f"n{n}", "key": f"k{n}", "documents": ["notes.txt"]})
            for n in range(5)
        )
    )
    monkeypatch.setenv("NUGEN_API_KEY", "key")
    monkeypatch.setenv("NUGEN_DATABASE", database)
    with server(SPEED) as (url, book):
        code = await execute(
            ["worker", "--submit", str(manifest), "--once", "--json", "--base-url", url]
        )
        assert book().documents == 1
    told = capsys.readouterr()

    assert (code, json.loads(told.out)["ready"]) == (0, 5)
    assert "5 workflows in the database." in told.err
    assert await execute(["batch", "status", "--journal", database]) == 0
    assert "5 workflows: 5 ready." in capsys.readouterr().out

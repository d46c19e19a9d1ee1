"""The journal's file: whose it is, what it refuses, and that it then stays as it was."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from attrs import evolve

from nugen_async import InvalidRequestError
from nugen_async.journal import Journal, JournalError, JournalLockedError
from nugen_async.launching.course import End, Progress, Record
from nugen_async.launching.owner import Owner
from nugen_async.launching.spec import Stage
from nugen_async.workflows import Workflow

SPEC = Workflow(name="n", key="k", base_model="b", document_ids=["d"])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    path = tmp_path / "runs.db"
    journal = await Journal.open(path)
    specs = [Workflow(name=f"n{n}", base_model="b", document_ids=["d"]) for n in range(300)]
    await journal.admit(specs)
    await journal.aclose()
    return path


async def test_what_was_awaited_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    journal = await Journal.open(path)
    await journal.admit([SPEC])
    record = Record(token="t", intended="2026-01-01T00:00:00+00:00", ids=("al-1",))
    progress = Progress().noted(Stage.ALIGNMENT, record)
    await journal.end("k", progress, End.READY)
    await journal.write_shared("document:x", record)
    series = journal.series
    await journal.aclose()

    journal = await Journal.open(path)
    row = await journal.row("k")
    assert (row.spec, row.end, row.progress) == (SPEC, End.READY, progress)
    assert await journal.shared("document:x") == record
    assert await journal.taken(["al-1", "al-2"]) == {"al-1"}
    assert journal.series == series
    await journal.aclose()


def test_only_its_owner_can_read_it(filled: Path) -> None:
    assert stat.S_IMODE(filled.stat().st_mode) == 0o600


async def test_a_second_owner_is_refused_but_may_look(filled: Path) -> None:
    journal = await Journal.open(filled)
    with pytest.raises(JournalLockedError, match=f"process {os.getpid()}"):
        await Journal.open(filled)
    looking = await Journal.open(filled, watch=True)
    assert len(await looking.rows()) == 300
    await looking.aclose()
    await journal.aclose()
    await (await Journal.open(filled)).aclose()


async def test_a_killed_owner_leaves_it_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    code = (
        "import asyncio, sys\n"
        "from nugen_async.journal import Journal\n"
        "async def main():\n"
        "    await Journal.open(sys.argv[1])\n"
        "    print('open', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220 # a line from it is waited for below
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(JournalLockedError, match=f"process {child.pid}"):
            await Journal.open(path)
        child.send_signal(signal.SIGKILL)
        child.wait()
    await (await Journal.open(path)).aclose()


def test_an_owner_elsewhere_is_alive_while_its_heart_beats() -> None:
    here = Owner.here()
    there = Owner(host="elsewhere", pid=here.pid, started=here.started, nonce="n")
    reborn = Owner(host=here.host, pid=here.pid, started="long ago", nonce="n")

    assert here.alive(beat=0, now=10_000)
    assert not reborn.alive(beat=10_000, now=10_000)
    assert there.alive(beat=9_990, now=10_000)
    assert not there.alive(beat=9_000, now=10_000)
    assert Owner.from_json(here.to_json()) == here


def test_an_owner_in_another_container_of_this_host_is_alive_while_its_heart_beats() -> None:
    """Its number may be nobody's here, or somebody else's: its journal was taken from it."""
    here = Owner.here()
    for pid in (here.pid, 2**22 + 1):  # the second is more than Linux gives
        there = evolve(here, pid=pid, started="long ago", namespace="pid:[1]")
        assert there.alive(beat=9_990, now=10_000)
        assert not there.alive(beat=9_000, now=10_000)


def test_an_owner_of_an_earlier_version_is_read() -> None:
    here = Owner.here()
    told = json.loads(here.to_json())
    del told["namespace"]

    assert Owner.from_json(json.dumps(told)) == evolve(here, namespace=None)
    assert evolve(here, namespace=None).alive(beat=0, now=10_000)
    assert not evolve(here, namespace=None, started="long ago").alive(beat=10_000, now=10_000)


async def test_who_lost_the_lease_writes_nothing_more(filled: Path) -> None:
    journal = await Journal.open(filled)
    with sqlite3.connect(filled) as other:
        other.execute("UPDATE lease SET owner = ?", (Owner.here().to_json(),))
    other.close()
    key = (await Journal.open(filled, watch=True)).series
    with pytest.raises(JournalLockedError, match="taken it over"):
        await journal.write_shared(key, Record())
    await journal.aclose()


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwritten_inside(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 8192))


def text(path: Path) -> None:
    path.write_text("These are my notes, not a database.\n" * 50)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine (a)")
    db.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def no_text_in_its_schema(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE meta", b"CREATE \xe4ABLE meta"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut_in_half, "torn"),
        (overwritten_inside, "torn"),
        (text, "not a journal"),
        (foreign, "another program's"),
        (newer, r"newer version \(schema 99"),
        (no_text_in_its_schema, "torn"),
    ],
)
@pytest.mark.parametrize("watch", [False, True])
async def test_a_file_that_cannot_be_used_is_told_and_stays_as_it_was(
    filled: Path, harm: Callable[[Path], None], said: str, *, watch: bool
) -> None:
    harm(filled)
    before = digest(filled)
    with pytest.raises(JournalError, match=said):
        await Journal.open(filled, watch=watch)

    assert digest(filled) == before


async def test_a_lease_that_names_nobody_is_told_and_stays(filled: Path) -> None:
    with sqlite3.connect(filled) as db:
        db.execute("INSERT INTO lease VALUES (1, '{}', 0)")
    db.close()
    before = digest(filled)
    with pytest.raises(JournalError, match="torn"):
        await Journal.open(filled)

    assert digest(filled) == before


async def test_a_file_that_another_program_locks_is_told(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nugen_async.launching.opening._BUSY", 0.05)
    before = digest(filled)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalLockedError, match="another program"):
        await Journal.open(filled)
    other.execute("ROLLBACK")
    other.close()

    assert digest(filled) == before


@pytest.mark.looptime(False)  # real time
async def test_a_slow_disk_does_not_stop_the_loop(filled: Path) -> None:
    journal = await Journal.open(filled)
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(journal.write_shared("key", Record()))
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert not writing.done()
    other.execute("ROLLBACK")
    other.close()
    await writing
    await journal.aclose()


async def test_many_writes_share_few_commits(filled: Path) -> None:
    journal = await Journal.open(filled)
    log = filled.with_name("runs.db-wal")
    before = log.stat().st_size if log.exists() else 0
    await asyncio.gather(*(journal.write_shared(f"k{n}", Record()) for n in range(500)))

    assert log.stat().st_size - before < 500 * 4096
    await journal.aclose()


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def test_a_look_writes_nothing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each was a commit with a heartbeat in it, and failed on a full disk."""
    monkeypatch.setattr("nugen_async.launching.opening._BUSY", 0.05)
    journal = await Journal.open(filled)
    before = digest(log_of(filled))
    other = sqlite3.connect(filled, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    keys = await journal.keys()
    assert len(await journal.rows()) == len(keys) == 300
    assert await journal.row(keys[0][0])
    assert await journal.taken(["al-1"]) == set()
    assert digest(log_of(filled)) == before
    other.execute("ROLLBACK")
    other.close()
    await journal.aclose()


@pytest.mark.looptime(False)  # real time
async def test_the_heart_beats_when_it_is_due_and_not_before(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def beats(count: int) -> set[tuple[float]]:
        journal = await Journal.open(filled)
        looking = await Journal.open(filled, watch=True)
        seen: set[tuple[float]] = set()
        for _ in range(count):
            await journal.write_shared("key", Record())
            await asyncio.sleep(0.01)
            seen.update(await looking._select("SELECT beat FROM lease"))
        await looking.aclose()
        await journal.aclose()
        return seen

    assert len(await beats(10)) == 1
    monkeypatch.setattr("nugen_async.launching.file._HEARTBEAT", 0.02)
    assert len(await beats(40)) > 3


async def test_a_place_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="No such file"):
        await Journal.open(tmp_path / "nowhere" / "runs.db")
    with pytest.raises(JournalError, match="no such file"):
        await Journal.open(tmp_path / "runs.db", watch=True)
    assert not (tmp_path / "runs.db").exists()


def beside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


@pytest.mark.parametrize("watch", [False, True])
async def test_a_journal_without_its_log_is_refused_until_that_is_there(
    tmp_path: Path, *, watch: bool
) -> None:
    """It passed for a new one, and everything was paid twice."""
    path, moved = tmp_path / "runs.db", tmp_path / "moved" / "runs.db"
    moved.parent.mkdir()
    journal = await Journal.open(path)
    await journal.admit([SPEC])
    moved.write_bytes(path.read_bytes())
    log_of(moved).write_bytes(b"")
    for _ in range(2):
        with pytest.raises(JournalError, match=f"process {os.getpid()}.*runs.db-wal.* not beside"):
            await Journal.open(moved, watch=watch)
    log_of(moved).unlink()
    for _ in range(2):
        with pytest.raises(JournalError, match=r"runs.db-wal.* not beside"):
            await Journal.open(moved, watch=watch)
    assert beside(moved) == ["runs.db"]

    log_of(moved).write_bytes(log_of(path).read_bytes())
    found = await Journal.open(moved, watch=True)
    assert await found.keys() == [("k", End.OPEN)]
    await found.aclose()
    await journal.aclose()


@pytest.mark.parametrize("watch", [False, True])
async def test_a_journal_that_is_all_in_its_lost_log_is_no_new_one(
    tmp_path: Path, *, watch: bool
) -> None:
    """As an earlier version left it, which made the tables in the log."""
    path, moved = tmp_path / "runs.db", tmp_path / "moved.db"
    earlier = sqlite3.connect(path, isolation_level=None)
    earlier.execute("PRAGMA journal_mode = WAL")
    earlier.execute("CREATE TABLE meta (name, value)")
    moved.write_bytes(path.read_bytes())
    with pytest.raises(JournalError, match=r"moved.db-wal.* not beside"):
        await Journal.open(moved, watch=watch)
    earlier.close()


@pytest.mark.parametrize("watch", [False, True])
async def test_a_second_look_in_the_same_process_keeps_the_log_in_place(
    filled: Path, *, watch: bool
) -> None:
    """The locks went with it, and the next program took the log away: what came after was lost."""
    journal = await Journal.open(filled)
    with suppress(JournalLockedError):
        await (await Journal.open(filled, watch=watch)).aclose()
    look = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM meta')"
    )
    subprocess.run([sys.executable, "-c", look, str(filled)], check=True)  # noqa: ASYNC221 # short
    await journal.write_shared("key", Record())
    assert beside(filled) == ["runs.db", "runs.db-shm", "runs.db-wal"]
    await journal.aclose()
    journal = await Journal.open(filled)
    assert await journal.shared("key") == Record()
    await journal.aclose()


async def test_a_closed_journal_is_whole_without_its_log_also_when_somebody_looks(
    tmp_path: Path,
) -> None:
    path, moved = tmp_path / "runs.db", tmp_path / "moved.db"
    journal = await Journal.open(path)
    looking = await Journal.open(path, watch=True)
    await journal.admit([SPEC])
    await journal.aclose()
    moved.write_bytes(path.read_bytes())
    await looking.aclose()

    journal = await Journal.open(moved)
    assert await journal.keys() == [("k", End.OPEN)]
    await journal.aclose()


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can be longer than *most* bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_journal_on_a_full_disk_can_be_looked_at_and_closed(filled: Path) -> None:
    journal = await Journal.open(filled)
    keys = await journal.keys()
    for each in "abcde":  # so that the log is larger than the file
        await journal.write_shared("key", Record(ids=(each * 100_000,)))
    with full_disk(log_of(filled).stat().st_size):
        with pytest.raises(JournalError, match="cannot be used"):
            await journal.write_shared("another", Record(ids=("y",)))
        assert await journal.keys() == keys
        await journal.aclose()
    assert beside(filled) == ["runs.db"]
    await (await Journal.open(filled)).aclose()


async def test_a_journal_on_a_full_disk_is_not_called_torn(filled: Path) -> None:
    with full_disk(100), pytest.raises(JournalError, match="cannot be used"):
        await Journal.open(filled)
    await (await Journal.open(filled)).aclose()


async def test_who_is_refused_leaves_the_log_of_a_dead_owner_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an owner is known as dead only later, and its log is asked for then."""
    path, copy = tmp_path / "runs.db", tmp_path / "copy.db"
    elsewhere = evolve(Owner.here(), host="elsewhere")
    with monkeypatch.context() as patch:
        patch.setattr(Owner, "here", lambda: elsewhere)
        journal = await Journal.open(path)
    await journal.admit([SPEC])
    for left, kept in ((path, copy), (log_of(path), log_of(copy))):
        kept.write_bytes(left.read_bytes())
    await journal.aclose()
    with pytest.raises(JournalLockedError, match="on elsewhere is using it"):
        await Journal.open(copy)

    monkeypatch.setattr("nugen_async.launching.owner._FRESH", 0)
    journal = await Journal.open(copy)
    assert await journal.keys() == [("k", End.OPEN)]
    await journal.aclose()


@pytest.mark.looptime(False)  # real time
async def test_each_heartbeat_brings_what_was_written_into_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nugen_async.launching.file._HEARTBEAT", 0.02)
    path = tmp_path / "runs.db"
    journal = await Journal.open(path)
    await journal.admit([evolve(SPEC, name="easily found")])
    async with asyncio.timeout(10):
        while b"easily found" not in path.read_bytes():  # noqa: ASYNC110 # no event tells
            await asyncio.sleep(0.01)
    await journal.aclose()


def died_in_a_commit(path: Path) -> None:
    """Leave the file as a process does that dies while SQLite writes to it."""
    aside = path.with_name("aside.db")
    path.rename(aside)
    db = sqlite3.connect(aside, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE workflows SET spec = hex(randomblob(2000))")
    for suffix in ("", "-journal"):
        path.with_name(path.name + suffix).write_bytes(
            aside.with_name(aside.name + suffix).read_bytes()
        )
    db.close()


async def test_what_a_death_in_a_commit_left_is_mended(filled: Path) -> None:
    """Found by the kill test: such a file was called torn."""
    died_in_a_commit(filled)
    with pytest.raises(JournalError, match="whoever opens it mends it"):
        await Journal.open(filled, watch=True)

    journal = await Journal.open(filled)
    assert {row.spec.base_model for row in await journal.rows()} == {"b"}
    await journal.aclose()


async def test_one_write_that_cannot_be_done_harms_no_other(filled: Path) -> None:
    journal = await Journal.open(filled)

    def impossible(_: sqlite3.Connection) -> None:
        raise ValueError("no such thing")

    results = await asyncio.gather(
        *(journal.write_shared(name, Record()) for name in "ab"),
        journal._file.write(impossible),
        *(journal.write_shared(name, Record()) for name in "cd"),
        return_exceptions=True,
    )
    assert [type(each) for each in results] == [type(None)] * 2 + [JournalError] + [type(None)] * 2
    assert [await journal.shared(name) for name in "abcd"] == [Record()] * 4
    await journal.aclose()


async def test_a_name_that_is_no_text_is_kept_all_the_same(tmp_path: Path) -> None:
    path = os.fsdecode(tmp_path / "r\xe9sum\udce9.txt")
    spec = Workflow(name="n\ud800", base_model="b", documents=[path])
    journal = await Journal.open(tmp_path / "runs.db")
    (key,) = await journal.admit([spec])
    await journal.write_shared(f"document:{path}", Record(token="t"))
    assert (await journal.row(key)).spec == spec
    assert await journal.shared(f"document:{path}") == Record(token="t")
    await journal.aclose()


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="written down"):
        Workflow(name="n", key="k\ud800", base_model="b", document_ids=["d"])

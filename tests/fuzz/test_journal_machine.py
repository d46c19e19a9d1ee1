"""A journal that is opened, written, abandoned and torn in any order says what a plain dict says."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from nugen_async import InvalidRequestError
from nugen_async._core.reconcile import token_of
from nugen_async.journal import Journal, JournalError, JournalLockedError
from nugen_async.launching import file
from nugen_async.launching.course import (
    Done,
    End,
    Failure,
    Progress,
    Record,
    Verb,
    next_step,
    retried,
)
from nugen_async.launching.owner import Owner
from nugen_async.launching.spec import Stage
from nugen_async.workflows import Workflow

from .examples import examples

TEXTS = st.sampled_from(["a", "b", "ü", "a\u2028b", "x" * 3000, "\ud800", "\0"])
WHICH = st.integers(0, 30)
STAGE = Stage.ALIGNMENT
HERE = Owner.here()


@frozen
class State:
    """All that a journal holds."""

    rows: dict[str, tuple[Workflow, End, Progress]] = field(factory=dict)
    """In the order of their coming."""
    shared: dict[str, Record] = field(factory=dict)

    def with_row(self, key: str, end: End, progress: Progress) -> State:
        spec = self.rows[key][0]
        return evolve(self, rows={**self.rows, key: (spec, end, progress)})


class Process:
    """Who owns a journal, in the eyes of the next one: something with a number that can be killed."""

    def __init__(self) -> None:
        self._child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    def owner(self) -> Owner:
        return evolve(HERE, pid=self._child.pid, started=None)

    def kill(self) -> None:
        self._child.kill()
        self._child.communicate()


class Keeping(RuleBasedStateMachine):
    """One file, its owners one after another, and what they were promised."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.path = self.place / "runs-0.db"
        self.journal: Journal | None = None
        self.abandoned: list[Journal] = []
        self.process = Process()
        self.states = [State()]
        """What was promised last, and all that is under way since."""
        self.past: list[State] = []
        self.pending: list[asyncio.Task[Any]] = []
        self.lost: list[asyncio.Task[Any]] = []
        self.copies = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @property
    def now(self) -> State:
        return self.states[-1]

    def write(self, work: Coroutine[Any, Any, Any], after: State, *, awaited: bool) -> None:
        """Begin to write; promised is only what was awaited."""
        self.states.append(after)
        self.pending.append(self.runner.get_loop().create_task(work))
        if awaited:
            self.settle()

    @precondition(lambda self: self.pending)
    @rule()
    def settle(self) -> None:
        self.run(_all(self.pending))
        self.pending.clear()
        self.past += self.states
        del self.states[:-1]

    # -- owners -----------------------------------------------------------------------------------

    @precondition(lambda self: self.journal is None)
    @rule()
    def open(self) -> None:
        self.journal = self.run(self.opened(self.path))
        self.must_be_one_of(self.states)

    async def opened(self, path: Path) -> Journal:
        with self.patch.context() as patch:
            patch.setattr(file.Owner, "here", self.process.owner)
            return await Journal.open(path)

    @precondition(lambda self: self.journal is not None)
    @rule()
    def close(self) -> None:
        self.settle()
        assert self.journal is not None
        self.run(self.journal.aclose())
        self.journal = None

    @precondition(lambda self: self.journal is not None)
    @rule(tail=st.binary(max_size=5000), cut=st.none() | st.floats(0, 1))
    def crash(self, tail: bytes, cut: float | None) -> None:
        """The process dies: perhaps half a commit is behind the last, or the disk lost the last ones."""
        assert self.journal is not None
        self.abandoned.append(self.journal)
        self.lost += self.pending
        self.pending, self.journal = [], None
        self.process.kill()
        self.path = self.copy()
        self.process = Process()
        log = self.path.with_name(f"{self.path.name}-wal")
        if cut is not None and log.exists():
            with log.open("r+b") as torn:
                torn.truncate(max(1, int(cut * log.stat().st_size)))  # an empty one is refused
            self.states = [*self.past, *self.states]
        with log.open("ab") as torn:
            torn.write(tail)

    def copy(self) -> Path:
        """The files as they are now."""
        self.copies += 1
        path = self.place / f"runs-{self.copies}.db"
        for suffix in ("", "-wal"):
            if (beside := self.path.with_name(self.path.name + suffix)).exists():
                shutil.copyfile(beside, path.with_name(path.name + suffix))
        return path

    def must_be_one_of(self, states: list[State]) -> None:
        found = self.run(self.read())
        assert found in states
        self.states = [found]

    async def read(self) -> State:
        assert self.journal is not None
        rows = {row.key: (row.spec, row.end, row.progress) for row in await self.journal.rows()}
        assert await self.journal.keys() == [(key, end) for key, (_, end, _) in rows.items()]
        known = {key for state in (*self.past, *self.states) for key in state.shared}
        shared = {key: await self.journal.shared(key) for key in known}
        return State(rows, {key: record for key, record in shared.items() if record is not None})

    @precondition(lambda self: self.journal is not None)
    @rule()
    def a_second_owner_is_refused_and_may_look(self) -> None:
        self.settle()

        async def look() -> None:
            with pytest.raises(JournalLockedError):
                await Journal.open(self.path)
            looking = await Journal.open(self.path, watch=True)
            assert [row.key for row in await looking.rows()] == list(self.now.rows)
            await looking.aclose()

        self.run(look())

    @precondition(lambda self: self.journal is None and self.path.exists())
    @rule(
        harm=st.lists(
            st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=9)), max_size=3
        ),
        keep=st.sampled_from([1.0, 1.0, 0.9, 0.3]),
        version=st.sampled_from([None, 2, 99]),
    )
    def what_is_refused_stays_as_it_was(
        self, harm: list[tuple[float, bytes]], keep: float, version: int | None
    ) -> None:
        path = self.copy()
        content = bytearray(path.read_bytes())
        if version is not None and len(content) > 64:
            with sqlite3.connect(path) as db:
                db.execute(f"PRAGMA user_version = {version}")
            db.close()
            content = bytearray(path.read_bytes())
        for where, what in harm:
            at = int(where * len(content))
            content[at : at + len(what)] = what[: len(content) - at]
        path.write_bytes(content[: int(keep * len(content))])
        before = digest(path)

        async def attempt() -> None:
            try:
                journal = await Journal.open(path)
            except JournalError as error:
                assert str(path) in str(error)  # noqa: PT017 # either way is right
                assert digest(path) == before
                return
            assert version is None or not self.now.rows or harm
            with contextlib.suppress(JournalError):
                keys = [row.key for row in await journal.rows()]
                assert len(set(keys)) == len(keys)
            await journal.aclose()

        self.run(attempt())

    # -- what they write --------------------------------------------------------------------------

    @precondition(lambda self: self.journal is not None)
    @rule(names=st.lists(TEXTS, max_size=3), awaited=st.booleans())
    def admit(self, names: list[str], awaited: bool) -> None:
        assert self.journal is not None
        specs = [
            Workflow(name=name, key=f"{name[:9]!r}", base_model="b", document_ids=(name,))
            for name in dict.fromkeys(names)
        ]
        keys = [spec.key or "" for spec in specs]
        new = {k: (s, End.OPEN, Progress()) for k, s in zip(keys, specs, strict=True)}
        after = evolve(self.now, rows={**self.now.rows, **_absent(new, self.now.rows)})
        self.write(self.journal.admit(specs), after, awaited=awaited)

    @precondition(lambda self: self.journal is not None and self.now.rows)
    @rule(which=WHICH)
    def another_workflow_under_a_known_key_is_refused(self, which: int) -> None:
        assert self.journal is not None
        self.settle()
        spec, _, _ = list(self.now.rows.values())[which % len(self.now.rows)]
        with pytest.raises(InvalidRequestError, match="other workflows"):
            self.run(self.journal.admit([evolve(spec, base_model="another")]))
        self.must_be_one_of([self.now])

    @precondition(lambda self: self.journal is not None and self.now.rows)
    @rule(
        which=WHICH, fate=st.sampled_from(["taken", "not", "fails", "spent"]), awaited=st.booleans()
    )
    def step(self, which: int, fate: str, awaited: bool) -> None:
        """What a runner does next with a workflow, as the journal knows it."""
        assert self.journal is not None
        key, (spec, end, progress) = list(self.now.rows.items())[which % len(self.now.rows)]
        if end is not End.OPEN:
            return
        if not self.pending:
            assert self.run(self.journal.row(key)).progress == progress
        record = progress.of(STAGE)
        match next_step(spec, progress):
            case Done(end):
                self.note(key, end, progress, awaited=awaited)
                return
            case step if step.verb is Verb.LAUNCH:
                assert not record.intended, "a second intent"
                token = token_of(self.journal.series, key, record.attempt)
                record = evolve(record, token=token, intended="2026-01-01T00:00:00+00:00")
            case step if step.verb is Verb.LOOK:
                found = {"taken": (f"al-{key}-{record.attempt}",)}.get(fate, ())
                record = evolve(record, ids=found, intended=record.intended if found else "")
            case _:
                record = evolve(record, done=True, waited=1.5)
        progress = progress.noted(STAGE, record)
        if fate in ("fails", "spent"):
            failure = Failure(stage=STAGE, kind="Error", message=key, spent=fate == "spent")
            progress = progress.failed(failure)
        self.note(key, End.OPEN, progress, awaited=awaited)

    def note(self, key: str, end: End, progress: Progress, *, awaited: bool) -> None:
        assert self.journal is not None
        after = self.now.with_row(key, end, progress)
        self.write(self.journal.end(key, progress, end), after, awaited=awaited)

    @precondition(lambda self: self.journal is not None)
    @rule()
    def retry_failed(self) -> None:
        assert self.journal is not None
        self.settle()
        after, again = self.now, []
        for key, (_, end, progress) in self.now.rows.items():
            if end in (End.FAILED, End.UNKNOWN):
                again.append(key)
                after = after.with_row(key, End.OPEN, retried(progress))
        assert self.run(self.journal.reopen()) == again
        self.past.append(self.now)
        self.must_be_one_of([after])

    @precondition(lambda self: self.journal is not None)
    @rule(name=TEXTS, ids=st.lists(TEXTS, max_size=2), awaited=st.booleans())
    def share(self, name: str, ids: list[str], awaited: bool) -> None:
        assert self.journal is not None
        key, record = f"document:{name}", Record(token=name, ids=tuple(ids))
        after = evolve(self.now, shared={**self.now.shared, key: record})
        self.write(self.journal.write_shared(key, record), after, awaited=awaited)

    @precondition(lambda self: self.journal is not None)
    @rule()
    def every_id_is_known(self) -> None:
        assert self.journal is not None
        self.settle()
        records = [*self.now.shared.values()]
        records += [r for _, _, p in self.now.rows.values() for r in p.records.values()]
        held = {each for record in records for each in record.ids}
        assert self.run(self.journal.taken({*held, "nobody's"})) == held

    def teardown(self) -> None:
        try:
            if self.journal is None:
                self.open()
            self.close()
            self.open()
            self.close()
        finally:
            self.run(_all(self.lost))
            self.run(_closed([*self.abandoned, *filter(None, (self.journal,))]))
            self.process.kill()
            self.runner.close()
            shutil.rmtree(self.place)


async def _all(pending: list[asyncio.Task[Any]]) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*pending)


async def _closed(journals: list[Journal]) -> None:
    for journal in journals:
        await journal.aclose()


def _absent(new: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in new.items() if key not in known}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_journal_is_a_dict_that_survives() -> None:
    run_state_machine_as_test(Keeping, settings=examples(15, steps=30))

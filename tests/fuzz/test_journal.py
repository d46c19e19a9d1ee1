"""A journal with any bytes changed or missing: read as it was, or refused and left as it is."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nugen_async import NugenError
from nugen_async.journal import Journal, JournalError
from nugen_async.launching.course import End, Progress
from nugen_async.workflows import Workflow

from .examples import examples

SPECS = [
    Workflow(name=f"run {n} ü", key=f"k{n}", base_model="b", document_ids=("doc-1",))
    for n in range(40)
]


async def used(path: Path) -> list[tuple[str, str]]:
    """All that a run reads and writes in the beginning."""
    journal = await Journal.open(path)
    try:
        await journal.admit(SPECS)
        await journal.taken({"al-1"})
        await journal.reopen()
        rows = await journal.rows()
        await journal.end(rows[0].key, rows[0].progress, End.FAILED)
        return [(row.key, row.spec.name) for row in rows]
    finally:
        await journal.aclose()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "runs.db"
    asyncio.run(used(path))
    return path


CHANGES = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4)


@examples(25)
@given(changes=CHANGES, share=st.sampled_from([1.0, 1.0, 0.999, 0.5, 0.01, 0.0]))
def test_any_damage_is_named_or_harmless(
    sound: Path,
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[float, bytes]],
    share: float,
) -> None:
    damaged = bytearray(sound.read_bytes())
    del damaged[int(len(damaged) * share) :]
    for where, content in changes:
        place = int(where * len(damaged))
        damaged[place : place + len(content)] = content[: len(damaged) - place]
    path = tmp_path_factory.mktemp("damaged") / "runs.db"
    path.write_bytes(damaged)
    try:
        names = asyncio.run(used(path))
    except NugenError as error:
        assert str(error)  # noqa: PT017 # either way is right
    else:
        assert len(names) >= len(SPECS)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("spec", "{"),
        ("spec", "[]"),
        ("spec", "[" * 100_000),
        ("spec", '{"name": 1}'),
        ("state", "unheard-of"),
        ("progress", "null"),
        ("progress", '{"records": 1}'),
        ("progress", '{"records": {"alignment": []}}'),
    ],
)
async def test_a_row_that_makes_no_sense_is_named(tmp_path: Path, column: str, value: str) -> None:
    path = tmp_path / "runs.db"
    await used(path)
    db = sqlite3.connect(path)
    db.execute(f"UPDATE workflows SET {column} = ? WHERE key = 'k7'", (value,))  # noqa: S608 # ours
    db.commit()
    db.close()
    journal = await Journal.open(path)
    try:
        with pytest.raises(JournalError, match="k7"):
            await journal.rows()
    finally:
        await journal.aclose()


async def test_progress_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    await used(path)
    journal = await Journal.open(path)
    try:
        kept: Any = [row.progress for row in await journal.rows()]
        assert all(isinstance(progress, Progress) for progress in kept)
    finally:
        await journal.aclose()

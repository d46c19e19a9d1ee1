"""The plugin that watches every test's output does find a key, and the command keeps its own."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from ..chaos.server import FaultServer, Peer

pytest_plugins = ["pytester"]

KEY = "sk-canary-2b64"
ROOT = Path(__file__).parents[2]

LEAKS = """
import logging, pytest, sys
from nugen_async import Nugen

KEY = Nugen("k")._authorization("k")

def test_prints(): print(KEY)
def test_logs(): logging.getLogger("nugen_async").debug("sent %s", KEY)
def test_logs_on_stderr(): print(KEY, file=sys.stderr)
def test_raises(): raise ValueError(KEY)
def test_keeps_quiet(): print(Nugen("k"))
@pytest.fixture
def loud(): yield; print(KEY)
def test_prints_late(loud): pass
"""


def test_the_plugin_finds_what_is_shown(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(LEAKS)
    options = ["-p", "tests.security.canary", "-p", "no:cacheprovider", "-p", "no:looptime"]
    ran = pytester.runpytest_subprocess(*options)
    capsys.readouterr()  # what it shows is meant for this test only
    ran.assert_outcomes(passed=5, failed=1, errors=4)
    ran.stdout.fnmatch_lines(
        ["*an API key was shown in Captured stdout*", "*the traceback (call)*"]
    )
    assert "canary-d41a7c0ffee5" not in ran.stdout.str().partition("short test summary")[2]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
async def test_the_command_shows_its_key_neither_in_the_process_list_nor_in_its_output() -> None:
    looked: list[bytes] = []

    async def answer(peer: Peer) -> None:
        """Refuse with the key in the text, as careless servers do, once the process list was read."""
        await peer.take()
        looked.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())  # noqa: ASYNC240 # no disk
        await peer.answer(b'{"detail": "\\u001b[2Jno"}', status="401 Unauthorized")

    async with FaultServer(answer) as server:
        settings = {**os.environ, "NUGEN_API_KEY": KEY, "NUGEN_BASE_URL": server.url}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-X", "dev", "-m", "nugen_async", "models", "--debug"),
            env=settings,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
    assert server.log[0].headers["authorization"] == f"Bearer {KEY}"
    assert looked
    assert KEY.encode() not in b"".join(looked)
    assert KEY.encode() not in out
    assert b"\x1b[2J" not in out
    assert process.returncode

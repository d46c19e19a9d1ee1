"""The command as a process: Ctrl-C, terminals, pipes that close, and what is not installed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator

import pytest

if sys.platform == "win32":  # the tests below speak POSIX
    pytest.skip("needs signals and pseudo-terminals", allow_module_level=True)

import pty
import select

COMMAND = (sys.executable, "-m", "nugen_async")
ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """A simulator of the slow kind, in a process of its own; gives its URL."""
    process = subprocess.Popen(
        [*COMMAND, "simulator", "--port", "0", "--speed", "1", "--trusting"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = re.search(r"http://\S+[0-9]", process.stdout.readline())
    assert url
    yield url[0]
    process.send_signal(signal.SIGINT)
    assert "requests served" in process.communicate(timeout=10)[0]
    assert process.returncode == 0


@pytest.fixture
def alignment(simulator: str) -> str:
    """An alignment that takes three quarters of an hour."""
    project = {"name": "n", "base_model": "llama-v3p1-8b-instruct", "document_ids": ["d"]}
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{simulator}/api/v3/alignment-project/create",
        json.dumps(project).encode(),
        {"Authorization": "Bearer k", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
        return str(json.load(answer)["alignment_id"])


def environment(simulator: str, **others: str) -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "NO_COLOR", "COLUMNS"}},
        "NUGEN_BASE_URL": simulator,
        "NUGEN_API_KEY": "k",
        "TERM": "xterm",
        **others,
    }


def on_a_terminal(
    arguments: list[str], until: str, env: dict[str, str], *, then: signal.Signals
) -> tuple[int, str]:
    """Run a command with a terminal of 80 columns; signal it when *until* has been shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**env, "COLUMNS": "80", "LINES": "24"},
    )
    os.close(theirs)
    seen, signalled = "", False
    while select.select([ours], [], [], 20)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece.decode(errors="replace")
        if not signalled and until in ANSI.sub("", seen):
            process.send_signal(then)
            signalled = True
    os.close(ours)
    return process.wait(timeout=10), seen


def test_ctrl_c_says_that_the_job_goes_on_and_how_to_watch_it(
    simulator: str, alignment: str
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "watch", alignment, "--base-url", simulator],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(simulator),
    )
    assert process.stderr is not None
    assert alignment in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert out == ""
    assert err == (
        "1 job goes on at the server. To watch it again:\n"
        f"  nugen-async watch alignment/{alignment} --base-url {simulator}\n"
        "Interrupted.\n"
    )


def test_ctrl_c_on_a_terminal_takes_the_bars_away(simulator: str, alignment: str) -> None:
    env = environment(simulator)
    code, seen = on_a_terminal(["watch", alignment], "0:01", env, then=signal.SIGINT)
    assert code == 130
    assert "\x1b[?25l" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l"), "the cursor is shown again"
    assert f"nugen-async watch alignment/{alignment}" in seen
    assert "Traceback" not in seen


def test_no_colour_where_none_is_wanted(simulator: str, alignment: str) -> None:
    env = environment(simulator, NO_COLOR="1")
    _, seen = on_a_terminal(["watch", alignment], "0:01", env, then=signal.SIGINT)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", seen)


def test_ctrl_c_ends_a_demo_and_its_server(simulator: str) -> None:
    env = environment(simulator)
    code, seen = on_a_terminal(["demo"], "3/7 alignment", env, then=signal.SIGINT)
    assert code == 130
    assert "The simulated server is gone" in seen
    assert "Traceback" not in seen


def test_a_pipe_that_closes_is_no_error(simulator: str) -> None:
    shell = f"{' '.join(COMMAND)} models --base --json | head -c 1"
    ran = subprocess.run(
        ["/bin/sh", "-c", shell],
        capture_output=True,
        text=True,
        env=environment(simulator),
        timeout=20,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("[", "")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_without_the_extra_the_command_names_it(missing: str) -> None:
    ran = python(f"""
        import sys
        sys.modules[{missing!r}] = None
        from nugen_async.cli import main
        sys.exit(main(["demo"]))
    """)
    assert ran.returncode == 2
    assert f"needs {missing}, which is not installed" in ran.stderr
    assert "-m pip install 'nugen-async[cli]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_library_loads_no_part_of_the_command() -> None:
    ran = python("""
        import sys, nugen_async, nugen_async.cli
        print(*{"rich", "cyclopts", "aiohttp.web", "nugen_async.cli.app"} & set(sys.modules))
    """)
    assert ran.stdout == "\n", ran.stderr

"""python -m nugen_async.simulator, as a process."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys

import pytest

from nugen_async.simulator.__main__ import main, parser, world

COMMAND = [sys.executable, "-W", "error", "-m", "nugen_async.simulator", "--port", "0"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_told_to_end(end: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--speed", "60", "--key", "canary"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        hello = [process.stdout.readline() for _ in range(3)]
        found = re.search(r"http://\S+:\d+", hello[0])
        assert found is not None
        assert hello[1] == f"export NUGEN_BASE_URL={found[0]} NUGEN_API_KEY=canary\n"
        assert hello[2] == f"export SEEKR_BASE_URL={found[0]} SEEKR_API_KEY=canary\n"
        connection = http.client.HTTPConnection(found[0].removeprefix("http://"), timeout=5)
        connection.request("GET", "/api/v3/models/base", headers={"Authorization": "Bearer canary"})
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(end)
        assert process.wait(10) == 0
        assert process.stdout.read() == "1 requests served.\n"
        assert process.stderr.read() == ""


def test_the_command_line_makes_the_world() -> None:
    options = parser().parse_args(
        [
            "--speed",
            "10",
            "--contract",
            "plural",
            "--generation",
            "G4",
            "--rate-limit",
            "5",
            "--errors",
            "0.1",
            "--drops",
            "0.1",
            "--failures",
            "0.2",
            "--estimates",
            "long",
            "--progress",
            "zero",
            "--trusting",
        ]
    )
    made = world(options)
    assert (made.speed, made.contracts, made.generation) == (10, {"plural"}, "G4")
    assert made.rate_limit is not None
    assert (made.rate_limit.rate, made.rate_limit.burst) == (5, 5)
    assert (made.failures, made.estimates, made.progress) == ({"alignment": 0.2}, "long", "zero")


def test_a_taken_port_is_a_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+),", process.stdout.readline())
        assert found is not None
        assert main(["--port", found[1]]) == 1
        process.terminate()
    assert f"Cannot listen on 127.0.0.1:{found[1]}" in capsys.readouterr().err

"""A headless Chromium, and servers as processes of their own for it to talk to."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


def chromium() -> str:
    """Where the browser is; without one the test is skipped, and says so."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("BROWSER TESTS DID NOT RUN: no chromium (apt-get install chromium chromium-driver)")


@contextlib.contextmanager
def driven(profile: Path, *flags: str, size: tuple[int, int] = (1000, 900)) -> Generator[object]:
    """A selenium driver with a new profile."""
    binary = chromium()
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="BROWSER TESTS DID NOT RUN: no selenium (pip install selenium)"
    )
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}", "--window-size={},{}".format(*size)):
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def process(code: str, env: Mapping[str, str]) -> Generator[str]:
    """The URL of a server that *code* runs on the port in ``PORT``, while the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **env, "PORT": str(port)}
    )
    try:
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not listen"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)

"""A plugin that searches everything a test run prints and logs for API keys.

Enabled by ``pytest -p tests.security.canary``, or in ``pytest_plugins`` of ``tests/conftest.py``. Every
client then sends its key with a canary behind it, the loggers of the library, of aiohttp and of asyncio tell
everything, and a test fails in whose output, log or traceback the canary is found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any

import pytest

from nugen_async.client import Nugen, SeekrFlow

CANARY = "canary-d41a7c0ffee5"
EXACT = ("tests/resources/test_wire.py", "tests/test_logging.py")
"""Tests of what is sent, to the letter: there the keys stay as they are."""
LOGGERS = ("nugen_async", "aiohttp", "asyncio", "cattrs", "backoff")


_ending = f"-{CANARY}"


def _with_canary(authorization: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    return lambda client, key: authorization(client, key) + _ending


def pytest_runtest_setup(item: pytest.Item) -> None:
    global _ending  # noqa: PLW0603 # one run, one test at a time
    _ending = "" if item.nodeid.startswith(EXACT) else f"-{CANARY}"


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    for client in (Nugen, SeekrFlow):
        client._authorization = _with_canary(client._authorization)  # type: ignore[method-assign] # the point of it
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)


def places(report: pytest.TestReport) -> list[str]:
    """The parts of a report that show the canary; the output of all phases is looked at after the last."""
    shown = [*report.sections] if report.when == "teardown" else []
    shown.append(("the traceback", report.longreprtext))
    return [name for name, text in shown if CANARY in text]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,  # noqa: ARG001 # pytest's own order
    call: pytest.CallInfo[Any],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    found = places(report)
    if found:
        report.outcome = "failed"
        report.longrepr = f"an API key was shown in {', '.join(found)} ({call.when})"
    return report


def pytest_warning_recorded(warning_message: Any, nodeid: str) -> None:
    if CANARY in str(warning_message):
        raise pytest.UsageError(f"a warning of {nodeid} shows an API key")

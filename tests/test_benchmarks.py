"""The benchmarks run; what they measure is no test's business."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(sys.platform == "win32", reason="the workers' pipes are POSIX")
def test_each_benchmark_runs_in_its_quick_form() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    for title in (
        "CPU per status look",
        "per waiting job",
        "Connections",
        "Footprint",
        "whole flow",
    ):
        assert title in done.stdout

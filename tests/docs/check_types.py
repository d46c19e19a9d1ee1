"""``python -m tests.docs.check_types``: mypy --strict and pyright on every sample of README and docs.

Each sample becomes a module whose lines are those of its page. One that imports what is not installed is
left out, by name.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .samples import ROOT, SAMPLES, Sample


def main() -> int:
    """Check all; 1 when either checker complains."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for sample in SAMPLES:
            missing = sorted(name for name in _imported(sample) if not _installed(name))
            if missing:
                print(f"left out: {sample.name} needs {', '.join(missing)}")  # noqa: T201 # a command prints
            elif sample.last:
                name = f"{sample.page.relative_to(ROOT).with_suffix('')}_{sample.line}"
                file = folder / f"{name.replace('/', '_').replace('-', '_')}.py"
                file.write_text(sample.module, "utf-8")
        count = len(list(folder.iterdir()))
        (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}', "utf-8")
        environment = {**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)}
        environment.pop("FORCE_COLOR", None)
        mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache")]
        pyright = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
        codes = [
            subprocess.run([*command, "."], cwd=folder, env=environment, check=False).returncode
            for command in (mypy, pyright)
        ]
    print(f"{count} samples checked")  # noqa: T201 # the same
    return int(any(codes))


def _imported(sample: Sample) -> Iterator[str]:
    for node in ast.walk(ast.parse(sample.module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name.partition(".")[0]) is not None


if __name__ == "__main__":
    sys.exit(main())

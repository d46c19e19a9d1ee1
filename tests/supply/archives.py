"""What is in the archives that are published: all of the package, and nothing that strayed in.

``python -m tests.supply.archives DIST`` looks at an sdist and at the wheel that was built from it.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

LARGEST = 1024 * 1024
"""Bytes of one file."""

_SDIST = re.compile(
    r"""
    PKG-INFO | pyproject\.toml | \.gitignore | README\.md | CHANGELOG\.md | LICENSE | zensical\.toml
    | nugen_async/ (?: [a-z0-9_]+/ )* (?: [a-z0-9_]+\.py | py\.typed )
    | tests/ (?: [a-z0-9_]+/ )* [a-z0-9_]+ \. (?: py | json | jsonl | yaml | csv | md )
    | benchmarks/ (?: [a-z0-9_]+/ )* [a-z0-9_]+ \. (?: py | md | png | svg | json )
    | docs/ (?: [a-z0-9-]+/ )* \.?[a-z0-9_-]+ \. (?: md | css | py | png | svg )
    """,
    re.VERBOSE,
)
_WHEEL = re.compile(
    r"""
    nugen_async/ (?: [a-z0-9_]+/ )* (?: [a-z0-9_]+\.py | py\.typed )
    | nugen_async-[0-9.]+\.dist-info/
      (?: METADATA | WHEEL | RECORD | entry_points\.txt | licenses/LICENSE )
    """,
    re.VERBOSE,
)


def stray_in_sdist(names: Iterable[str]) -> list[str]:
    """The files of an sdist, named without its folder, that do not belong there."""
    return [name for name in names if not _SDIST.fullmatch(name)]


def stray_in_wheel(names: Iterable[str]) -> list[str]:
    """The files of a wheel that do not belong there."""
    return [name for name in names if not _WHEEL.fullmatch(name)]


def package(names: Iterable[str]) -> set[str]:
    """Those of *names* that are installed as code."""
    return {name for name in names if name.startswith("nugen_async/")}


def in_sdist(path: Path) -> dict[str, int]:
    """The files in an sdist, without its folder, and their sizes."""
    with tarfile.open(path) as archive:
        return {m.name.partition("/")[2]: m.size for m in archive.getmembers() if m.isfile()}


def in_wheel(path: Path) -> dict[str, int]:
    """The files in a wheel and their sizes."""
    with zipfile.ZipFile(path) as archive:
        return {each.filename: each.file_size for each in archive.infolist() if not each.is_dir()}


def complaints(sdist: dict[str, int], wheel: dict[str, int], source: set[str]) -> list[str]:
    """All that is wrong with two archives; *source* is the package's code in the checkout."""
    told = [f"in the sdist, but does not belong there: {name}" for name in stray_in_sdist(sdist)]
    told += [f"in the wheel, but does not belong there: {name}" for name in stray_in_wheel(wheel)]
    told += [f"not in the sdist: {name}" for name in sorted(source - sdist.keys())]
    told += [f"not in the wheel: {name}" for name in sorted(package(sdist) - wheel.keys())]
    told += [f"only in the wheel: {name}" for name in sorted(package(wheel) - sdist.keys())]
    sizes = {**sdist, **wheel}
    told += [f"over a megabyte: {name}" for name, size in sizes.items() if size > LARGEST]
    return told


def source(root: Path) -> set[str]:
    """The package's code in the checkout."""
    found = {*root.glob("nugen_async/**/*.py"), *root.glob("nugen_async/**/py.typed")}
    return {path.relative_to(root).as_posix() for path in found}


if __name__ == "__main__":
    (sdist,) = Path(sys.argv[1]).glob("*.tar.gz")
    (wheel,) = Path(sys.argv[1]).glob("*.whl")
    wrong = complaints(in_sdist(sdist), in_wheel(wheel), source(Path.cwd()))
    sys.stdout.write("\n".join((*(wrong or ["the archives hold what they should"]), "")))
    sys.exit(1 if wrong else 0)

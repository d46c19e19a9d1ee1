"""Workflows from a file: JSONL, JSON, CSV, YAML or Python; every mistake is told at once, with its line.

A row holds the fields of `Workflow`. In CSV a list is written ``a.txt; b.txt``. Paths are relative to the
manifest. YAML needs PyYAML (extra ``yaml``) and is a list, or ``defaults:`` beside ``workflows:``.
A Python file defines ``workflows``: a list, or a function that returns one. It is run, so trust it first.
"""

from __future__ import annotations

import os
import runpy
import traceback
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from attrs import asdict, define, evolve

from .errors import ConfigurationError, NugenError, printable
from .launching.files import flaw
from .launching.forms import READERS, Mistake, Row
from .launching.spec import Workflow, problems_of, texts

__all__ = ["ManifestError", "Mistake", "load_manifest", "parse_manifest"]


@define(kw_only=True, slots=False, repr=False)
class ManifestError(NugenError, ValueError):
    """The manifest cannot be used as it stands; `mistakes` are all that it has. Nothing was sent."""

    path: str
    mistakes: tuple[Mistake, ...]

    def __str__(self) -> str:
        told = "".join(f"\n  {printable(mistake)}" for mistake in self.mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        return f"{printable(self.path)} has {count}:{told}"


def load_manifest(path: str | os.PathLike[str]) -> list[Workflow]:
    """The workflows in the file at *path*, by its suffix. Files that they name must be there.

    Raises `ManifestError` with every mistake; `ConfigurationError` for another suffix, or YAML without
    PyYAML. It reads files: call it in a thread where a loop runs.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind == "py":
        mistakes: list[Mistake] = []
        return _workflows(str(path), path.parent, _python(path, mistakes), mistakes)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(
            path=str(path), mistakes=(Mistake(1, "", f"not UTF-8: {error}"),)
        ) from None
    return parse_manifest(text, kind, path=str(path), folder=path.parent)


def parse_manifest(
    text: str, kind: str, *, path: str = "manifest", folder: str | os.PathLike[str] = "."
) -> list[Workflow]:
    """The workflows that *text* describes; *kind* is "jsonl", "json", "csv" or "yaml"."""
    if kind not in READERS:
        raise ConfigurationError(f"a manifest is .jsonl, .json, .csv, .yaml or .py, not .{kind}")
    mistakes: list[Mistake] = []
    return _workflows(path, Path(folder), READERS[kind](text, mistakes), mistakes)


def _workflows(
    path: str, folder: Path, rows: Iterable[Row], mistakes: list[Mistake]
) -> list[Workflow]:
    found: list[Workflow] = []
    keys: dict[str, int] = {}
    flaws_of = cache(flaw)  # many rows may name the same file
    for row in rows:
        problems = [(str(p.loc[0]) if p.loc else "", p.msg) for p in problems_of(row.told)]
        wrong = {name for name, _ in problems}
        sound = {name: value for name, value in row.told.items() if name not in wrong}
        flaws = ((name, flaws_of(name, file)) for name, file in _files(sound, folder))
        problems += [(name, told) for name, told in flaws if told is not None]
        key = sound.get("key")
        if key is not None and (line := keys.setdefault(key, row.line)) != row.line:
            problems.append(("key", f"{key!r} stands on line {line} already"))
        mistakes += [Mistake(row.lines.get(name, row.line), name, said) for name, said in problems]
        if not problems:
            found.append(_placed(Workflow(**row.told), folder))
    if not found and not mistakes:
        mistakes.append(Mistake(1, "", "it holds no workflow"))
    if mistakes:
        mistakes.sort(key=lambda mistake: mistake.line)
        raise ManifestError(path=path, mistakes=tuple(mistakes))
    return found


def _placed(spec: Workflow, folder: Path) -> Workflow:
    """*spec* with whole paths, so that it is the same from wherever it is run."""

    def whole(path: str) -> str:
        return os.path.abspath(folder / path)  # noqa: PTH100 # a link keeps its name

    quiz = None if spec.benchmark_file is None else whole(spec.benchmark_file)
    return evolve(spec, documents=[*map(whole, spec.documents)], benchmark_file=quiz)


def _files(told: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    for name in ("documents", "benchmark_file"):
        yield from ((name, str(folder / path)) for path in texts(told.get(name)))


def _python(path: Path, mistakes: list[Mistake]) -> Iterator[Row]:
    """The rows of a Python file; their line is their place in the list."""
    try:
        given: Any = runpy.run_path(str(path)).get("workflows", ())
        made: Any = given() if callable(given) else given
        items = list(made)
    except Exception as error:  # noqa: BLE001 # whatever the user's code raises is a mistake in it
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        mistakes.append(Mistake(line or 1, "", f"{type(error).__name__}: {error}"))
        return
    for place, item in enumerate(items, start=1):
        if isinstance(item, Workflow):
            yield Row(place, asdict(item, recurse=False), {})
        elif isinstance(item, Mapping):
            yield Row(place, item, {})
        else:
            mistakes.append(Mistake(place, "", f"neither a Workflow nor a mapping: {item!r}"))

"""Workflows from a file: JSONL, JSON, CSV, YAML or Python; every mistake is told at once, with its line.

A row holds the fields of `Workflow`. In CSV a list is written ``a.txt; b.txt``. Paths are relative to the
manifest. YAML needs PyYAML (extra ``yaml``) and is a list, or ``defaults:`` beside ``workflows:``.
A Python file defines ``workflows``: a list, or a function that returns one. It is run, so trust it first.
"""

from __future__ import annotations

import csv
import io
import json
import os
import runpy
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, define, evolve, frozen

from .errors import ConfigurationError, NugenError, printable
from .launching.spec import Workflow, problems_of

__all__ = ["ManifestError", "Mistake", "load_manifest", "parse_manifest"]

_LISTS = frozenset({"documents", "document_ids", "custom_metrics"})
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@frozen
class Mistake:
    """One mistake: its line (from 1 on), its field (empty for the whole row), and what is wrong."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}"
        return (
            f"{where}, {self.field}: {self.message}" if self.field else f"{where}: {self.message}"
        )


@define(kw_only=True, slots=False, repr=False)
class ManifestError(NugenError, ValueError):
    """The manifest cannot be used as it stands; `mistakes` are all that it has. Nothing was sent."""

    path: str
    mistakes: tuple[Mistake, ...]

    def __str__(self) -> str:
        told = "".join(f"\n  {printable(mistake)}" for mistake in self.mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        return f"{printable(self.path)} has {count}:{told}"


@frozen
class _Row:
    """One row as it was read: its line, what it says, and the line of each field where that is known."""

    line: int
    told: Mapping[str, Any]
    lines: Mapping[str, int]


_Read = Callable[[str, list[Mistake]], Iterator[_Row]]


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
        text = path.read_text(encoding="utf-8-sig")
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
    readers: Mapping[str, _Read] = {
        "jsonl": _jsonl,
        "ndjson": _jsonl,
        "json": _json,
        "csv": _csv,
        "yaml": _yaml,
        "yml": _yaml,
    }
    if kind not in readers:
        raise ConfigurationError(f"a manifest is .jsonl, .json, .csv, .yaml or .py, not .{kind}")
    mistakes: list[Mistake] = []
    return _workflows(path, Path(folder), readers[kind](text, mistakes), mistakes)


def _workflows(
    path: str, folder: Path, rows: Iterable[_Row], mistakes: list[Mistake]
) -> list[Workflow]:
    found: list[Workflow] = []
    keys: dict[str, int] = {}
    for row in rows:
        problems = [(str(p.loc[0]) if p.loc else "", p.msg) for p in problems_of(row.told)]
        if problems:
            mistakes += [
                Mistake(row.lines.get(name, row.line), name, said) for name, said in problems
            ]
            continue
        spec = _placed(Workflow(**row.told), folder)
        for name, file in _files(spec):
            if not Path(file).is_file():
                mistakes.append(
                    Mistake(row.lines.get(name, row.line), name, f"no such file: {file}")
                )
        if spec.key is not None and (line := keys.setdefault(spec.key, row.line)) != row.line:
            mistakes.append(Mistake(row.line, "key", f"{spec.key!r} stands on line {line} already"))
        found.append(spec)
    if not found and not mistakes:
        mistakes.append(Mistake(1, "", "it holds no workflow"))
    if mistakes:
        mistakes.sort(key=lambda mistake: mistake.line)
        raise ManifestError(path=path, mistakes=tuple(mistakes))
    return found


def _placed(spec: Workflow, folder: Path) -> Workflow:
    """*spec* with its paths seen from the manifest's folder."""
    benchmark = None if spec.benchmark_file is None else str(folder / spec.benchmark_file)
    documents = [str(folder / path) for path in spec.documents]
    return evolve(spec, documents=documents, benchmark_file=benchmark)


def _files(spec: Workflow) -> Iterator[tuple[str, str]]:
    yield from (("documents", path) for path in spec.documents)
    if spec.benchmark_file is not None:
        yield "benchmark_file", spec.benchmark_file


# -- the formats ------------------------------------------------------------------------------------


def _jsonl(text: str, mistakes: list[Mistake]) -> Iterator[_Row]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield from _row(number, line, mistakes)


def _row(number: int, text: str, mistakes: list[Mistake]) -> Iterator[_Row]:
    twice: list[str] = []
    try:
        told = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, twice))
    except (ValueError, RecursionError) as error:
        mistakes.append(Mistake(number, "", f"not JSON: {error}"))
        return
    mistakes += [Mistake(number, name, "given twice") for name in twice]
    if not isinstance(told, dict):
        mistakes.append(Mistake(number, "", f"an object is needed, not {type(told).__name__}"))
    else:
        yield _Row(number, told, {})


def _once(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        names = [name for name, _ in pairs]
        twice += [name for name in told if names.count(name) > 1]
    return told


def _json(text: str, mistakes: list[Mistake]) -> Iterator[_Row]:
    """An array; the line of each row is where its object begins."""
    decoder = json.JSONDecoder()
    place = _blank(text, 0)
    if text[place : place + 1] != "[":
        mistakes.append(Mistake(1, "", "an array of objects is needed"))
        return
    place = _blank(text, place + 1)
    while text[place : place + 1] not in ("]", ""):
        line = text.count("\n", 0, place) + 1
        try:
            _, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            at = line + getattr(error, "lineno", line) - line
            mistakes.append(Mistake(at, "", f"not JSON: {error}"))
            return
        yield from _row(line, text[place:end], mistakes)
        place = _blank(text, end)
        if text[place : place + 1] == ",":
            place = _blank(text, place + 1)
        elif text[place : place + 1] != "]":
            mistakes.append(Mistake(text.count("\n", 0, place) + 1, "", "a comma or ] is missing"))
            return


def _blank(text: str, place: int) -> int:
    while text[place : place + 1].isspace():
        place += 1
    return place


def _csv(text: str, mistakes: list[Mistake]) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    begins = 1
    try:
        for cells in reader:
            line, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                names = [a for a in header if header.count(a) > 1]
                mistakes += [Mistake(line, name, "given twice") for name in dict.fromkeys(names)]
            elif len(cells) != len(header):
                mistakes.append(Mistake(line, "", f"{len(cells)} cells under {len(header)} titles"))
            else:
                told = zip(header, cells, strict=True)
                yield _Row(line, {n: _cell(n, c.strip()) for n, c in told if c.strip()}, {})
    except csv.Error as error:
        mistakes.append(Mistake(reader.line_num, "", f"not CSV: {error}"))


def _cell(name: str, text: str) -> Any:
    """What a cell means; what cannot be read stays text, and is found wrong with all else."""
    if name in _LISTS:
        return [part.strip() for part in text.split(";") if part.strip()]
    if name == "num_questions":
        return int(text) if text.isascii() and text.isdigit() else text
    if name in {"deploy", "undeploy", "mark"}:
        return _FLAGS.get(text.casefold(), text)
    return text


def _yaml(text: str, mistakes: list[Mistake]) -> Iterator[_Row]:
    try:
        import yaml  # noqa: PLC0415 # an extra
    except ImportError as error:
        raise ConfigurationError("YAML needs PyYAML: pip install 'nugen-async[yaml]'") from error
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            mistakes.append(Mistake(1, "", "aliases (*name) are not taken; use defaults:"))
            return
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        defaults, items = _yaml_parts(root, loader)
        for item in items if items is not None else ():
            yield from _yaml_row(item, loader, defaults, mistakes)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or str(error)
        mistakes.append(Mistake(mark.line + 1 if mark else 1, "", f"not YAML: {said}"))
        return
    if items is None:
        mistakes.append(Mistake(1, "", "a list of workflows is needed"))


def _yaml_parts(root: Any, loader: Any) -> tuple[dict[str, Any], list[Any] | None]:
    """The defaults, and the nodes of the rows; None where there is no list."""
    if root is not None and root.id == "mapping":
        parts = {key.value: node for key, node in root.value}
        given = parts.get("defaults")
        defaults = loader.construct_object(given, deep=True) if given is not None else {}
        root = parts.get("workflows")
        if not isinstance(defaults, dict) or parts.keys() - {"defaults", "workflows"}:
            return {}, None
    else:
        defaults = {}
    return defaults, root.value if root is not None and root.id == "sequence" else None


def _yaml_row(
    node: Any, loader: Any, defaults: Mapping[str, Any], mistakes: list[Mistake]
) -> Iterator[_Row]:
    line = node.start_mark.line + 1
    if node.id != "mapping":
        mistakes.append(Mistake(line, "", "a mapping is needed"))
        return
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.value in lines:
            mistakes.append(Mistake(key.start_mark.line + 1, str(key.value), "given twice"))
        lines[str(key.value)] = key.start_mark.line + 1
    yield _Row(line, {**defaults, **loader.construct_object(node, deep=True)}, lines)


def _python(path: Path, mistakes: list[Mistake]) -> Iterator[_Row]:
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
            yield _Row(place, asdict(item, recurse=False), {})
        elif isinstance(item, Mapping):
            yield _Row(place, item, {})
        else:
            mistakes.append(Mistake(place, "", f"neither a Workflow nor a mapping: {item!r}"))

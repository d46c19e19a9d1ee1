"""What the text of a manifest says: its rows, each with its line, in JSONL, JSON, CSV and YAML.

Nothing is opened. Mistakes are told, not raised, so that one report has them all.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from ..errors import ConfigurationError

_LISTS = frozenset({"documents", "document_ids", "custom_metrics"})
_DIGITS = 18
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


@frozen
class Row:
    """One row as it was read: its line, what it says, and the line of each field where that is known."""

    line: int
    told: Mapping[str, Any]
    lines: Mapping[str, int]


def _jsonl(text: str, mistakes: list[Mistake]) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):  # a text may hold other line ends
        if line.strip():
            yield from _row(number, line, mistakes)


def _row(number: int, text: str, mistakes: list[Mistake]) -> Iterator[Row]:
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
        yield Row(number, told, {})


def _once(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        names = [name for name, _ in pairs]
        twice += [name for name in told if names.count(name) > 1]
    return told


def _json(text: str, mistakes: list[Mistake]) -> Iterator[Row]:
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


def _csv(text: str, mistakes: list[Mistake]) -> Iterator[Row]:
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
                yield Row(line, {n: _cell(n, c.strip()) for n, c in told if c.strip()}, {})
    except csv.Error as error:
        mistakes.append(Mistake(reader.line_num, "", f"not CSV: {error}"))


def _cell(name: str, text: str) -> Any:
    """What a cell means; what cannot be read stays text, and is found wrong with all else."""
    if name in _LISTS:
        return [part.strip() for part in text.split(";") if part.strip()]
    if name == "num_questions":
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else text
    if name in {"deploy", "undeploy", "mark"}:
        return _FLAGS.get(text.casefold(), text)
    return text


def _yaml(text: str, mistakes: list[Mistake]) -> Iterator[Row]:
    try:
        import yaml  # noqa: PLC0415 # an extra
    except ImportError as error:
        raise ConfigurationError("YAML needs PyYAML: pip install 'nugen-async[yaml]'") from error
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()  # refuses what is too deep, which the events below do not
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            mistakes.append(Mistake(1, "", "aliases (*name) are not taken; use defaults:"))
            return
    except (yaml.YAMLError, RecursionError) as error:
        mistakes.append(_not_yaml(error, 1))
        return
    parts, items = _yaml_parts(root, mistakes)
    if items is None:
        mistakes.append(Mistake(1, "", "a list of workflows is needed"))
        return
    defaults = _yaml_mapping(parts["defaults"], loader, mistakes) if "defaults" in parts else {}
    for item in items:
        told = _yaml_mapping(item, loader, mistakes)
        if told is not None and defaults is not None:
            lines = {key.value: _line(key) for key, _ in item.value if key.id == "scalar"}
            yield Row(_line(item), {**defaults, **told}, lines)


def _yaml_parts(root: Any, mistakes: list[Mistake]) -> tuple[dict[str, Any], list[Any] | None]:
    """The nodes of the parts by their names, and those of the rows; None where there is no list."""
    parts: dict[str, Any] = {}
    if root is not None and root.id == "mapping":
        _told_twice(root, mistakes)
        if not all(key.value in ("defaults", "workflows") for key, _ in root.value):
            return {}, None
        parts = {key.value: node for key, node in root.value}
        root = parts.get("workflows")
    return parts, root.value if root is not None and root.id == "sequence" else None


def _yaml_mapping(node: Any, loader: Any, mistakes: list[Mistake]) -> dict[str, Any] | None:
    """What a node says; None, and a mistake, where it is no mapping or makes no sense."""
    if node.id != "mapping":
        mistakes.append(Mistake(_line(node), "", "a mapping is needed"))
        return None
    _told_twice(node, mistakes)
    try:
        told = loader.construct_object(node, deep=True)
    except Exception as error:  # noqa: BLE001 # !!int and the like raise what the text makes them raise
        mistakes.append(_not_yaml(error, _line(node)))
        return None
    if not isinstance(told, dict):
        mistakes.append(Mistake(_line(node), "", "a mapping is needed"))
        return None
    return told


def _told_twice(node: Any, mistakes: list[Mistake]) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.id == "scalar":
            if key.value in seen:
                mistakes.append(Mistake(_line(key), key.value, "given twice"))
            seen.add(key.value)


def _line(node: Any) -> int:
    line: int = node.start_mark.line + 1
    return line


def _not_yaml(error: Exception, line: int) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error) or type(error).__name__
    return Mistake(mark.line + 1 if mark else line, "", f"not YAML: {said}")


Read = Callable[[str, list[Mistake]], Iterator[Row]]
READERS: Mapping[str, Read] = {
    "jsonl": _jsonl,
    "ndjson": _jsonl,
    "json": _json,
    "csv": _csv,
    "yaml": _yaml,
    "yml": _yaml,
}
"""By the suffix of a file's name."""

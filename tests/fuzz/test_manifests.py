"""Any bytes as a manifest: workflows, or one report in which every mistake has its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from nugen_async.manifests import ManifestError, load_manifest
from nugen_async.workflows import Workflow

from .examples import examples

FILES = ("a.txt", "b c.txt", "ü.txt")
KINDS = ("jsonl", "json", "csv", "yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("manifests")
    for name in FILES:
        (place / name).write_text("notes")
    return place


# -- what is sound is read back -------------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
PLAIN = NAMES.map(str.strip).filter(lambda text: ";" not in text and "\0" not in text)
"""What a cell can hold: it is read without the blanks around it, and a list has its own signs."""


@st.composite
def _rows(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 4))):
        row: dict[str, Any] = {"name": draw(texts), "base_model": draw(texts)}
        row["documents"] = draw(st.lists(st.sampled_from(FILES), min_size=1, max_size=3))
        if draw(st.booleans()):
            row |= {"num_questions": draw(st.integers(1, 10**9)), "evaluate": "compare"}
            row["custom_metrics"] = draw(st.lists(texts, max_size=2))
        if draw(st.booleans()):
            row |= {"deploy": draw(st.booleans()), "undeploy": draw(st.booleans())}
        if draw(st.booleans()):
            row["key"] = f"{number}-{draw(texts)}"
        if draw(st.booleans()):
            row |= {"description": draw(texts), "document_ids": [draw(texts)]}
        rows.append(row)
    return rows


def as_jsonl(rows: list[dict[str, Any]], *, ascii_only: bool) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)


def as_json(rows: list[dict[str, Any]], *, ascii_only: bool) -> str:
    return json.dumps(rows, ensure_ascii=ascii_only, indent=1)


def as_yaml(rows: list[dict[str, Any]], *, ascii_only: bool) -> str:
    text: str = yaml.safe_dump({"workflows": rows}, allow_unicode=not ascii_only)
    assume(yaml.safe_load(text)["workflows"] == rows)  # it does not read all that it writes
    return text


def as_csv(rows: list[dict[str, Any]], *, ascii_only: bool) -> str:
    del ascii_only
    into = io.StringIO(newline="")
    table = csv.DictWriter(into, list(dict.fromkeys(name for row in rows for name in row)))
    table.writeheader()
    for row in rows:
        cells = {n: "; ".join(v) if isinstance(v, list) else v for n, v in row.items()}
        table.writerow(cells)
    return into.getvalue()


WRITERS: list[tuple[str, Callable[..., str], st.SearchStrategy[str]]] = [
    ("jsonl", as_jsonl, NAMES),
    ("json", as_json, NAMES),
    ("yaml", as_yaml, NAMES),
    ("csv", as_csv, PLAIN),
]


@pytest.mark.parametrize(("kind", "write", "texts"), WRITERS, ids=[w[0] for w in WRITERS])
def test_what_is_sound_comes_back(
    folder: Path, kind: str, write: Callable[..., str], texts: st.SearchStrategy[str]
) -> None:
    @examples(60)
    @given(rows=_rows(texts), ascii_only=st.booleans())
    def comes_back(rows: list[dict[str, Any]], ascii_only: bool) -> None:
        path = folder / f"sound.{kind}"
        path.write_bytes(write(rows, ascii_only=ascii_only).encode())
        wanted = [
            Workflow(**{**row, "documents": [str(folder / d) for d in row["documents"]]})
            for row in rows
        ]
        assert load_manifest(path) == wanted

    comes_back()


# -- what is not is told --------------------------------------------------------------------------

SOUND = {
    "jsonl": '{"name": "n", "documents": ["a.txt"]}\n{"name": "m", "key": "k", "model_id": "x"}\n',
    "json": '[{"name": "n", "documents": ["a.txt"]},\n {"name": "m", "num_questions": 3}]',
    "csv": 'name,documents,num_questions,deploy\nn,a.txt; b c.txt,3,yes\n"m\nn",a.txt,,no\n',
    "yaml": "defaults: {documents: [a.txt]}\nworkflows:\n- name: n\n  deploy: false\n- {name: m}\n",
}
SIGNS = list("\n\r\t \"',;:[]{}-#&*!|>%@`\\\0\x1c\x85\u2028\ufeff")
WORDS = ["null", "true", "~", ".nan", "NaN", "1e999", "9" * 5000, "x" * 5000, "\\ud800", "../a.txt"]
WORDS += ["[" * 3000, '{"a":' * 3000, "- " * 600, "a: b: c", '"', '""', ",,", '{"name":1,"name":2}']
YAML = [
    "? ",
    "{}: ",
    "[]: ",
    "[a]: ",
    "? {b: c}\n: ",
    "<<: ",
    "<<: {name: x}",
    "1: ",
    "---\n",
    "...\n",
]
YAML += [
    "2001-99-99",
    "2001-01-01",
    "0x_",
    "1:99:99",
    "0b",
    "0o9",
    "!!int ",
    "!!float ",
    "!!binary ",
]
YAML += [
    "!!timestamp ",
    "!!set ",
    "!!omap ",
    "!!bool ",
    "!!null ",
    "!!str ",
    "!!map ",
    "!!seq ",
    "!!pairs ",
]
FIELDS = ["documents", "name", "key", "deploy", "workflows: ", "defaults: ", "num_questions"]
PIECES = st.sampled_from([*SIGNS, *WORDS, *FIELDS]) | st.sampled_from(YAML)


@st.composite
def _mangled(draw: st.DrawFn, kind: str) -> bytes:
    """A sound manifest with pieces taken out and others put in."""
    text = SOUND[kind].encode()
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(first + 12, len(text))))
        put = draw(st.one_of(PIECES.map(str.encode), st.binary(max_size=4)))
        text = text[:first] + put + text[last:]
    return text


@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_are_workflows_or_one_report(folder: Path, kind: str) -> None:
    @examples(150)
    @given(content=st.one_of(_mangled(kind), _mangled(kind), st.binary(max_size=60)))
    def are_read(content: bytes) -> None:
        read(folder / f"any.{kind}", content)

    are_read()


def read(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        specs = load_manifest(path)
    except ManifestError as error:
        told = error
    else:
        assert specs
        assert all(isinstance(spec, Workflow) for spec in specs)
        return
    lines = 1 + len(content.decode(errors="replace").splitlines())  # YAML knows more ends than one
    assert told.mistakes
    assert all(1 <= mistake.line <= lines and mistake.message for mistake in told.mistakes)
    assert all(f"line {mistake.line}" in str(told) for mistake in told.mistakes)

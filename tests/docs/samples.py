"""The samples of README and docs: where they stand, and what belongs together."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, frozen
from markdown_it import MarkdownIt
from pytest_markdown_docs.plugin import parse_superfences_block_info

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_TITLE = re.compile(r'title="([^"]+)"')
_PYTHON = {"py", "python", "python3"}


@frozen(kw_only=True)
class Sample:
    """One fence, with those that it continues put before it."""

    page: Path
    line: int
    source: str
    options: frozenset[str]
    last: bool
    """No later fence continues it."""

    @property
    def name(self) -> str:
        """The page and the line of the fence."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def skipped(self) -> bool:
        """It is shown and not run."""
        return "notest" in self.options

    @property
    def awaits(self) -> bool:
        """It awaits outside of any function, as notebooks may."""
        code = compile(self.source, self.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        return bool(code.co_flags & inspect.CO_COROUTINE)

    @property
    def module(self) -> str:
        """The source as a module, its lines where the page has them.

        What awaits outside of any function stands in one.
        """
        if not self.awaits:
            return self.source
        return "async def sample() -> None:\n" + textwrap.indent(self.source[1:], "    ")


def samples_of(page: Path) -> list[Sample]:
    """Every Python fence of *page*, in order."""
    found: list[Sample] = []
    for info, line, content in _fences(page):
        language, *options = parse_superfences_block_info(info) or [""]
        if language not in _PYTHON:
            continue
        before = ""
        if "continuation" in options and found:
            previous = found.pop()
            before = previous.source
            found.append(evolve(previous, last=False))
        source = before + "\n" * (line - before.count("\n")) + content
        found.append(
            Sample(page=page, line=line, source=source, options=frozenset(options), last=True)
        )
    return found


def commands_of(page: Path) -> list[tuple[str, str]]:
    """Every line of a shell fence of *page*: where it stands, and what it says."""
    return [
        (f"{page.relative_to(ROOT)}:{line}", command.strip())
        for info, line, content in _fences(page)
        if (parse_superfences_block_info(info) or [""])[0] in {"sh", "bash", "console"}
        for command in content.replace("\\\n", " ").splitlines()
    ]


def files_of(page: Path) -> dict[str, str]:
    """What *page* shows under the name of a file."""
    shown = ((_TITLE.search(info), content) for info, _, content in _fences(page))
    return {title[1]: content for title, content in shown if title is not None}


def lines_of_code(page: Path) -> Iterator[tuple[int, str]]:
    """Every line of every fence of *page*, with its number."""
    for _, line, content in _fences(page):
        yield from enumerate(content.splitlines(), line + 1)


def _fences(page: Path) -> Iterator[tuple[str, int, str]]:
    for token in MarkdownIt("commonmark").parse(page.read_text("utf-8")):
        if token.type == "fence" and token.map is not None:
            yield token.info, token.map[0] + 1, token.content


SAMPLES = [sample for page in PAGES for sample in samples_of(page)]

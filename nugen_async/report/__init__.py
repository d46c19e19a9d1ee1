"""One HTML file that shows what came of many workflows: made of rows, pure, without a network.

rows      what is shown of one workflow, and what makes it of a journal's row or of a record
figures   numbers, bars and timelines as text and inline SVG
page      the whole document: `html`
"""

from __future__ import annotations

from .page import html
from .rows import Change, Row, Span, from_journal, from_record, from_result

__all__ = ["Change", "Row", "Span", "from_journal", "from_record", "from_result", "html"]

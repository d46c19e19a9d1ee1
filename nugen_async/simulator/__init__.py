"""A Nugen (and a SeekrFlow) of one's own: for tests, demos and working without a key.

exchange  requests, answers and routes as values
records   what is remembered: jobs whose course is fixed when they are made
chance    the dice: durations, progress, estimates, skill
book      settings and state, on which the nouns work
forms     status words, times and letter case of each generation
checks    validation, with the documented 422
nugen/ seekrflow/   the nouns of the two vendors: rules, rows, routes
faults    what goes wrong on purpose      log   what was asked and answered
world     all of it, pure: handle(request, now) -> response
app       the aiohttp.web skin: `Simulator` (imported when it is first used)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .book import BASE_MODELS, EPOCH, BaseModel
from .chance import Span, Times
from .exchange import Form, SimRequest, SimResponse, Upload
from .faults import (
    Cut,
    Delay,
    Drop,
    Fault,
    Garble,
    Lag,
    NotYet,
    Rows,
    Rule,
    Stall,
    Status,
    Word,
)
from .limits import RateLimit
from .log import Entry, Log
from .routing import ROUTES
from .world import World

if TYPE_CHECKING:
    from .app import Simulator

__all__ = [
    "BASE_MODELS",
    "EPOCH",
    "ROUTES",
    "BaseModel",
    "Cut",
    "Delay",
    "Drop",
    "Entry",
    "Fault",
    "Form",
    "Garble",
    "Lag",
    "Log",
    "NotYet",
    "RateLimit",
    "Rows",
    "Rule",
    "SimRequest",
    "SimResponse",
    "Simulator",
    "Span",
    "Stall",
    "Status",
    "Times",
    "Upload",
    "Word",
    "World",
]


def __getattr__(name: str) -> Any:
    if name == "Simulator":
        from .app import Simulator  # noqa: PLC0415 - aiohttp.web is loaded only for who serves

        return Simulator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""A Nugen (and a SeekrFlow) of one's own: for tests, demos and working without a key.

::

    exchange            requests, answers and routes as values
    records             what is remembered: jobs whose course is fixed when they are made
    chance              the dice: durations, progress, estimates, skill
    book                settings and state, on which the nouns work
    forms, checks       each generation's words and times; validation with the documented 422
    nugen/ seekrflow/   the nouns of the two vendors: rules, rows, routes
    routing             the route table
    faults, limits      what goes wrong on purpose
    log                 what was asked, and what was answered
    world               all of it, pure: handle(request, now) -> response
    app                 the aiohttp.web skin: `Simulator`
    in_process          the same without a port: `simulated_session`

`Simulator` and `simulated_session` are imported when they are first used, and aiohttp with them.
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
    from .in_process import simulated_session

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
    "simulated_session",
]


def __getattr__(name: str) -> Any:
    if name == "Simulator":
        from .app import Simulator  # noqa: PLC0415 - aiohttp.web is loaded only for who serves

        return Simulator
    if name == "simulated_session":
        from .in_process import simulated_session  # noqa: PLC0415 - the same

        return simulated_session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

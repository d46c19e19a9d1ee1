"""A create whose answer was lost: look for what it made before telling the caller that nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from attrs import evolve, fields

from .._core.age import server_time
from .._core.reconcile import OnUnknown, Wanted, judge, pauses, sighted
from .._core.retry import Fate, fate
from ..errors import CreateOutcomeUnknownError, InvalidRequestError, NugenError
from ._records import Job

J = TypeVar("J", bound=Job)

_SETTLE = 30.0
"""Seconds that a list is given to show what was just created."""


async def reconciled(
    created: Callable[[], Awaitable[J]],
    listed: Callable[[], AsyncIterable[J]],
    wanted: Wanted,
    on_unknown: OnUnknown,
) -> J:
    """What *created* brings; after a lost answer what the list shows, if exactly one thing fits *wanted*.

    Raises `InvalidRequestError` for another *on_unknown* than "raise", "reconcile" or None.
    """
    if on_unknown not in (None, "raise", "reconcile"):
        raise InvalidRequestError(f'on_unknown is "raise" or "reconcile", not {on_unknown!r}')
    try:
        return await created()
    except CreateOutcomeUnknownError as lost:
        if on_unknown == "raise" or (on_unknown is None and not wanted.exact):
            raise
        return await _found(listed, wanted, lost)


async def _found(
    listed: Callable[[], AsyncIterable[J]], wanted: Wanted, lost: CreateOutcomeUnknownError
) -> J:
    fits: tuple[str, ...] = ()
    for pause in (0.0, *pauses(_SETTLE)):
        await asyncio.sleep(pause)
        try:
            rows = {row.id: row async for row in listed()}
        except NugenError:
            continue
        fits = judge(evolve(wanted, since=_since(rows.values(), lost)), map(sighted, rows.values()))
        if len(fits) == 1:
            return rows[fits[0]]
        if fits:
            break
    raise _told(lost, fits) from lost


async def listed_as(listed: Callable[[], AsyncIterable[J]], job_id: str) -> J | None:
    """The row of *job_id*, which the list is given some time to show; None where it does not."""
    for pause in (0.0, *pauses(_SETTLE)):
        await asyncio.sleep(pause)
        try:
            found = [row async for row in listed() if row.id == job_id]
        except NugenError as error:
            if fate(error) is Fate.REFUSED:
                return None
            continue
        if found:
            return found[0]
    return None


def _since(rows: Iterable[J], lost: CreateOutcomeUnknownError) -> datetime | None:
    """When the create went out, by the server's clock; None where that cannot be told."""
    dates = (server_time(row.seen.date) for row in rows if row.seen is not None)
    theirs = next((date for date in dates if date is not None), None)
    if theirs is None:
        return None
    return datetime.fromisoformat(lost.started) + (theirs - datetime.now(UTC))


def _told(lost: CreateOutcomeUnknownError, fits: tuple[str, ...]) -> CreateOutcomeUnknownError:
    state = {a.name: getattr(lost, a.name) for a in fields(CreateOutcomeUnknownError)}
    seen = "several in the list fit" if fits else f"the list did not show it for {_SETTLE:.0f} s"
    return CreateOutcomeUnknownError(
        **{**state, "reason": f"{lost.reason}; {seen}", "candidates": fits}
    )

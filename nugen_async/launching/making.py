"""One thing made exactly once: the intent is durable before the request, the id before anything follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from attrs import evolve, frozen

from .._core.reconcile import Verdict, Wanted, token_of
from ..errors import ClientStateError, CreateOutcomeUnknownError, NugenError
from .course import Record, Verb
from .ledger import Ledger
from .lookups import Lookups

_MOST_SENDINGS = 3
"""How often one create goes out whose answer is lost each time, and which is then found not to exist."""

Write = Callable[[Record], Awaitable[None]]


@frozen(kw_only=True)
class Thing:
    """What is to be made, and how it is known again."""

    kind: str
    key: str
    send: Callable[[str], Awaitable[str]]
    """Sends the create with a token; returns the server's id."""
    wanted: Callable[[str], Wanted]
    """What to look for, by the token."""


class Maker:
    """Makes things of one client and one ledger."""

    def __init__(self, ledger: Ledger, lookups: Lookups) -> None:
        self._ledger = ledger
        self._lookups = lookups
        self._flights: dict[str, asyncio.Task[Record]] = {}

    async def once(self, thing: Thing, record: Record, write: Write) -> Record:
        """*record* with the id of the thing, which then exists once, and is durable.

        Raises `CreateOutcomeUnknownError` when no look can decide whether it exists.
        """
        sent = 0
        lost: CreateOutcomeUnknownError | None = None
        while record.verb is not Verb.AWAIT:
            if record.verb is Verb.LOOK:
                record = await self._found(thing, record, lost, last=sent >= _MOST_SENDINGS)
            else:
                await self._ledger.turn()
                token = token_of(self._ledger.series, thing.key, record.attempt)
                intended = datetime.now(UTC).isoformat()
                record = evolve(record, token=token, intended=intended)
                await write(record)
                sent += 1
                try:
                    record = evolve(record, ids=(await thing.send(token),))
                except CreateOutcomeUnknownError as error:
                    lost = error
                    continue
                except ClientStateError:
                    raise
                except NugenError:
                    await write(evolve(record, intended=""))
                    raise
            await write(record)
        return record

    async def _found(
        self, thing: Thing, record: Record, lost: CreateOutcomeUnknownError | None, *, last: bool
    ) -> Record:
        """*record* with the id that was found, or without the intent when it surely was not taken."""
        wanted = thing.wanted(record.token)
        intended = datetime.fromisoformat(record.intended)
        try:
            verdict = await self._lookups.find(thing.kind, wanted, intended)
        except ClientStateError:
            raise
        except NugenError as error:
            raise _unknown(
                thing, record, lost, Verdict(), f"the list cannot be read: {error}"
            ) from error
        if verdict.found is not None:
            return evolve(record, ids=(verdict.found,))
        if verdict.candidates:
            raise _unknown(thing, record, lost, verdict, "several fit")
        if last:
            raise _unknown(thing, record, lost, verdict, "its answer was lost each time")
        return evolve(record, intended="")

    async def shared(self, key: str, make: Callable[[Record, Write], Awaitable[Record]]) -> Record:
        """The record of a thing that several workflows use; whoever comes first makes it."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._share(key, make))
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    def _landed(self, key: str, flight: asyncio.Task[Record]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # it was told to whoever still waits; nobody may be left

    async def _share(self, key: str, make: Callable[[Record, Write], Awaitable[Record]]) -> Record:
        async def write(record: Record) -> None:
            await self._ledger.write_shared(key, record)

        async with self._ledger.claim(key):
            record = await self._ledger.shared(key) or Record()
            return record if record.done else await make(record, write)

    async def aclose(self) -> None:
        """End what is under way for several; on the server it goes on."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)


def _unknown(
    thing: Thing,
    record: Record,
    lost: CreateOutcomeUnknownError | None,
    verdict: Verdict,
    reason: str,
) -> CreateOutcomeUnknownError:
    if lost is not None:
        return CreateOutcomeUnknownError(
            method=lost.method,
            url=lost.url,
            kind=thing.kind,
            body=lost.body,
            token=record.token,
            started=lost.started,
            ended=lost.ended,
            look_for=lost.look_for,
            reason=f"{lost.reason}; {reason}",
            candidates=verdict.candidates,
        )
    return CreateOutcomeUnknownError(
        kind=thing.kind,
        token=record.token,
        started=record.intended,
        look_for=f"{thing.kind} with {record.token!r} in its name, made after {record.intended}",
        reason=f"the process ended while it was being sent; {reason}",
        candidates=verdict.candidates,
    )

"""One thing made exactly once: the intent is durable before the request, the id before anything follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from attrs import evolve, frozen

from .._core.reconcile import Wanted, token_of
from ..errors import ClientStateError, CreateOutcomeUnknownError, NugenError, WaitTimeoutError
from .course import Record, Verb
from .ledger import Ledger
from .lookups import Found, Lookups

_MOST_SENDINGS = 3
"""How often one create goes out whose answer is lost each time, and which is then found not to exist."""

FAIL, CREATE = "fail", "create"
Decide = Callable[[CreateOutcomeUnknownError], Awaitable[str]]
"""What to do where no look can tell: `FAIL`, `CREATE` (it is not there), or the id to adopt."""
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
    deadline: float | None = None
    """By the loop's clock: so long it is looked for, at most."""


async def _fail(_: CreateOutcomeUnknownError) -> str:
    return FAIL


class Maker:
    """Makes things of one client and one ledger."""

    def __init__(self, ledger: Ledger, lookups: Lookups, decide: Decide | None = None) -> None:
        self._ledger = ledger
        self._lookups = lookups
        self._decide = decide or _fail
        self._flights: dict[str, asyncio.Task[Record]] = {}

    async def once(self, thing: Thing, record: Record, write: Write) -> Record:
        """*record* with the id of the thing, which then exists once, and is durable.

        Raises `CreateOutcomeUnknownError` when no look can decide whether it exists.
        """
        sent = 0
        lost: CreateOutcomeUnknownError | None = None
        rivals = self._lookups.rivals
        while record.verb is not Verb.AWAIT:
            if record.verb is Verb.LOOK:
                record = await self._looked(thing, record, write, lost, last=sent >= _MOST_SENDINGS)
                continue
            await self._ledger.turn()
            token = token_of(self._ledger.series, thing.key, record.attempt)
            record = self._intended(record, token)
            await write(record)
            sent += 1
            rivals.sent(thing.key, thing.kind, thing.wanted(token))
            try:
                record = evolve(record, ids=(await thing.send(token),))
            except CreateOutcomeUnknownError as error:
                lost = error
            except ClientStateError:
                raise
            except NugenError:
                await write(evolve(record, intended=""))
                rivals.settled(thing.key)
                raise
            else:
                await write(record)
                rivals.settled(thing.key)
            finally:
                rivals.unanswered(thing.key)
        return record

    def _intended(self, record: Record, token: str) -> Record:
        theirs = self._lookups.clock()
        return evolve(
            record,
            token=token,
            intended=datetime.now(UTC).isoformat(),
            server_time=theirs.isoformat() if theirs else "",
        )

    async def _looked(
        self,
        thing: Thing,
        record: Record,
        write: Write,
        lost: CreateOutcomeUnknownError | None,
        *,
        last: bool,
    ) -> Record:
        """*record* with the id that was found, or without the intent when it surely was not taken."""
        wanted, rivals = thing.wanted(record.token), self._lookups.rivals
        rivals.lost(thing.key, thing.kind, wanted)
        found, begun = Found(), asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(thing.deadline):
                found = await self._lookups.find(thing.kind, thing.key, wanted, record)
        except ClientStateError:
            raise
        except NugenError as error:
            doubt = f"the list cannot be read: {error}"
        except TimeoutError:
            waited = asyncio.get_running_loop().time() - begun
            raise WaitTimeoutError(job_id=record.token, waited=waited) from None
        else:
            if not found.ids and not last:
                rivals.settled(thing.key)
                return evolve(record, intended="")
            doubt = _doubt(found)
        async with self._ledger.claim(f"adopt:{thing.kind}"):
            if await self._ledger.taken(found.ids):
                return record  # somebody adopted one meanwhile, so look again
            if doubt:
                unknown = _unknown(thing, record, lost, found.ids, doubt)
                record = await self._decided(thing, record, unknown)
            else:
                record = evolve(record, ids=found.ids)
            rivals.settled(thing.key)
            await write(record)
        return record

    async def _decided(
        self, thing: Thing, record: Record, unknown: CreateOutcomeUnknownError
    ) -> Record:
        decision: object = await self._decide(unknown)
        if decision == FAIL:
            raise unknown
        if decision == CREATE:
            return Record(attempt=record.attempt + 1)
        if not isinstance(decision, str) or not await self._adoptable(thing, decision, unknown):
            reason = f"{unknown.reason}; {decision!r} was the answer, which is none to adopt"
            raise evolve(unknown, reason=reason)
        return evolve(record, ids=(decision,))

    async def _adoptable(
        self, thing: Thing, chosen: str, unknown: CreateOutcomeUnknownError
    ) -> bool:
        """Whether *chosen* was offered, or is there and nobody else's."""
        if chosen in unknown.candidates:
            return True
        return not await self._ledger.taken((chosen,)) and await self._lookups.has(
            thing.kind, chosen
        )

    async def shared(self, key: str, make: Callable[[Record, Write], Awaitable[Record]]) -> Record:
        """The record of a thing that several workflows use; whoever comes first makes it."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._share(key, make))
            flight.add_done_callback(lambda done: self._landed(key, done))
        try:
            return await asyncio.shield(flight)
        except NugenError as error:
            # One error for all who share: each would lengthen its traceback.
            raise error.with_traceback(None) from error.__cause__

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


def _doubt(found: Found) -> str:
    """Why what was *found* decides nothing; empty where it does."""
    match len(found.ids):
        case 0:
            return "its answer was lost each time"
        case 1:
            return "another create whose answer was lost fits as well" if found.disputed else ""
        case _:
            return "several fit"


def _unknown(
    thing: Thing,
    record: Record,
    lost: CreateOutcomeUnknownError | None,
    fits: tuple[str, ...],
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
            candidates=fits,
        )
    return CreateOutcomeUnknownError(
        kind=thing.kind,
        token=record.token,
        started=record.intended,
        look_for=f"{thing.kind} with {record.token!r} in its name, made after {record.intended}",
        reason=f"the process ended while it was being sent; {reason}",
        candidates=fits,
    )

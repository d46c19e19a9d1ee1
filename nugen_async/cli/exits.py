"""Which exit code an error gets, and what to do about it (pure)."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from .. import errors
from .._core.interpret import route_is_missing
from ..batch import BatchStoppedError, WorkflowFailedError
from ..journal import JournalError

_LONGEST = 2000
_LONGEST_LIST = 20_000


class Exit(enum.IntEnum):
    """What a script learns from the exit code; the values are part of the interface."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DENIED = 3
    NOT_FOUND = 4
    SERVICE = 5
    TIMED_OUT = 6
    UNKNOWN = 7
    PARKED = 8
    INTERNAL = 70
    INTERRUPTED = 130


MEANING: dict[Exit, str] = {
    Exit.OK: "all went well",
    Exit.FAILED: "a job failed, or jobs ended badly in several ways",
    Exit.USAGE: "the command line or the input is wrong",
    Exit.DENIED: "the API key is missing or refused, or its quota used up",
    Exit.NOT_FOUND: "no such thing on the server",
    Exit.SERVICE: "the server or the network failed",
    Exit.TIMED_OUT: "the time was over; the job goes on",
    Exit.UNKNOWN: "a job may or may not have been created",
    Exit.PARKED: "a job waits for you",
    Exit.INTERNAL: "a bug in this program",
    Exit.INTERRUPTED: "interrupted; jobs go on",
}


class NoKeyError(errors.ConfigurationError):
    """The environment holds no API key."""


_CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (errors.JobFailedError, Exit.FAILED),
    (WorkflowFailedError, Exit.FAILED),
    (BatchStoppedError, Exit.FAILED),
    (JournalError, Exit.USAGE),
    (errors.JobParkedError, Exit.PARKED),
    (errors.WaitTimeoutError, Exit.TIMED_OUT),
    (errors.JobStalledError, Exit.TIMED_OUT),
    (errors.CreateOutcomeUnknownError, Exit.UNKNOWN),
    (NoKeyError, Exit.DENIED),
    (errors.AuthenticationError, Exit.DENIED),
    (errors.PaymentRequiredError, Exit.DENIED),
    (errors.PermissionDeniedError, Exit.DENIED),
    (errors.NotFoundError, Exit.NOT_FOUND),
    (errors.BadRequestError, Exit.USAGE),
    (errors.ConflictError, Exit.USAGE),
    (errors.PayloadTooLargeError, Exit.USAGE),
    (errors.UnprocessableEntityError, Exit.USAGE),
    (ValueError, Exit.USAGE),
)
"""The first class that fits decides; everything else is the server's or the network's affair.

What is a ValueError as well was found wrong before anything was sent.
"""

_ADVICE: tuple[tuple[type[errors.NugenError], str], ...] = (
    (errors.PaymentRequiredError, "Look at the account's plan, then run the command again."),
    (errors.PermissionDeniedError, "Ask the account's owner for the right, or use another key."),
    (errors.NotFoundError, "Check the id, and that the key belongs to the same account."),
    (errors.PayloadTooLargeError, "Split the file, then run the command again."),
    (errors.APITimeoutError, "Try again, or allow more with --request-timeout."),
    (errors.APIConnectionError, "Check the network and --base-url, then try again."),
    (errors.ServerError, "Try again in a few minutes."),
    (errors.DecodeError, "Try --contract plural, or report it with --debug."),
)

_OTHER_ROUTES = (
    "Perhaps the server has other routes: try --contract auto, and check the base URL and any id."
)
_LISTED = frozenset({"alignment", "evaluation", "benchmark", "document"})
"""What a command of the same name, in the plural, lists."""


def exit_for(error: errors.NugenError) -> Exit:
    """The exit code that stands for *error*."""
    if isinstance(error, errors.JobUnreachableError) and error.last is not None:
        return exit_for(error.last)
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.SERVICE)


def advice_for(error: errors.NugenError) -> str:
    """What to do about *error*, in a sentence; empty where the error itself says it."""
    if isinstance(error, errors.JobUnreachableError) and error.last is not None:
        return advice_for(error.last)
    if isinstance(error, errors.APIStatusError) and route_is_missing(error):
        return _OTHER_ROUTES
    if isinstance(error, errors.CreateOutcomeUnknownError) and error.kind in _LISTED:
        return f"To look: nugen-async {error.kind}s."
    return next((advice for kind, advice in _ADVICE if isinstance(error, kind)), "")


def sentence(text: str) -> str:
    """*text* as one line that begins with a capital, unless with a name, and ends with a stop."""
    text = " ".join(errors.printable(text, _LONGEST).split())
    if text.partition(" ")[0].isalpha():  # not the name of a file or a field
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def sentence_of(error: errors.NugenError) -> str:
    """What went wrong, and what to do about it; lines only where a file of ours has many mistakes."""
    match error:
        case errors.WaitTimeoutError():
            text = f"still {error.status or 'not seen'} after {error.waited:.0f} s"
            text += "" if error.last is None else f" (the last look failed: {error.last})"
        case errors.JobStalledError():
            text = f"{error.status} without any news for {error.still:.0f} s"
        case errors.JobUnreachableError() if error.last is not None:
            text = f"cannot be looked at: {error.last}"
        case ValueError() if "\n" in str(error):
            return errors.printable(error, _LONGEST_LIST)
        case _:
            text = str(error)
    return f"{sentence(text)} {advice_for(error)}".rstrip()


def as_json(error: Exception, code: Exit) -> dict[str, object]:
    """An error for scripts; of a create whose outcome is unknown also what to look for."""
    told: dict[str, object] = {"error": errors.printable(error, _LONGEST), "exit": code}
    if isinstance(error, errors.CreateOutcomeUnknownError):
        told |= {"look_for": error.look_for, "candidates": error.candidates}
    return told


def overall(codes: Iterable[Exit]) -> Exit:
    """One exit code for several ends: that of the bad ones where they agree."""
    bad = {code for code in codes if code is not Exit.OK}
    if not bad:
        return Exit.OK
    return bad.pop() if len(bad) == 1 else Exit.FAILED


def table() -> str:
    """All exit codes and their meanings, for the help."""
    return "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANING.items())

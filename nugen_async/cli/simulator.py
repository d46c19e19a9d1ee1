"""``simulator``: a server of one's own, to try things on without a key."""

from __future__ import annotations

import errno
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveFloat
from cyclopts.validators import Number

from ..errors import InvalidRequestError
from ..simulator.__main__ import parser, serve
from .common import TRY, Flag, command
from .exits import Exit

Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


@command(
    "nugen-async simulator                      # then, in another terminal:",
    "export NUGEN_BASE_URL=http://127.0.0.1:8080 NUGEN_API_KEY=any",
    "nugen-async models --base",
    "",
    "nugen-async simulator --port 0 --speed 600 --failures 0.2 --errors 0.05",
    group=TRY,
)
async def simulator(
    *,
    host: str = "127.0.0.1",
    port: NonNegativeInt = 8080,
    speed: PositiveFloat = 60.0,
    seed: int = 0,
    contract: Literal["documented", "plural", "both"] = "both",
    generation: Literal["G1", "G2", "G3", "G4"] | None = None,
    estimates: Literal["right", "rough", "long", "short", "absent", "mixed"] = "rough",
    alignment_minutes: PositiveFloat = 45.0,
    failures: Share = 0.0,
    errors: Share = 0.0,
    drops: Share = 0.0,
    rate_limit: PositiveFloat | None = None,
    trusting: Flag = False,
) -> int:
    """Serve a simulated Nugen and SeekrFlow on loopback, until Ctrl-C.

    Parameters
    ----------
    host
        The address to listen on.
    port
        The port; 0 takes a free one.
    speed
        Jobs run so many times faster.
    seed
        Of durations, metrics and failures.
    contract
        The routes to serve.
    generation
        The form of all answers; without it each route answers in its own.
    estimates
        How well jobs estimate their end.
    alignment_minutes
        Median duration of an alignment, before --speed.
    failures
        Share of alignments that fail, 0 to 1.
    errors
        Share of requests answered 502 in HTML, 0 to 1.
    drops
        Share of requests that are hung up on, 0 to 1.
    rate_limit
        Requests a second, beyond which 429 is answered.
    trusting
        Take unknown ids in requests as existing ones.
    """
    chosen = {
        "host": host,
        "port": port,
        "speed": speed,
        "seed": seed,
        "contract": contract,
        "generation": generation,
        "estimates": estimates,
        "alignment-minutes": alignment_minutes,
        "failures": failures,
        "errors": errors,
        "drops": drops,
        "rate-limit": rate_limit,
    }
    given = [f"--{name}={value}" for name, value in chosen.items() if value is not None]
    try:
        await serve(parser().parse_args([*given, *(["--trusting"] if trusting else [])]))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise InvalidRequestError(
            f"port {port} is in use: give another one with --port, or --port 0 for any"
        ) from None
    return Exit.OK

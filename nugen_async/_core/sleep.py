"""How long a job is left alone, and why (pure)."""

from __future__ import annotations

import enum

from attrs import frozen


class Reason(enum.Enum):
    """Why a look is when it is; `Sleep.why` makes a sentence of it."""

    FIRST = "first look: a job that cannot start has failed by then"
    RESUMED = "a job met again: look at once"
    AGE = "no estimate, so by its age of {about:.0f} s", "blind"
    SPREAD = "it may end at any moment: estimates of this kind have been that far off", "blind"
    FAR = "{about:.0f} s seem to be left, of which a fifth is kept for a second look", "elastic"
    NEAR = "the end seems to be {about:.0f} s away", "elastic"
    NET = (
        "{about:.0f} s seem to be left, but an estimate is not trusted further than this",
        "elastic",
    )
    QUEUED = "it is in the queue", "elastic"
    PAST = "nine of ten earlier jobs of this kind took longer", "elastic"
    SERVER = "the server asked for {about:.0f} s"
    OWN = "the schedule that was passed in"
    FAILED_LOOK = "the last look failed"

    said: str
    blind: bool
    """The end may come at any moment, so that looks are worth sharing."""
    elastic: bool
    """The sleep may be cut short for a look that is shared with other jobs."""

    def __init__(self, said: str, how: str = "") -> None:
        self.said = said
        self.blind = how == "blind"
        self.elastic = how == "elastic"


@frozen
class Sleep:
    """Look again after so many seconds."""

    seconds: float
    reason: Reason = Reason.OWN
    about: float = 0.0

    @property
    def why(self) -> str:
        """One short sentence for people."""
        return f"next look in {self.seconds:.1f} s: {self.reason.said.format(about=self.about)}"

"""What a job's status word means."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, field, frozen

from .._core.schedule import Phase


def _phase_table(lifecycle: Lifecycle) -> Mapping[str, Phase]:
    rows = (
        (lifecycle.moving, Phase.RUNNING),
        (lifecycle.parked, Phase.PARKED),
        (lifecycle.cancelled, Phase.CANCELLED),
        (lifecycle.failed, Phase.FAILED),
        (lifecycle.ready, Phase.READY),
    )
    return {form: phase for words, phase in rows for w in words for form in (w, w.upper())}


@frozen(kw_only=True)
class Lifecycle:
    """Which words mean what, for one kind of job. Words are compared without case, blanks or hyphens.

    A word that stands nowhere means "still running", and is shown as it came.
    """

    ready: frozenset[str]
    moving: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset({"failed", "error"})
    cancelled: frozenset[str] = frozenset({"stopped", "cancelled", "canceled"})
    parked: frozenset[str] = frozenset()
    _phases: Mapping[str, Phase] = field(
        init=False, repr=False, eq=False, default=Factory(_phase_table, takes_self=True)
    )

    def phase(self, status: str) -> Phase:
        """What *status* means; an empty one has not been asked for yet."""
        known = self._phases.get(status)
        if known is not None:
            return known
        word = status.strip().lower().replace(" ", "_").replace("-", "_")
        return self._phases.get(word, Phase.UNKNOWN) if word else Phase.RUNNING

"""How many examples a search tries: few by default, fifty times as many at night."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from ..cases import NIGHTLY

_FACTOR = 50 if NIGHTLY else 1


def examples(number: int, steps: int = 25) -> settings:
    """Settings for a test of *number* examples, of at most *steps* steps where it has steps."""
    return settings(
        max_examples=number * _FACTOR,
        stateful_step_count=steps * (2 if NIGHTLY else 1),
        deadline=None,
        derandomize=not NIGHTLY,
        suppress_health_check=list(HealthCheck),
    )

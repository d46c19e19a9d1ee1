"""How many examples: few by default, fifty times as many with ``FUZZ=nightly`` in the environment."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_FACTOR = 50 if os.environ.get("FUZZ") == "nightly" else 1


def examples(number: int, steps: int = 25) -> settings:
    """Settings for a test of *number* examples, of at most *steps* steps where it has steps."""
    return settings(
        max_examples=number * _FACTOR,
        stateful_step_count=steps * (2 if _FACTOR > 1 else 1),
        deadline=None,
        derandomize=_FACTOR == 1,
        suppress_health_check=list(HealthCheck),
    )

"""How many cases the property tests of the decoder try: 2,000, or 20,000 at night.

``NUGEN_ASYNC_CASES=nightly`` chooses the second.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("decoder", max_examples=2_000, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "nightly", max_examples=20_000, deadline=None, suppress_health_check=_SLOW
)


def decoder_cases() -> settings:
    """The settings of a property test over the decoder."""
    chosen = os.environ.get("NUGEN_ASYNC_CASES", "decoder")
    return settings.get_profile(chosen)

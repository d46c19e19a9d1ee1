"""How deep the searches go: so that all tests take two minutes, or as deep as a night allows.

``NUGEN_TESTS=nightly`` in the environment chooses the second.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("NUGEN_TESTS") == "nightly"
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def decoder_cases() -> settings:
    """The settings of a property test over the decoder: 2,000 cases, or 20,000."""
    cases = 20_000 if NIGHTLY else 2_000
    return settings(max_examples=cases, deadline=None, suppress_health_check=_SLOW)

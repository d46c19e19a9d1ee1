"""What was measured before an alignment and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen


@frozen(kw_only=True)
class BeforeAndAfter:
    """Each measure on both sides of an alignment; None where it was not taken."""

    accuracy_before: float | None = None
    """Share of right answers, 0 to 1."""
    accuracy_after: float | None = None
    uncertainty_before: float | None = None
    """0 to 1; lower is surer."""
    uncertainty_after: float | None = None
    domain_violations_before: int | None = None
    domain_violations_after: int | None = None
    average_response_time_before: float | None = None
    """Seconds."""
    average_response_time_after: float | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)
    """Everything that was measured, under the server's names."""

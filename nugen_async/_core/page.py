"""A page of rows: what every list route answers, whatever key it keeps the rows under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from . import html

R_co = TypeVar("R_co", covariant=True)


@frozen(eq=False)
class Page(Generic[R_co]):
    """One answer of a list route.

    Rows are decoded one by one: a row that cannot be read is left out and told in `notes`. `total`,
    `limit` and `offset` are None where the route does not page.
    """

    items: tuple[R_co, ...] = ()
    total: int | None = None
    limit: int | None = None
    offset: int | None = None
    notes: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """The whole payload; ``{"data": [...]}`` where it was a bare list."""

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        of = "" if self.total is None else f" of {self.total}"
        return html.grid(f"{len(self.items)}{of} on this page", self.items, "; ".join(self.notes))

    def __iter__(self) -> Iterator[R_co]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

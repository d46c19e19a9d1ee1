"""What the page's form sends, for the apps whose framework checks no bodies."""

from __future__ import annotations

import json

from attrs import field, frozen
from attrs.validators import deep_iterable, instance_of

from nugen_async import InvalidRequestError

_text = instance_of(str)


@frozen
class Order:
    """What a browser may ask for, and no more."""

    name: str = field(validator=_text)
    base_model: str = field(validator=_text)
    document_ids: list[str] = field(validator=deep_iterable(_text, instance_of(list)))

    @classmethod
    def read(cls, body: str | bytes) -> Order:
        """The order in *body*; an `InvalidRequestError`, which `problem` makes a 422, where there is none."""
        try:
            told = json.loads(body)
            return cls(told["name"], told["base_model"], told["document_ids"])
        except (ValueError, TypeError, LookupError):
            raise InvalidRequestError(
                "an order is a JSON object of name, base_model and document_ids"
            ) from None

"""Values of Python and NumPy as JSON sends them."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

from tropism.core.clock import from_datetime
from tropism.core.errors import Fault, InvalidInput

Moment = datetime | int | str
"""A time: with a zone or in UTC, µs since the epoch, or ISO 8601."""


def plain(value: Any, field: str) -> float | int | str | bool | None:
    """A number, text, boolean or None. NaN is a missing value; NumPy scalars are unpacked.

    Raises:
        InvalidInput: it is something else, or infinite; names `field`.

    >>> plain(Decimal("1.5"), "demand"), plain(float("nan"), "demand")
    (1.5, None)
    """
    if value is None or isinstance(value, str | bool | int):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, float | Decimal):
        number = float(value)
        if math.isinf(number):
            fault = Fault(field, str(value), "send a finite number, or None for a missing value")
            raise InvalidInput(f"{field} is infinite", fault)
        return None if math.isnan(number) else number
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        return plain(value.item(), field)
    fault = Fault(field, type(value).__name__, "use a number, a string, a boolean or None")
    raise InvalidInput(f"{field} cannot be sent", fault)


def exact(value: Any, field: str) -> Any:
    """As `plain`, but decimals keep their digits, times become µs since the epoch, and lists stay lists.

    Raises:
        InvalidInput: it is something else, or infinite; names `field`.

    >>> exact(Decimal("1.50"), "amount"), exact(datetime(1970, 1, 2), "at"), exact((1, 2.5), "vector")
    (Decimal('1.50'), 86400000000, [1, 2.5])
    """
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, datetime):
        return from_datetime(value)
    if type(value).__name__ == "datetime64":
        made = value.astype("datetime64[us]").item()
        return None if made is None else from_datetime(made)
    if isinstance(value, list | tuple):
        return [exact(one, field) for one in value]
    return exact(value.tolist(), field) if hasattr(value, "tolist") and hasattr(value, "dtype") else plain(value, field)


def moment(at: Moment, field: str = "at") -> int:
    """µs since the epoch.

    Raises:
        InvalidInput: it is not a time; names `field`.

    >>> moment("1970-01-02T00:00:00Z"), moment(datetime(1970, 1, 2)), moment(5)
    (86400000000, 86400000000, 5)
    """
    if isinstance(at, datetime):
        return from_datetime(at)
    if isinstance(at, str):
        try:
            return from_datetime(datetime.fromisoformat(at))
        except ValueError as error:
            fault = Fault(field, repr(at), "use ISO 8601, such as 2026-01-31T12:00:00Z")
            raise InvalidInput(f"{field} is not a time", fault) from error
    found = plain(at, field)
    if not isinstance(found, int) or isinstance(found, bool):
        raise InvalidInput(f"{field} is not a time", Fault(field, repr(at), "use a datetime, or whole µs since 1970"))
    return found

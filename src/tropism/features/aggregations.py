"""Aggregations over windows of events, as a project declares them.

The value at a time t is that of the events in [floor(t - window, hop), t): windows begin at multiples of the hop, so
that they can be put together from tiles of that length, online and offline alike.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.features.names import name_faults
from tropism.features.types import Dtype, dtype

Function = Literal["count", "sum", "mean", "min", "max", "std", "last", "distinct"]
_HOPS = ("1s", "5s", "15s", "1m", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "1d")
_HOPS_A_WINDOW = 48
_NUMERIC = ("sum", "mean", "std")


class Aggregation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="of", tag="window"):
    """One function of one column over the last `window` of an entity's events.

    `hop`: the step of the window's beginning; of the shortest of some usual ones that makes at most 48 steps a window
    if it is not given. `name`: of the feature, such as `sum_amount_24h` if it is not given. `std` divides by n - 1.
    """

    function: Function
    window: str
    column: str = ""
    hop: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        faults = []
        if self.function not in get_args(Function):
            faults.append(Fault("function", repr(self.function), f"use one of: {', '.join(get_args(Function))}"))
        if bool(self.column) == (self.function == "count"):
            fix = "a count has no column" if self.column else "name the column that it is of"
            faults.append(Fault("column", repr(self.column), fix))
        window = parse_duration(self.window, "window")
        msgspec.structs.force_setattr(self, "hop", self.hop or usual_hop(window))
        hop = parse_duration(self.hop, "hop")
        if not 0 < hop <= window:
            faults.append(Fault("hop", repr(self.hop), f"use more than 0 and at most the window, {self.window}"))
        parts = (self.function, self.column.lower(), self.window) if self.column else (self.function, self.window)
        msgspec.structs.force_setattr(self, "name", self.name or "_".join(parts))
        faults += name_faults("name", self.name)
        if faults:
            raise InvalidInput(f"the aggregation '{self.name}' is not valid", *faults)

    @property
    def length(self) -> int:
        """The window in µs."""
        return parse_duration(self.window)

    @property
    def step(self) -> int:
        """The hop in µs."""
        return parse_duration(self.hop)

    def result(self, column: Dtype | None) -> Dtype:
        """The type of its values, for a column of a type (None for a count).

        Raises:
            InvalidInput: it cannot be computed of such a column.
        """
        if self.function in ("count", "distinct"):
            return dtype("integer")
        assert column is not None
        if self.function in _NUMERIC and not column.numeric:
            fix = "aggregate a number, or use count, last or distinct"
            raise InvalidInput(f"{self.function} needs numbers", Fault(self.column, column.kind, fix))
        if self.function in ("min", "max") and not (column.numeric or column.kind == "time"):
            fix = "aggregate a number or a time, or use count, last or distinct"
            raise InvalidInput(f"{self.function} needs an order", Fault(self.column, column.kind, fix))
        return dtype("number") if self.function in ("mean", "std") else column


def usual_hop(window: int) -> str:
    """The shortest usual step of which a window of so many µs has at most 48.

    >>> [usual_hop(parse_duration(window)) for window in ("1h", "24h", "7d", "30d")]
    ['5m', '30m', '6h', '1d']
    """
    for hop in _HOPS:
        if window <= _HOPS_A_WINDOW * parse_duration(hop):
            return hop
    return _HOPS[-1]


class _Agg:
    """Ways to write an `Aggregation`: `agg.sum("amount", "24h")`, `agg.count("7d")`."""

    @staticmethod
    def count(window: str, **more: Any) -> Aggregation:
        """Number of events."""
        return Aggregation(function="count", window=window, **more)

    @staticmethod
    def sum(column: str, window: str, **more: Any) -> Aggregation:
        """Exact for whole numbers and decimals; null where there is no value."""
        return Aggregation(function="sum", column=column, window=window, **more)

    @staticmethod
    def mean(column: str, window: str, **more: Any) -> Aggregation:
        return Aggregation(function="mean", column=column, window=window, **more)

    @staticmethod
    def min(column: str, window: str, **more: Any) -> Aggregation:
        return Aggregation(function="min", column=column, window=window, **more)

    @staticmethod
    def max(column: str, window: str, **more: Any) -> Aggregation:
        return Aggregation(function="max", column=column, window=window, **more)

    @staticmethod
    def std(column: str, window: str, **more: Any) -> Aggregation:
        """Standard deviation of a sample; null below two values."""
        return Aggregation(function="std", column=column, window=window, **more)

    @staticmethod
    def last(column: str, window: str, **more: Any) -> Aggregation:
        """The value of the latest event."""
        return Aggregation(function="last", column=column, window=window, **more)

    @staticmethod
    def distinct(column: str, window: str, **more: Any) -> Aggregation:
        """How many different values: exact while few, then an estimate."""
        return Aggregation(function="distinct", column=column, window=window, **more)


agg = _Agg()

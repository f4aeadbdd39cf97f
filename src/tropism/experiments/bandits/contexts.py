"""From the features of a request to the context that a contextual policy reads: numbers of about size 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = Sequence[object] | NDArray[Any]
"""Of one feature in many rows; of numbers, an array is read a hundred times sooner."""
MOST_VALUES = 15
"""Values of a category that have a place of their own, the most frequent ones."""
_FEWEST = 10
_REACH = 5.0


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One feature. A number or a boolean takes one place, less its `mean` over its `scale`, cut at five, 0 where it is
    missing; a category one for each of `values`, 1 where it has it. Other values have no place."""

    name: str
    mean: float = 0.0
    scale: float = 1.0
    values: tuple[str, ...] | None = None


class Contexts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How contexts are made; the last place of each is 1, for the intercept.

    >>> made = Contexts(columns=(Column(name="age", mean=40.0, scale=10.0), Column(name="plan", values=("pro",))))
    >>> made.of({"age": 50, "plan": "pro"}).tolist(), made.of({"plan": "free"}).tolist()
    ([1.0, 1.0, 1.0], [0.0, 0.0, 1.0])
    """

    columns: tuple[Column, ...]

    @property
    def width(self) -> int:
        """Length of a context, the intercept included."""
        return 1 + sum(1 if one.values is None else len(one.values) for one in self.columns)

    def of(self, row: Mapping[str, object]) -> Floats:
        """The context of one row, shape (width,)."""
        places: list[float] = []
        for column in self.columns:
            value = row.get(column.name)
            if column.values is not None:
                places += [float(value == known) for known in column.values]
            else:
                number = float(value) if isinstance(value, int | float) else column.mean
                places.append(min(max((number - column.mean) / column.scale, -_REACH), _REACH))
        places.append(1.0)
        found = np.array(places)
        return found if np.isfinite(found).all() else np.nan_to_num(found, nan=0.0)

    def of_many(self, table: Mapping[str, Values], rows: int) -> Floats:
        """The contexts of a table's rows, shape (rows, width); the same as `of` gives for each."""
        parts: list[Floats] = []
        for column in self.columns:
            values = table[column.name]
            if column.values is not None:
                own = np.asarray(values, dtype=object)
                parts += [(own == known).astype(np.float64) for known in column.values]
            else:
                scaled = (_numbers(values) - column.mean) / column.scale
                parts.append(np.nan_to_num(np.clip(scaled, -_REACH, _REACH), nan=0.0))
        return np.stack([*parts, np.ones(rows)], axis=1)


def contexts_of(kinds: Mapping[str, Literal["number", "category", "boolean"]], table: Mapping[str, Values]) -> Contexts:
    """How to make contexts of these features, by what was seen of them; those that never vary are left out.

    >>> made = contexts_of({"age": "number", "plan": "category"}, {"age": [20, 40] * 10, "plan": ["a", "b"] * 10})
    >>> made.width, made.columns[0].mean
    (4, 30.0)
    """
    columns = []
    for name, kind in kinds.items():
        if kind == "category":
            seen = Counter(value for value in table[name] if isinstance(value, str))
            common = [
                value for value, count in sorted(seen.items(), key=lambda one: (-one[1], one[0])) if count >= _FEWEST
            ]
            if common:
                columns.append(Column(name=name, values=tuple(common[:MOST_VALUES])))
            continue
        known = _numbers(table[name])
        known = known[np.isfinite(known)]
        if len(known) and known.min() < known.max():
            scale = float(known.std()) or 1.0
            columns.append(Column(name=name, mean=float(known.mean()), scale=scale))
    return Contexts(columns=tuple(columns))


def _numbers(values: Values) -> Floats:
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return values.astype(np.float64)
    return np.array([value if isinstance(value, int | float) else np.nan for value in values], dtype=np.float64)

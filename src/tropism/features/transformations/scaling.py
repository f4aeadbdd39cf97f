"""Numbers brought to another scale: logarithm, z-score, min-max."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.features.transformations.base import Checked, OneColumn, TrainingRows, known_values, named
from tropism.features.transformations.values import NUMBERS, finite, floats, number, numbers

if TYPE_CHECKING:
    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Floats, Row


class _Scaled(OneColumn, frozen=True):
    name: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        return NUMBERS

    @property
    def outputs(self) -> dict[str, str]:
        return {self.name: "number"}


class Log(_Scaled, frozen=True, tag="log"):
    """The natural logarithm of x + offset; null where x + offset is not positive. `name`: `log_` and the column.

    >>> Log("amount", offset=1.0).apply_row({"amount": 0}), Log("amount").apply_row({"amount": -3})
    ({'log_amount': 0.0}, {'log_amount': None})
    """

    offset: float = 0.0

    def _faults(self) -> list[Fault]:
        return named(self, f"log_{self.column}")

    @property
    def declared(self) -> Log:
        return self

    def fit(self, rows: TrainingRows) -> Log:
        numbers(rows.table, self.column)
        return self

    def apply(self, table: pa.Table) -> Columns:
        with np.errstate(over="ignore"):
            moved = numbers(table, self.column) + self.offset
        moved[~(moved > 0)] = np.nan
        # Arrow calls the platform's log, as Python does. NumPy's vectors have a log of their own, with other last bits.
        return {self.name: floats(pc.ln(pa.array(moved)).to_numpy())}

    def apply_row(self, row: Row) -> Values:
        value = number(row, self.column)
        if value is None or not value + self.offset > 0:
            return {self.name: None}
        return {self.name: finite(math.log(value + self.offset))}


class ZScore(_Scaled, frozen=True, tag="z-score"):
    """(x - mean) / standard deviation of the training rows, which divides by n; 0.0 where all were equal. `name`:
    `zscore_` and the column."""

    def _faults(self) -> list[Fault]:
        return named(self, f"zscore_{self.column}")

    def fit(self, rows: TrainingRows) -> FittedZScore:
        known, low, high = _range(rows, self.column)
        if low == high:  # summing may round, so that the deviation of equal numbers is not 0
            return FittedZScore(self, low, 0.0)
        return FittedZScore(self, float(known.mean()), float(known.std()))


class FittedZScore(Checked, frozen=True, tag="z-score-fitted"):
    """`mean` and `scale` (standard deviation; 0 for a constant) of the training rows."""

    declared: ZScore
    mean: float
    scale: float

    @property
    def outputs(self) -> dict[str, str]:
        return self.declared.outputs

    def apply(self, table: pa.Table) -> Columns:
        return {self.declared.name: floats(_scaled(numbers(table, self.declared.column), self.mean, self.scale))}

    def apply_row(self, row: Row) -> Values:
        value = number(row, self.declared.column)
        if value is None or not self.scale:
            return {self.declared.name: None if value is None else 0.0}
        return {self.declared.name: finite((value - self.mean) / self.scale)}


class MinMax(_Scaled, frozen=True, tag="min-max"):
    """(x - min) / (max - min) of the training rows; 0.0 where all were equal. `clip`: what is out of their range
    becomes 0 or 1. `name`: `minmax_` and the column."""

    clip: bool = False

    def _faults(self) -> list[Fault]:
        return named(self, f"minmax_{self.column}")

    def fit(self, rows: TrainingRows) -> FittedMinMax:
        _, low, high = _range(rows, self.column)
        return FittedMinMax(self, low, high - low)


class FittedMinMax(Checked, frozen=True, tag="min-max-fitted"):
    """The smallest value of the training rows, and how far the largest is from it (`width`; 0 for a constant)."""

    declared: MinMax
    low: float
    width: float

    @property
    def outputs(self) -> dict[str, str]:
        return self.declared.outputs

    def apply(self, table: pa.Table) -> Columns:
        values = _scaled(numbers(table, self.declared.column), self.low, self.width)
        if self.declared.clip:
            values = np.where(values <= 0, 0.0, np.where(values >= 1, 1.0, values))
        return {self.declared.name: floats(values)}

    def apply_row(self, row: Row) -> Values:
        value = number(row, self.declared.column)
        if value is None or not self.width:
            return {self.declared.name: None if value is None else 0.0}
        value = (value - self.low) / self.width
        if self.declared.clip:
            value = 0.0 if value <= 0 else 1.0 if value >= 1 else value
        return {self.declared.name: finite(value)}


def _scaled(values: Floats, origin: float, scale: float) -> Floats:
    if not scale:
        return np.where(np.isnan(values), np.nan, 0.0)
    with np.errstate(over="ignore", under="ignore"):
        scaled: Floats = (values - origin) / scale
    return scaled


def _range(rows: TrainingRows, name: str) -> tuple[Floats, float, float]:
    known = known_values(numbers(rows.table, name), name)
    low, high = float(known.min()), float(known.max())
    largest = max(abs(low), abs(high))
    if largest > 1e150:  # squares of such numbers have no float
        fault = Fault(name, repr(largest), "take the logarithm first, or remove the wrong values")
        raise DataInvalid(f"the column '{name}' has values that are too large", fault)
    return known, low, high

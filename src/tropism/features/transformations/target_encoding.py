"""A category as the mean target of its rows, without telling a training row its own target."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.durations import parse_duration
from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.features.transformations.base import Checked, OneColumn, TrainingRows, named
from tropism.features.transformations.values import CATEGORIES, categories, category, floats

if TYPE_CHECKING:
    import numpy.typing as npt

    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Floats, Row

    Codes = npt.NDArray[np.int64]

USUAL_FOLDS = 5
MOST_FOLDS = 100
MOST_SMOOTHING = 1e12


class TargetEncoding(OneColumn, frozen=True, tag="target-encoding"):
    """(sum of the target over the category's rows + smoothing * prior) / (rows + smoothing), where the prior is the
    mean target of all rows (Micci-Barreca, 2001). What was never seen has the prior, what is missing is null.

    That is for serving. A training row's value comes from other rows only (`fit_apply`), or a model would read its
    target in it: where the rows have times, from the rows that are earlier by more than `delay`, the time that a target
    takes to be known (a row that has none before it is null); else from the rows outside its fold, of five. `folds`:
    2 to 100 folds by position, also where there are times. `name`: `target_` and the column.
    """

    smoothing: float = 10.0
    folds: int | None = None
    delay: str = "0"
    name: str = ""

    def _faults(self) -> list[Fault]:
        faults = named(self, f"target_{self.column}")
        if not 0 <= self.smoothing <= MOST_SMOOTHING:
            faults.append(Fault("smoothing", str(self.smoothing), f"use 0 to {MOST_SMOOTHING:.0e} rows"))
        if self.folds is not None and not 2 <= self.folds <= MOST_FOLDS:
            faults.append(Fault("folds", str(self.folds), f"use 2 to {MOST_FOLDS}, or none"))
        try:
            parse_duration(self.delay, "delay")
        except InvalidInput as error:
            faults += error.faults
        return faults

    @property
    def kinds(self) -> tuple[str, ...]:
        return CATEGORIES

    @property
    def outputs(self) -> dict[str, str]:
        return {self.name: "number"}

    def fit(self, rows: TrainingRows) -> FittedTargetEncoding:
        names, codes = _coded(rows, self.column)
        target = _target(rows)
        values, prior = self._encoded(codes, target, len(names))
        return FittedTargetEncoding(self, tuple(names), tuple(values.tolist()), prior)

    def fit_apply(self, rows: TrainingRows) -> tuple[FittedTargetEncoding, Columns]:
        names, codes = _coded(rows, self.column)
        target = _target(rows)
        values = np.full(len(codes), np.nan)
        if self.folds is None and rows.times is not None:
            values = self._by_time(codes, target, rows.times)
        else:
            folds = np.arange(len(codes)) * (self.folds or USUAL_FOLDS) // len(codes)
            for fold in range(folds[-1] + 1):
                inside = folds == fold
                if not inside.all():
                    found, prior = self._encoded(codes[~inside], target[~inside], len(names))
                    values[inside] = np.append(found, prior)[codes[inside]]
        values[codes < 0] = np.nan
        return self.fit(rows), {self.name: floats(values)}

    def _encoded(self, codes: Codes, target: Floats, size: int) -> tuple[Floats, float]:
        """The value of each category, the prior where it has no row; and the prior."""
        prior = float(target.mean())
        known = codes >= 0
        counts = np.bincount(codes[known], minlength=size)
        sums = np.bincount(codes[known], target[known], minlength=size)
        weights = counts + self.smoothing
        found = (sums + self.smoothing * prior) / np.where(counts, weights, 1)
        return np.where(counts, found, prior), prior

    def _by_time(self, codes: Codes, target: Floats, times: npt.NDArray[np.int64]) -> Floats:
        """Each row's value from earlier rows, one after the other: differences of running sums over all categories
        would round by what comes later."""
        delay, smoothing = parse_duration(self.delay), self.smoothing
        order = np.argsort(times, kind="stable")
        past = list(zip(times[order].tolist(), codes[order].tolist(), target[order].tolist(), strict=True))
        sums, counts = [0.0] * (int(codes.max()) + 2), [0] * (int(codes.max()) + 2)
        seen, total, values = 0, 0.0, np.full(len(codes), np.nan)
        for place, (time, code, _) in zip(order.tolist(), past, strict=True):
            while past[seen][0] < time - delay:
                _, other, label = past[seen]
                sums[other], counts[other] = sums[other] + label, counts[other] + 1
                total, seen = total + label, seen + 1
            if seen:
                prior, count = total / seen, counts[code]
                values[place] = (sums[code] + smoothing * prior) / (count + smoothing) if count else prior
        return values


class FittedTargetEncoding(Checked, frozen=True, tag="target-encoding-fitted"):
    """`values[i]` is that of `categories[i]`, from all training rows."""

    declared: TargetEncoding
    categories: tuple[str, ...]
    values: tuple[float, ...]
    prior: float

    def _faults(self) -> list[Fault]:
        if len(set(self.categories)) == len(self.categories) == len(self.values):
            return []
        return [Fault("values", f"{len(self.values)} for {len(self.categories)}", "give one to each category")]

    @property
    def outputs(self) -> dict[str, str]:
        return self.declared.outputs

    @cached_property
    def _values(self) -> dict[str, float]:
        return dict(zip(self.categories, self.values, strict=True))

    def apply(self, table: pa.Table) -> Columns:
        found = categories(table, self.declared.column)
        places = pc.fill_null(pc.index_in(found, pa.array(self.categories, pa.string())), len(self.categories))
        values = np.array([*self.values, self.prior])[places.to_numpy(zero_copy_only=False)]
        return {self.declared.name: pa.array(values, pa.float64(), mask=found.is_null().to_numpy(zero_copy_only=False))}

    def apply_row(self, row: Row) -> Values:
        value = category(row, self.declared.column)
        return {self.declared.name: None if value is None else self._values.get(value, self.prior)}


def _coded(rows: TrainingRows, name: str) -> tuple[list[str], Codes]:
    """The categories, and which each row has; -1 for none."""
    encoded = categories(rows.table, name).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


def _target(rows: TrainingRows) -> Floats:
    if rows.target is None or not len(rows.target):
        fix = "fit it with at least one row and the target of each"
        raise DataInvalid("target encoding learns from a target", Fault("target", "missing", fix))
    largest = float(np.abs(rows.target).max())
    if largest > 1e150:
        fault = Fault("target", repr(largest), "use another unit")
        raise DataInvalid("the target is too large to be added up", fault)
    return rows.target

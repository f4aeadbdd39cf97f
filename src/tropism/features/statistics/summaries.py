"""Statistics of each feature of a table, per day if wanted, that merge into those of more rows."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite, sqrt

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.features.statistics.frequent import SIZE, Frequent
from tropism.features.statistics.quantiles import Quantiles
from tropism.features.types import Dtype

Floats = NDArray[np.float64]
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_TOP = 20
_LONGEST = 256
_DAY = 86_400_000_000
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_FIRST, _LAST = datetime.date.min.toordinal() - _EPOCH, datetime.date.max.toordinal() - _EPOCH


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One feature. `count`: rows. `nulls`: NaN among them. `infinite`: values that nothing below takes in.

    Numbers, whole numbers and decimals have `minimum`, `maximum`, `mean` and `squares` (the sum of squared distances
    from the mean; None with the mean where they leave double precision); moments have the first two, in µs since the
    epoch. All of these have `quantiles`. Text and booleans have `values`, text cut to its first 256 characters.
    Vectors have counts only.
    """

    kind: str
    count: int = 0
    nulls: int = 0
    infinite: int = 0
    minimum: int | float | None = None
    maximum: int | float | None = None
    mean: float | None = None
    squares: float | None = None
    quantiles: Quantiles = Quantiles()
    values: Frequent = Frequent()

    @property
    def present(self) -> int:
        """Values that are neither null nor infinite."""
        return self.count - self.nulls - self.infinite

    @property
    def std(self) -> float | None:
        """The standard deviation, dividing by n - 1; None below two values."""
        return None if self.squares is None or self.present < 2 else sqrt(self.squares / (self.present - 1))

    @property
    def percentiles(self) -> dict[float, float]:
        """The quantiles 1, 5, 25, 50, 75, 95 and 99 %; see `quantiles.RANK_ERROR`."""
        return dict(zip(QUANTILES, self.quantiles.at(QUANTILES), strict=False))

    @property
    def top(self) -> dict[str, int]:
        """The 20 most frequent values and how often they were there at most; see `Frequent`."""
        return self.values.top(_TOP)

    def merge(self, other: Summary) -> Summary:
        """Of the rows of both. Counts, minimum and maximum are exact, the mean and `squares` up to rounding (Chan,
        Golub and LeVeque, 1983), quantiles and values as their sketches state.

        Raises:
            InvalidInput: they are of features of different types.
        """
        if self.kind != other.kind:
            fault = Fault("kind", f"{self.kind} and {other.kind}", "merge statistics of one type")
            raise InvalidInput("statistics of different types do not merge", fault)
        mean, squares = _merged_moments(self, other)
        lows = [one.minimum for one in (self, other) if one.minimum is not None]
        highs = [one.maximum for one in (self, other) if one.maximum is not None]
        return Summary(
            kind=self.kind,
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            infinite=self.infinite + other.infinite,
            minimum=min(lows, default=None),
            maximum=max(highs, default=None),
            mean=mean,
            squares=squares,
            quantiles=self.quantiles.merge(other.quantiles),
            values=self.values.merge(other.values),
        )


def summarise(table: pa.Table, dtypes: Mapping[str, Dtype]) -> dict[str, Summary]:
    """Statistics of each column that `dtypes` names.

    Raises:
        DataInvalid: a column is not there, or does not hold what its type says.

    >>> from tropism.features.types import dtype
    >>> found = summarise(pa.table({"a": [1.0, 3.0, None]}), {"a": dtype("number")})["a"]
    >>> found.count, found.nulls, found.mean, found.maximum
    (3, 1, 2.0, 3.0)
    """
    return {name: _summary(_column(table, name, kind), kind) for name, kind in dtypes.items()}


def by_day(
    table: pa.Table, times: pa.ChunkedArray, dtypes: Mapping[str, Dtype]
) -> dict[datetime.date, dict[str, Summary]]:
    """Statistics of each day (UTC), in order. `times`: timestamp[us, UTC], one for each row; rows without are left out.

    Raises:
        DataInvalid: as `summarise`; or the times are none.
    """
    if not pa.types.is_timestamp(times.type) or len(times) != table.num_rows:
        fault = Fault("times", f"{times.type}, {len(times)} rows", f"give {table.num_rows} moments")
        raise DataInvalid("days need a moment for each row", fault)
    columns = {name: _column(table, name, kind) for name, kind in dtypes.items()}
    days = np.floor_divide(
        times.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).drop_null().to_numpy(), _DAY
    )
    order = np.flatnonzero(np.asarray(times.is_valid()))[np.argsort(days, kind="stable")]
    ordered = pa.table(columns).take(pa.array(order)) if columns else pa.table({})
    unique, starts = np.unique(np.sort(days, kind="stable"), return_index=True)
    ends = [*starts[1:].tolist(), len(days)]
    if len(unique) and not _FIRST <= unique[0] <= unique[-1] <= _LAST:
        fix = "use moments of the years 1 to 9999"
        raise DataInvalid(
            "a moment is on no day of the calendar", Fault("times", f"day {unique[0]} to {unique[-1]}", fix)
        )
    found = {}
    for day, start, end in zip(unique.tolist(), starts.tolist(), ends, strict=True):
        part = ordered.slice(start, end - start)
        date = datetime.date.fromordinal(day + _EPOCH)
        found[date] = {name: _summary(part[name], kind) for name, kind in dtypes.items()}
    return found


def _column(table: pa.Table, name: str, kind: Dtype) -> pa.ChunkedArray:
    if table.column_names.count(name) != 1:
        there = "twice" if name in table.column_names else "missing"
        raise DataInvalid(
            "there is no one such column", Fault(name, there, f"use: {', '.join(table.column_names)[:200]}")
        )
    try:
        return table[name].cast(kind.arrow(), safe=kind.kind != "time")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        fault = Fault(name, str(table[name].type)[:80], f"make it {kind.arrow()} ({str(error)[:120]})")
        raise DataInvalid(f"the column '{name}' is of another type", fault) from error


def _summary(column: pa.ChunkedArray, kind: Dtype) -> Summary:
    name = _name(kind)
    if kind.kind == "vector":
        return Summary(kind=name, count=len(column), nulls=column.null_count)
    if kind.kind in ("text", "boolean"):
        return Summary(kind=name, count=len(column), nulls=column.null_count, values=_frequent(column))
    return _of_numbers(column, name, moments=kind.kind != "time")


def _of_numbers(column: pa.ChunkedArray, name: str, moments: bool) -> Summary:
    known = column.drop_null()
    if not moments:
        known = known.cast(pa.int64())
    values = np.asarray(known.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    missing = int(np.isnan(values).sum())
    finite = values[np.isfinite(values)]
    # Those of whole numbers are kept beyond 2^53.
    ends = pc.min_max(pa.array(finite) if pa.types.is_floating(known.type) else known).as_py()
    low, high = (float(one) if isinstance(one, Decimal) else one for one in (ends["min"], ends["max"]))
    mean, squares = _moments(finite) if moments else (None, None)
    return Summary(
        kind=name,
        count=len(column),
        nulls=column.null_count + missing,
        infinite=len(values) - len(finite) - missing,
        minimum=low,
        maximum=high,
        mean=mean,
        squares=squares,
        quantiles=Quantiles.of(finite),
    )


def _moments(values: Floats) -> tuple[float | None, float | None]:
    if not len(values):
        return None, None
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values.mean())
        return _within(mean, float(np.square(values - mean).sum()))


def _merged_moments(one: Summary, other: Summary) -> tuple[float | None, float | None]:
    if not one.present or not other.present:
        kept = other if not one.present else one
        return kept.mean, kept.squares
    if one.mean is None or one.squares is None or other.mean is None or other.squares is None:
        return None, None
    share = other.present / (one.present + other.present)
    apart = other.mean - one.mean
    squares = one.squares + other.squares + apart * apart * one.present * share
    return _within(one.mean + apart * share, squares)


def _within(mean: float, squares: float) -> tuple[float | None, float | None]:
    """Both, if they can be stored: JSON has no infinity."""
    return (mean, squares) if isfinite(mean) and isfinite(squares) else (None, None)


def _frequent(column: pa.ChunkedArray) -> Frequent:
    text = column.cast(pa.string())
    if (pc.max(pc.utf8_length(text)).as_py() or 0) > _LONGEST:
        text = pc.utf8_slice_codeunits(text, 0, _LONGEST)
    counted = pc.value_counts(text.drop_null())
    counts = counted.field("counts").to_numpy()
    cut = 0
    if len(counts) > SIZE:  # what `Frequent.of` would do, without each value becoming a Python object
        cut = int(np.partition(counts, -SIZE - 1)[-SIZE - 1])
        counted = counted.filter(pa.array(counts > cut))
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return Frequent.of(dict(pairs), cut)


def _name(kind: Dtype) -> str:
    more = kind.scale if kind.kind == "decimal" else kind.size
    return f"{kind.kind}({more})" if kind.kind in ("decimal", "vector") else kind.kind

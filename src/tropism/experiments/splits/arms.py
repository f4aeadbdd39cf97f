"""What was measured of the units of one variant, checked against the metric that reads it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.core.errors import Fault, InvalidInput
from tropism.core.metric import Metric

Floats = NDArray[np.float64]
_LARGEST = 1e75


class Arm(NamedTuple):
    """Units of one variant whose outcome window has closed, each an array of shape (n,).

    `values`: of each unit. `over`: the denominator of a ratio. `covariate`: known before the exposure. `day`: on
    which the unit was first exposed, any integers; without it all units are of one day.
    """

    values: ArrayLike
    over: ArrayLike | None = None
    covariate: ArrayLike | None = None
    day: ArrayLike | None = None


class Checked(NamedTuple):
    """An `Arm` that can be computed with. `over` and `covariate` are empty where there are none."""

    values: Floats
    over: Floats
    covariate: Floats
    day: NDArray[np.int64]

    def at(self, rows: NDArray[np.generic]) -> Checked:
        """Some of its units."""
        over = self.over[rows] if len(self.over) else self.over
        covariate = self.covariate[rows] if len(self.covariate) else self.covariate
        return Checked(self.values[rows], over, covariate, self.day[rows])


def checked(metric: Metric, name: str, arm: Arm) -> Checked:
    """`arm` as arrays. `name`: of the variant, for messages.

    Raises:
        InvalidInput: no units, numbers that are not finite, lengths that differ, or values that do not fit the metric.

    >>> checked(Metric(name="clicks", kind="proportion"), "control", Arm([0, 1, 1])).values.sum()
    np.float64(2.0)
    """
    field = f"{metric.name}.{name}"
    values = _numbers(f"{field}.values", arm.values)
    n = len(values)
    if not n:
        fix = "leave the variant out, or wait until an outcome window has closed"
        raise InvalidInput(f"metric {metric.name!r} has no units in {name!r}", Fault(f"{field}.values", "0 units", fix))
    over = _optional(f"{field}.over", arm.over, n)
    covariate = _optional(f"{field}.covariate", arm.covariate, n)
    day = np.zeros(n, np.int64) if arm.day is None else _days(f"{field}.day", arm.day, n)
    _check_kind(metric, field, values, over, covariate)
    return Checked(values, over, covariate, day)


def _check_kind(metric: Metric, field: str, values: Floats, over: Floats, covariate: Floats) -> None:
    wrong = np.flatnonzero((values != 0) & (values != 1)) if metric.kind == "proportion" else np.empty(0, np.int64)
    if len(wrong):
        found, fix = str(float(values[wrong[0]])), "give 0 or 1 for each unit, or use kind='mean'"
        raise InvalidInput(
            f"metric {metric.name!r} is a proportion, and {len(wrong)} of its values are neither 0 nor 1",
            Fault(f"{field}.values[{wrong[0]}]", found, fix),
        )
    if metric.kind == "ratio" and not len(over):
        fix = f"give {metric.over or 'the denominator'!r} of each unit"
        raise InvalidInput(f"metric {metric.name!r} is a ratio without a denominator", Fault(f"{field}.over", "", fix))
    if metric.kind == "ratio" and not ((over >= 0).all() and over.sum() > 0):
        fix = "give denominators of 0 or more that are not all 0"
        what = f"sum {float(over.sum())}, smallest {float(over.min())}"
        raise InvalidInput(f"metric {metric.name!r} divides by nothing", Fault(f"{field}.over", what, fix))
    if metric.kind == "quantile" and len(covariate):
        fix = "leave it out: a quantile is not adjusted"
        raise InvalidInput(f"metric {metric.name!r} takes no covariate", Fault(f"{field}.covariate", "given", fix))


def _numbers(field: str, given: ArrayLike) -> Floats:
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{field} are not numbers", Fault(field, str(error), "give numbers")) from error
    if numbers.ndim != 1:
        raise InvalidInput("units come as one row", Fault(field, f"shape {numbers.shape}", "give one number per unit"))
    bad = np.flatnonzero(~(np.abs(numbers) < _LARGEST))
    if len(bad):
        fix = "give finite numbers, and leave out units without an outcome"
        raise InvalidInput(f"{len(bad)} numbers are not finite", Fault(f"{field}[{bad[0]}]", str(numbers[bad[0]]), fix))
    return numbers


def _optional(field: str, given: ArrayLike | None, n: int) -> Floats:
    if given is None:
        return np.empty(0)
    return _long(field, _numbers(field, given), n)


def _long(field: str, numbers: Floats, n: int) -> Floats:
    if len(numbers) != n:
        fix = f"give one for each of the {n} units"
        raise InvalidInput(f"{field} does not match the values", Fault(field, f"{len(numbers)} numbers", fix))
    return numbers


def _days(field: str, given: ArrayLike, n: int) -> NDArray[np.int64]:
    days = _long(field, _numbers(field, given), n)
    if (days != np.floor(days)).any():
        raise InvalidInput("a day is a whole number", Fault(field, "fractions", "count days from any fixed date"))
    return days.astype(np.int64)

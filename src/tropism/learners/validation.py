"""What data and parameters must be before a learner sees them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import DataInvalid, Fault, SettingInvalid

if TYPE_CHECKING:
    from collections.abc import Collection

    from tropism.core.task import Kind, Task
    from tropism.learners.data import Encoded

LARGEST_LABEL = 1e100
"""Sums of squares of larger ones leave the range of floats."""


def check_training(data: Encoded, task: Task, kinds: Collection[Kind]) -> None:
    """Raises `SettingInvalid` or `DataInvalid` when a learner of these kinds cannot be fitted on `data`."""
    if task.kind not in kinds:
        fix = f"choose a learner for {task.kind} tasks; this one fits: {', '.join(sorted(kinds))}"
        raise SettingInvalid(f"the learner cannot fit task '{task.name}'", Fault("learners", task.kind, fix))
    rows = len(data.labels)
    if rows == 0:
        fix = "train when outcomes have arrived, or on a longer window"
        raise DataInvalid(f"there is nothing to train '{task.name}' on", Fault("rows", "0", fix))
    for name, array in (("features", data.matrix), ("at", data.at), ("weights", data.weights)):
        if array is not None and len(array) != rows:
            raise DataInvalid("the data does not line up", Fault(name, f"{len(array)} rows", f"give {rows} rows"))
    _check_labels(data, task)
    _check_weights(data)


def _check_labels(data: Encoded, task: Task) -> None:
    bad = np.flatnonzero(~np.isfinite(data.labels))
    if len(bad):
        shown = f"{data.labels[bad[0]]} in row {bad[0]} ({len(bad)} such rows)"
        raise DataInvalid("a label is not a number", Fault(task.target, shown, "leave rows without a label out"))
    if task.kind == "regression":
        largest = float(np.max(np.abs(data.labels)))
        if largest > LARGEST_LABEL:
            fix = f"rescale the target to at most {LARGEST_LABEL:g}"
            raise DataInvalid("a label is too large", Fault(task.target, f"{largest:g}", fix))
        return
    classes = task.classes or ("0", "1")
    found = np.unique(data.labels)
    if found[0] < 0 or found[-1] >= len(classes) or np.any(found != np.floor(found)):
        fix = f"use class numbers from 0 to {len(classes) - 1}"
        raise DataInvalid("a label is no class", Fault(task.target, str(found[:5].tolist()), fix))
    if len(found) == 1:
        fix = f"train on data with at least two of: {', '.join(classes)}"
        raise DataInvalid(
            f"every row of '{task.name}' has the same class", Fault(task.target, f"only {classes[int(found[0])]}", fix)
        )


def _check_weights(data: Encoded) -> None:
    if data.weights is None:
        return
    if not np.all(np.isfinite(data.weights)) or np.any(data.weights < 0) or not np.any(data.weights > 0):
        fix = "use finite numbers of at least 0, not all of them 0"
        raise DataInvalid("the weights cannot be used", Fault("weights", "", fix))


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value` if it is a whole number from `low` to `high`, else `SettingInvalid`.

    >>> whole("num_trees", 100, 1, 10_000)
    100
    """
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise _refused(name, value, f"use a whole number from {low} to {high}")


def real(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float if it is a number from `low` to `high`, else `SettingInvalid`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high:
        return float(value)
    raise _refused(name, value, f"use a number from {low:g} to {high:g}")


def _refused(name: str, value: object, fix: str) -> SettingInvalid:
    return SettingInvalid("a learner's parameter is not valid", Fault(name, repr(value), fix))

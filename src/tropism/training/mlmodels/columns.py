"""Which features of a task the columns of a model are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Feature, Task
    from tropism.training.mlmodels.folder import Described

_FITS = {"number": ("number",), "category": ("category",), "boolean": ("boolean", "number")}
"""What the signature may call a feature of each type: MLflow knows booleans as whole numbers too."""


def features_of(task: Task, described: Described, own: Sequence[str] = (), width: int | None = None) -> list[Feature]:
    """The task's features in the order of the model's columns.

    `own`: names that the model itself keeps; `width`: how many columns it takes, where it knows. Columns without
    names are the task's features, in the task's order. A feature that the model does not look at may be missing.

    Raises:
        InvalidInput: a column is no feature, has another type, or there are too many or too few; names each.
    """
    by_name = {feature.name: feature for feature in task.features}
    named = [one.name for one in described.inputs or ()]
    faults: list[Fault] = []
    if named and all(named):
        names = named
        faults = _type_faults(task, described)
    elif own and set(own) <= by_name.keys():
        names = list(own)
    else:
        names = [feature.name for feature in task.features]
    takes = width if width is not None else described.width
    if not faults and takes is not None and takes != len(names):
        fix = f"give the model a signature that names its {takes} columns, or declare as many features"
        faults.append(Fault("columns", f"the model takes {takes}, there are {len(names)}", fix))
    if not faults and len(set(names)) < len(names):
        faults.append(Fault("columns", str(names)[:80], "name each column once"))
    if faults:
        raise InvalidInput(f"the model does not fit the task '{task.name}'", *faults)
    if own and named and set(own) == set(names):  # the model's own order counts
        names = list(own)
    return [by_name[name] for name in names]


def _type_faults(task: Task, described: Described) -> list[Fault]:
    types = {feature.name: feature.type for feature in task.features}
    faults = []
    for one in described.inputs or ():
        wanted = types.get(one.name)
        field = f"signature.inputs.{one.name}"
        if wanted is None:
            have = ", ".join(types)[:120]
            faults.append(Fault(field, f"a {one.type}, the task has no such feature", f"it has: {have}"))
        elif one.type not in _FITS[wanted]:
            fix = "train the model on the feature's type, or change the task"
            faults.append(Fault(field, f"the model takes a {one.type}, the task has a {wanted}", fix))
    return faults

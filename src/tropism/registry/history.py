"""Which changes to a task would break the history that is already stored under its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tropism.core.errors import Fault

if TYPE_CHECKING:
    from tropism.core.task import Task

_ANEW = "declare a task of another name for it"


def history_faults(old: Task, new: Task) -> list[Fault]:
    """What `new` changes in `old` that predictions, outcomes or models stored under it cannot follow.

    >>> from tropism.core.task import Feature, Task
    >>> old = Task(name="t", kind="binary", target="y", features=(Feature("a"), Feature("b")))
    >>> new = Task(name="t", kind="binary", target="y", features=(Feature("a"),))
    >>> [(fault.field, fault.value) for fault in history_faults(old, new)]
    [('features.b', 'removed, it was a number')]
    """
    return [*_meaning(old, new), *_kept_features(old, new), *_added_features(old, new), *_classes(old, new)]


def _meaning(old: Task, new: Task) -> list[Fault]:
    faults = []
    for field in ("kind", "target", "entity"):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            faults.append(Fault(field, f"{after!r}, it was {before!r}", f"put it back, or {_ANEW}"))
    return faults


def _kept_features(old: Task, new: Task) -> list[Fault]:
    faults = []
    now = {feature.name: feature for feature in new.features}
    for feature in old.features:
        field, same = f"features.{feature.name}", now.get(feature.name)
        if same is None:
            fix = f"keep it, as models were trained on it; to stop using it {_ANEW}"
            faults.append(Fault(field, f"removed, it was a {feature.type}", fix))
        elif same.type != feature.type:
            fix = "put it back, or add a feature of another name with the new type"
            faults.append(Fault(f"{field}.type", f"{same.type!r}, it was {feature.type!r}", fix))
    return faults


def _added_features(old: Task, new: Task) -> list[Fault]:
    faults = []
    for feature in new.features:
        given = feature.nullable or feature.default is not msgspec.UNSET
        if feature.name not in old.feature_names and not given:
            fix = "give it a default or make it nullable, as earlier predictions do not have it"
            faults.append(Fault(f"features.{feature.name}", "new, without a default, not nullable", fix))
    return faults


def _classes(old: Task, new: Task) -> list[Fault]:
    if old.kind != "multiclass" or new.classes[: len(old.classes)] == old.classes:
        return []
    value = f"{list(new.classes)}, they were {list(old.classes)}"
    return [Fault("classes", value, "keep these first, in their order, and add new ones after them")]

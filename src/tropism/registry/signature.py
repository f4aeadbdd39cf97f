"""What a model version takes and gives, and whether it still fits its task.

A signature is JSON: `{"kind": "binary", "inputs": [{"name": "demand", "type": "number"}], "classes": []}`.
A part that is left out is not checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task


def signature_faults(signature: Mapping[str, Any], task: Task) -> list[Fault]:
    """Why a model with this signature cannot serve the task; empty when it can.

    >>> from tropism.core.task import Feature, Task
    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("a"),))
    >>> [fault.field for fault in signature_faults({"inputs": [{"name": "b", "type": "number"}]}, task)]
    ['signature.inputs.b']
    """
    fix = "train a new version for the task as it is now"
    faults = []
    kind = signature.get("kind", task.kind)
    if kind != task.kind:
        faults.append(Fault("signature.kind", f"{kind!r}, the task is {task.kind!r}", fix))
    types = {feature.name: feature.type for feature in task.features}
    for entry in signature.get("inputs", ()):
        name, needed = entry["name"], entry["type"]
        if types.get(name) != needed:
            have = f"the task has {types[name]!r}" if name in types else "the task has no such feature"
            faults.append(Fault(f"signature.inputs.{name}", f"{needed!r}, {have}", fix))
    classes = tuple(signature.get("classes", ()))
    if classes != task.classes[: len(classes)]:
        faults.append(Fault("signature.classes", f"{list(classes)}, the task has {list(task.classes)}", fix))
    return faults

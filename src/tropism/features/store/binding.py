"""Tasks that name feature views: which features those are, and by which keys they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec

from tropism.core.errors import Fault, InvalidInput, UnknownFeature
from tropism.core.task import Dtype as TaskDtype
from tropism.core.task import Feature, Task

if TYPE_CHECKING:
    from tropism.features.store.definitions import Definitions, Named

_AS: dict[str, TaskDtype] = {
    "number": "number",
    "integer": "number",
    "decimal": "number",
    "text": "category",
    "boolean": "boolean",
}


def bind(task: Task, definitions: Definitions) -> Task:
    """The task with a `Feature` for each feature that its `views` name, and the keys that they are found by.

    A feature that the task declares under the same name keeps its default and its limits.

    Raises:
        InvalidInput: a view or a feature is not there, or is of a type that a task cannot have.
    """
    if not task.views:
        return task
    declared = {feature.name: feature for feature in task.features}
    found, keys, faults = dict(declared), dict[str, None](), list[Fault]()
    stored = dict[str, str]()
    for name in task.views:
        try:
            named = definitions.find(name)
        except UnknownFeature as error:
            faults += [Fault("views", fault.value, fault.fix) for fault in error.faults]
            continue
        if name in definitions.on_demand:
            amiss = definitions.amiss(definitions.on_demand[name])
            faults += [Fault("views", f"{name}, which reads {fault.value}", fault.fix) for fault in amiss]
        for one in named:
            kind = _AS.get(one.dtype.kind)
            if kind is None:
                faults.append(Fault("views", one.name, _unfit(one)))
                continue
            found[one.name] = _feature(declared.get(one.name), one, kind)
            taken = stored.setdefault(one.name, found[one.name].view)
            if taken != found[one.name].view:
                faults.append(Fault("views", name, f"name one version only; '{one.name}' is of {taken} too"))
            keys.update(dict.fromkeys(_keys(one, definitions)))
    if faults:
        raise InvalidInput(f"task '{task.name}' is not valid", *faults)
    return msgspec.structs.replace(task, features=tuple(found.values()), keys=tuple(keys))


def _feature(declared: Feature | None, one: Named, kind: TaskDtype) -> Feature:
    view = one.name if one.view is None else one.view.stored
    if declared is None:
        return Feature(one.name, kind, view=view, description=one.description)
    if declared.type != kind:
        fault = Fault(f"features.{one.name}.type", repr(declared.type), f"make it {kind!r}, as the view has it")
        raise InvalidInput("a feature is of another type than its view says", fault)
    return msgspec.structs.replace(declared, view=view)


def _keys(one: Named, definitions: Definitions) -> list[str]:
    needed = [one] if one.view is not None else definitions.needs(definitions.on_demand[one.name])
    return [key for part in needed if part.view is not None for key in part.view.view.entity.keys]


def _unfit(one: Named) -> str:
    kinds = ", ".join(get_args(TaskDtype))
    return f"a {one.dtype.kind} is none of what a task reads ({kinds}); name the view's other features one by one"

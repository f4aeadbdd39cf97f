"""Scored rows as output tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown
from tropism.entrypoints.api.protocols.tensors import Tensor
from tropism.serving.scores import prediction, probabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.events import Prediction
    from tropism.core.task import Task

_PREDICTIONS = {"binary": "BOOL", "multiclass": "BYTES", "regression": "FP64"}


class Wanted(NamedTuple):
    """An output that was asked for. `classes`: how many of the likeliest, as texts; 0 asks for the numbers."""

    name: str
    classes: int = 0
    binary: bool = False


def classes_of(task: Task) -> tuple[str, ...]:
    """What the columns of `probabilities` are; empty for a regression task."""
    return ("false", "true") if task.kind == "binary" else task.classes


def outputs_of(task: Task) -> dict[str, tuple[str, list[int]]]:
    """Datatype and shape of each output of a task, by name; -1 stands for the number of rows."""
    found = {"prediction": (_PREDICTIONS[task.kind], [-1])}
    if task.kind != "regression":
        found["probabilities"] = ("FP64", [-1, len(classes_of(task))])
    return found | {"prediction_id": ("BYTES", [-1]), "version": ("INT64", [-1])}


def wanted(name: str, parameters: Mapping[str, Any], *, binary: bool = False) -> Wanted:
    """An output that a request names. `binary`: whether it is sent as bytes if its parameters say nothing.

    Raises:
        InvalidInput: a parameter cannot be used.
    """
    refuse_shared_memory(parameters, f"output {shown(name)}")
    classes: Any = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        fault = Fault("parameters.classification", shown(classes), "send how many classes to name, 1 or more")
        raise InvalidInput(f"output {shown(name)} has a parameter that does not fit", fault)
    as_bytes: Any = parameters.get("binary_data", binary)
    if type(as_bytes) is not bool:
        fault = Fault("parameters.binary_data", shown(as_bytes), "send true or false")
        raise InvalidInput(f"output {shown(name)} has a parameter that does not fit", fault)
    return Wanted(name, classes, as_bytes)


def refuse_shared_memory(parameters: Mapping[str, Any], tensor: str) -> None:
    """Raises `InvalidInput` for a tensor that is to be found in, or put into, memory that is shared."""
    if any(name.startswith("shared_memory_") for name in parameters):
        fault = Fault("parameters", "shared_memory_region", "send tensors in the request, as JSON or as bytes")
        raise InvalidInput(f"{tensor} is in shared memory, which this server does not use", fault)


def check_wanted(task: Task, asked: Sequence[Wanted]) -> None:
    """Looks, before anything is predicted, whether a task has the outputs that a request asks for.

    Raises:
        InvalidInput: an output is unknown, is named twice, or has no classes to name.
    """
    known = outputs_of(task) if asked else {}
    seen: set[str] = set()
    for one in asked:
        if one.name not in known:
            fault = Fault("outputs", shown(one.name), f"the outputs are: {', '.join(known)}")
            raise InvalidInput(f"there is no output {shown(one.name)}", fault)
        if one.name in seen:
            raise InvalidInput("an output is named twice", Fault("outputs", shown(one.name), "name it once"))
        if one.classes and one.name != "probabilities":
            fault = Fault("parameters.classification", str(one.classes), "ask for classes of 'probabilities'")
            raise InvalidInput(f"output {shown(one.name)} has no classes", fault)
        seen.add(one.name)


def write_outputs(task: Task, events: Sequence[Prediction], asked: Sequence[Wanted]) -> list[Tensor]:
    """The outputs that were asked for, or all of them, in this order."""
    described = outputs_of(task)
    return [_output(task, events, one, *described[one.name]) for one in asked or map(Wanted, described)]


def _output(task: Task, events: Sequence[Prediction], one: Wanted, datatype: str, shape: list[int]) -> Tensor:
    if one.classes:
        count = min(one.classes, len(classes_of(task)))
        texts = [text for event in events for text in _likeliest(task, event, count)]
        return Tensor(one.name, "BYTES", (len(events), count), texts)
    values: list[Any]
    if one.name == "prediction":
        values = [prediction(task, event.scores) for event in events]
    elif one.name == "probabilities":
        values = [chance for event in events for chance in _chances(task, event)]
    elif one.name == "prediction_id":
        values = [event.id for event in events]
    else:
        values = [event.version for event in events]
    return Tensor(one.name, datatype, (len(events), *shape[1:]), values)


def _chances(task: Task, event: Prediction) -> list[float]:
    return list((probabilities(task, event.scores) or {}).values())


def _likeliest(task: Task, event: Prediction, count: int) -> list[str]:
    """The likeliest classes as `value:index:label`, likeliest first."""
    chances = _chances(task, event)
    order = sorted(range(len(chances)), key=lambda index: -chances[index])[:count]
    return [f"{chances[index]:f}:{index}:{classes_of(task)[index]}" for index in order]

"""Input tensors to rows of a task: one tensor per feature, or one matrix of all features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput, MissingFeature, TooLarge, UnknownFeature
from tropism.core.faults import Faults, close_to, shown
from tropism.entrypoints.api.protocols.open_inference_extras import EXTRAS, beside
from tropism.entrypoints.api.protocols.tensors import DATATYPES, Tensor, named
from tropism.serving.requests import Ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Feature, Task
    from tropism.serving.requests import Limits
    from tropism.serving.snapshot import Deployment


def read_asks(tensors: Sequence[Tensor], deployment: Deployment, now: int, limits: Limits) -> list[Ask]:
    """The rows that input tensors hold.

    Each feature comes in a tensor of its name and of shape [rows] or [rows, 1]; or all come in one tensor of any
    other name and of shape [rows, features], in the order in which the task declares them. A missing value is a
    NaN, an empty BYTES element, or in JSON a null.

    Raises:
        TooLarge: more rows than the limit.
        MissingFeature, UnknownFeature, InvalidInput: names every fault of every row.
    """
    task = deployment.task.asked
    columns, extras = _columns(tensors, task)
    count = _rows({**columns, **extras}, limits.rows)
    _check_names(columns, task)
    features = [feature for feature in task.features if feature.name in columns]
    read = [_values(feature, columns[feature.name], feature.name in task.keys) for feature in features]
    names = [feature.name for feature in features]
    faults = Faults()
    asks = []
    for index, values in enumerate(zip(*read, strict=True) if read else [()] * count):
        row, notes = deployment.rows.read(dict(zip(names, values, strict=True)), f"row {index}: ", faults)
        asks.append(Ask(row, notes))
    if extras:
        asks = beside(asks, extras, deployment.tag, now, limits.tolerance, faults)
    faults.check()
    return asks


def _columns(tensors: Sequence[Tensor], task: Task) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors of features, and those that stand beside them, by name."""
    columns: dict[str, Tensor] = {}
    extras: dict[str, Tensor] = {}
    names = set(task.feature_names)
    for tensor in tensors:
        found = extras if tensor.name in EXTRAS and tensor.name not in names else columns
        if tensor.name in found:
            fault = Fault("inputs", shown(tensor.name), "send each input once")
            raise InvalidInput(f"{named(tensor.name)} is sent twice", fault)
        found[tensor.name] = tensor
    if len(columns) == 1:
        (only,) = columns.values()
        if only.name not in names and len(only.shape) == 2 and only.shape[1] == len(task.features):
            columns = _split(only, task)
    return columns, extras


def _split(matrix: Tensor, task: Task) -> dict[str, Tensor]:
    width = len(task.features)
    return {
        name: Tensor(name, matrix.datatype, matrix.shape[:1], matrix.values[index::width])
        for index, name in enumerate(task.feature_names)
    }


def _rows(tensors: dict[str, Tensor], most: int) -> int:
    """How many rows the tensors have, which is the same number for all."""
    if not tensors:
        fix = "send a tensor for each feature; the model's metadata lists them"
        raise InvalidInput("the request has no inputs", Fault("inputs", "none", fix))
    counts: dict[str, int] = {}
    for name, tensor in tensors.items():
        if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ((), (1,)):
            fix = "use [rows] or [rows, 1] for each feature, or [rows, features] for all features in one input"
            raise InvalidInput(f"{named(name)} has a shape that does not fit", _shape(tensor, fix))
        counts[name] = tensor.shape[0]
    first, count = next(iter(counts.items()))
    for name, other in counts.items():
        if other != count:
            fix = f"send {count} rows, as in input {shown(first)}"
            raise InvalidInput("the inputs differ in their numbers of rows", _shape(tensors[name], fix))
    if count > most:
        fix = f"predict in batches of at most {most} (max_rows)"
        raise TooLarge(f"{count} rows are too many for one request", _shape(tensors[first], fix))
    if count == 0:
        raise InvalidInput("the inputs have no rows", _shape(tensors[first], "send at least one row"))
    return count


def _shape(tensor: Tensor, fix: str) -> Fault:
    return Fault(f"{named(tensor.name)}, shape", str(list(tensor.shape)), fix)


def _check_names(columns: dict[str, Tensor], task: Task) -> None:
    faults = Faults()
    for name in columns:
        if name not in task.feature_names:
            close = None if faults.full else close_to(name, task.feature_names)
            fix = f"did you mean '{close}'?" if close else f"the inputs are: {', '.join(task.feature_names)[:400]}"
            faults.add(UnknownFeature, f"there is no {named(name)}", "inputs", shown(name), fix)
    for feature in task.features:
        if feature.name not in columns and feature.default is msgspec.UNSET:
            fix = f"send {_DATATYPES[feature.type]}"
            faults.add(MissingFeature, f"{named(feature.name)} is missing", named(feature.name), "", fix)
    faults.check()


_DATATYPES = {
    "number": "a tensor of FP64 or FP32, or of whole numbers",
    "category": "a tensor of BYTES",
    "boolean": "a tensor of BOOL, or of numbers that are 0 or 1",
}


def _values(feature: Feature, tensor: Tensor, is_key: bool) -> list[Any]:
    """A feature's values as our own protocol would have them. Keys may be whole numbers."""
    kind = DATATYPES[tensor.datatype].kind
    if is_key and kind == "integer":
        return list(tensor.values)
    fits = {
        "number": ("float", "integer"),
        "category": ("bytes",),
        "boolean": ("boolean", "float", "integer"),
    }[feature.type]
    if kind not in fits:
        fault = Fault("datatype", tensor.datatype, f"send {_DATATYPES[feature.type]}")
        raise InvalidInput(f"feature '{feature.name}' is a {feature.type}", fault)
    values = tensor.values
    if kind == "float":
        values = [None if value != value else value for value in values]  # NaN
    if kind == "bytes":
        values = [value or None for value in values]
    return [_truth(value) for value in values] if feature.type == "boolean" and kind != "boolean" else values


def _truth(value: float | None) -> object:
    """0 and 1 as booleans; what is neither stays as it is, to be refused with its row."""
    return bool(value) if value in (0, 1) else value

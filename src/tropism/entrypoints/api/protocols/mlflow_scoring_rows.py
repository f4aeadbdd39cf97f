"""Rows in MLflow's forms as rows of a task: values are converted as MLflow's schema enforcement converts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput, MalformedBody
from tropism.core.faults import Faults
from tropism.serving.requests import Ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Dtype, Task
    from tropism.entrypoints.api.protocols.mlflow_scoring_forms import Row
    from tropism.serving.snapshot import Deployment

_SPELLED = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def read_rows(rows: Sequence[Row], deployment: Deployment, *, cells: bool = False) -> list[Ask]:
    """The rows of a request, checked. They all have the same columns.

    Texts that spell numbers are read as numbers, numbers as categories, 0 and 1 as booleans. `cells`: every value
    is a text of a CSV file, so that true and false are spelled too.

    Raises:
        InvalidInput: a column is missing that the task needs.
        MalformedBody: names every value that cannot be used; MLflow tells these two apart so.
    """
    if rows:
        _check_columns(rows[0], deployment.task.asked)
    types = {feature.name: feature.type for feature in deployment.task.asked.features}
    faults = Faults()
    asks = []
    for index, row in enumerate(rows):
        plain = Faults()
        found = deployment.rows.read(row, "", plain)
        if cells or plain:
            converted = {name: _converted(value, types[name], cells) for name, value in row.items()}
            found = deployment.rows.read(converted, f"rows[{index}].", faults)
        asks.append(Ask(*found))
    _check_values(faults)
    return asks


def _check_columns(row: Row, task: Task) -> None:
    missing = [one.name for one in task.features if one.name not in row and one.default is msgspec.UNSET]
    if missing:
        faults = [Fault(name, "", "send this column") for name in missing[:50]]
        raise InvalidInput(f"Model is missing inputs {missing[:50]}.", *faults)


def _check_values(faults: Faults) -> None:
    try:
        faults.check()
    except InvalidInput as error:
        message = f"Invalid input. Data is not compatible with model signature. {error.message}"
        raise MalformedBody(message, *error.faults) from error


def _converted(value: Any, kind: Dtype, cell: bool) -> Any:
    """The value as a feature of that kind, where it can be one; else the value itself, to be refused."""
    if value is None:
        return None
    if kind == "number":
        return _number(value)
    if kind == "category":
        return str(value) if isinstance(value, int | float) else value
    if cell:
        return _SPELLED.get(value.strip().lower(), value)
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or "_" in value or not value.isascii():
        return value
    try:
        return float(value)
    except ValueError:
        return value

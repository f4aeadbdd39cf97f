"""What every transformation can do: be declared, be fitted on training rows, and be applied to columns and to a row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, get_origin

import msgspec
import numpy as np

from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.features.names import name_faults

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from tropism.features.transformations.values import Floats, Row

    Columns = dict[str, pa.Array]
    Values = dict[str, Any]


class TrainingRows:
    """What a transformation is fitted on.

    `table`: n rows. `target`: (n,) numbers or booleans, for what learns from it. `times`: (n,) µs since the epoch at
    which the rows were true, where there is time.
    """

    def __init__(
        self, table: pa.Table, target: npt.ArrayLike | None = None, times: npt.ArrayLike | None = None
    ) -> None:
        """Raises `DataInvalid` when the lengths differ, or a target or a time is missing or no number."""
        self.table = table
        rows = len(table)
        self.target: Floats | None = None
        if target is not None:
            self.target = _array("target", target, rows, "biuf", "numbers or booleans").astype(np.float64)
        self.times: npt.NDArray[np.int64] | None = None
        if times is not None:
            self.times = _array("times", times, rows, "i", "whole µs since the epoch").astype(np.int64)


def _array(name: str, given: npt.ArrayLike, rows: int, kinds: str, wanted: str) -> npt.NDArray[Any]:
    values = np.asarray(given)
    if values.shape != (rows,):
        fault = Fault(name, f"of shape {values.shape}", f"give {rows}, one a row")
        raise DataInvalid(f"the {name} and the rows differ in number", fault)
    if values.dtype.kind not in kinds or not np.isfinite(values).all():
        fault = Fault(name, str(values.dtype), f"give {wanted}, none missing or infinite")
        raise DataInvalid(f"the {name} cannot be used", fault)
    return values


class Fitted(Protocol):
    """A transformation with what it learned: plain data. Applied to columns or to a row, it gives equal bits."""

    @property
    def declared(self) -> Transformation:
        """What was fitted."""

    @property
    def outputs(self) -> dict[str, str]:
        """The names of its outputs, and the names of their types."""

    def apply(self, table: pa.Table) -> Columns:
        """Its outputs for every row. Raises `DataInvalid` for a column that is missing or cannot be read."""

    def apply_row(self, row: Row) -> Values:
        """Its outputs for one row. Raises `InvalidInput` for a value that is missing or cannot be read."""


class Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True, tag_field="transformation"):
    """Plain data that is checked whether it is declared or decoded. It has a `__dict__` for what is derived of it."""

    def __post_init__(self) -> None:
        faults = _type_faults(self) or self._faults()
        if faults:
            raise InvalidInput(f"the transformation '{self.__struct_config__.tag}' is not valid", *faults)

    def _faults(self) -> list[Fault]:
        return []


class Transformation(Checked, frozen=True):
    """A declaration. Nothing is learned yet."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it is made of."""
        raise NotImplementedError

    @property
    def kinds(self) -> tuple[str, ...]:
        """What those columns may hold (`Dtype.kind`)."""
        raise NotImplementedError

    @property
    def outputs(self) -> dict[str, str]:
        """The names of its outputs, and the names of their types, as far as they are known before it is fitted."""
        raise NotImplementedError

    def fit(self, rows: TrainingRows) -> Fitted:
        """What is learned from training rows.

        Raises:
            DataInvalid: a column is missing, cannot be read, or has nothing to learn from.
        """
        raise NotImplementedError

    def fit_apply(self, rows: TrainingRows) -> tuple[Fitted, Columns]:
        """Fits, and gives the outputs that a model is to be trained on."""
        fitted = self.fit(rows)
        return fitted, fitted.apply(rows.table)


class OneColumn(Transformation, frozen=True):
    """A declaration that reads one `column`. `name`: of the output; see the class for the one that it has without."""

    column: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)


def named(step: Checked, default: str) -> list[Fault]:
    """Gives a declaration its output's name where it has none; what is wrong with the name."""
    name = getattr(step, "name", "") or default
    msgspec.structs.force_setattr(step, "name", name)
    return name_faults("name", name, column=True)


def columns_faults(columns: tuple[str, ...], least: int = 2) -> list[Fault]:
    """What is wrong with a list of columns."""
    if len(columns) < least or len(set(columns)) < len(columns):
        return [Fault("columns", repr(columns)[:80], f"name at least {least}, each once")]
    return [fault for name in columns for fault in name_faults("columns", name, column=True)]


def known_values(values: Floats, name: str) -> Floats:
    """The numbers among them. Raises `DataInvalid` when there is none."""
    known: Floats = values[~np.isnan(values)]
    if not len(known):
        fault = Fault(name, f"{len(values)} rows without a value", "fit it on rows that have values, or leave it out")
        raise DataInvalid(f"the column '{name}' has nothing to learn from", fault)
    return known


def _type_faults(step: Checked) -> list[Fault]:
    """msgspec checks types when it decodes, not when an object is made by hand."""
    faults = []
    for field in msgspec.structs.fields(type(step)):
        value = getattr(step, field.name)
        try:
            value = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            choices = ", ".join(map(str, _choices(field.type)))
            wanted = str(error).partition(", got")[0].replace("Expected", "give")
            faults.append(Fault(field.name, repr(value)[:80], f"use one of: {choices}" if choices else wanted))
            continue
        parts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(part, float) and not math.isfinite(part) for part in parts):
            faults.append(Fault(field.name, repr(value)[:80], "use finite numbers"))
        msgspec.structs.force_setattr(step, field.name, value)
    return faults


def _choices(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(choice for part in get_args(kind) for choice in _choices(part))

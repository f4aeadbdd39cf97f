"""Transformations one after the other, declared once, fitted on training rows, and applied online and offline."""

from __future__ import annotations

import errno
import hashlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import msgspec
import pyarrow as pa

from tropism.core.errors import DataInvalid, DiskFull, Fault, InvalidInput, NotWritable
from tropism.features.names import name_faults
from tropism.features.transformations.base import TrainingRows
from tropism.features.transformations.binning import Binning, FittedBinning
from tropism.features.transformations.crossing import Cross
from tropism.features.transformations.embedding import Embedding
from tropism.features.transformations.one_hot import FittedOneHot, OneHot
from tropism.features.transformations.products import Interaction, Polynomial
from tropism.features.transformations.scaling import FittedMinMax, FittedZScore, Log, MinMax, ZScore
from tropism.features.transformations.target_encoding import FittedTargetEncoding, TargetEncoding
from tropism.features.transformations.time_parts import TimeParts
from tropism.features.transformations.values import column
from tropism.features.types import Dtype, dtype, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from tropism.features.transformations.base import Transformation, Values
    from tropism.features.transformations.values import Row

AnyTransformation = (
    Log | ZScore | MinMax | Binning | Polynomial | Interaction | Cross | OneHot | TargetEncoding | Embedding | TimeParts
)
AnyFitted = (
    Log
    | FittedZScore
    | FittedMinMax
    | FittedBinning
    | Polynomial
    | Interaction
    | Cross
    | FittedOneHot
    | FittedTargetEncoding
    | Embedding
    | TimeParts
)
# What a column of a table may hold beside what is declared, without a loss.
_WIDENED = {"number": ("number", "integer"), "decimal": ("decimal", "integer")}


class _Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """`inputs`: the columns that it is applied to, and their types, as in a stream's schema."""

    inputs: dict[str, Any]

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """What `to_json` wrote.

        Raises:
            InvalidInput: it is no JSON, has an unknown transformation or field, or declares what cannot be.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message, _, place = str(error).partition(" - at `$")
            fault = Fault(place.strip("`.") or "json", message[:80], "store what to_json gives, unchanged")
            raise InvalidInput("the text is no pipeline", fault) from error

    def save(self, path: Path) -> None:
        """Writes `to_json` to a file, which is there as a whole or not at all. Raises: DiskFull, NotWritable."""
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(self.to_json())
            part.replace(path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                fault = Fault("path", str(path)[-80:], "free some space, or write elsewhere")
                raise DiskFull("the disk is full", fault) from error
            fault = Fault("path", str(path)[-80:], "name a file in a folder that you may write to")
            raise NotWritable(f"{path} cannot be written: {error.strerror or error}", fault) from error
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote.

        Raises:
            DataInvalid: there is no such file, or it may not be read.
            InvalidInput: as `from_json`.
        """
        try:
            return cls.from_json(path.read_bytes())
        except OSError as error:
            fault = Fault("path", str(path)[-80:], "fit it: `tropism features fit`; or name a file that is there")
            raise DataInvalid(f"{path} cannot be read: {error.strerror or error}", fault) from error
        except InvalidInput as error:
            raise InvalidInput(f"{path} holds no {cls.__struct_config__.tag}", *error.faults) from error

    @property
    def fingerprint(self) -> str:
        """Equal for those that give equal values."""
        return hashlib.sha256(self.to_json()).hexdigest()[:16]


class Pipeline(_Steps, frozen=True, tag_field="of", tag="pipeline"):
    """Transformations that read the inputs and the outputs of those before them.

    `inputs`: columns and their types, such as `{"amount": Decimal(2), "country": str}`. `outputs`: the names and types
    of what it gives, as far as they are known before it is fitted (see `OneHot`).

    >>> pipeline = Pipeline({"amount": float}, (Log("amount", offset=1.0), ZScore("log_amount")))
    >>> fitted = pipeline.fit(pa.table({"amount": [0.0, 9.0, 99.0]}))
    >>> fitted.apply_row({"amount": 9.0})["zscore_log_amount"]
    0.0
    """

    steps: tuple[AnyTransformation, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.inputs, dict):
            raise _refused(Fault("inputs", repr(self.inputs)[:80], "give each column's name its type"))
        steps = self.steps if isinstance(self.steps, list | tuple) else (self.steps,)
        for place, step in enumerate(steps):
            if not isinstance(step, AnyTransformation):
                raise _refused(Fault(f"steps[{place}]", repr(step)[:80], "give transformations, not fitted yet"))
        msgspec.structs.force_setattr(self, "steps", tuple(steps))
        msgspec.structs.force_setattr(self, "inputs", _types(self.inputs))
        _check(self.inputs, ((step, step.outputs) for step in self.steps))

    @property
    def outputs(self) -> dict[str, str]:
        return {name: kind for step in self.steps for name, kind in step.outputs.items()}

    def fit(
        self, table: pa.Table, target: npt.ArrayLike | None = None, times: npt.ArrayLike | None = None
    ) -> FittedPipeline:
        """The pipeline to serve with. To train a model on the same rows, take the columns of `fit_apply`: `apply`
        would tell it the targets that target encoding learned from them. Raises as `fit_apply`."""
        return self.fit_apply(table, target, times)[0]

    def fit_apply(
        self, table: pa.Table, target: npt.ArrayLike | None = None, times: npt.ArrayLike | None = None
    ) -> tuple[FittedPipeline, pa.Table]:
        """The pipeline to serve with, and the columns to train a model on.

        `table`: n training rows with the inputs. `target`: (n,) numbers or booleans. `times`: (n,) µs since the epoch.

        Raises:
            DataInvalid: a column is missing, of another type, or has nothing to learn from; or the target or the times
                are not one to a row.
            InvalidInput: two learned outputs have one name.
            SettingInvalid, MissingExtra: see `Embedding`.
        """
        known = _inputs(table, self.inputs)
        fitted: list[Any] = []
        for step in self.steps:
            one, found = step.fit_apply(TrainingRows(known, target, times))
            fitted.append(one)
            known = _with(known, found)
        return FittedPipeline(self.inputs, tuple(fitted)), known.drop_columns(list(self.inputs))


class FittedPipeline(_Steps, frozen=True, tag_field="of", tag="pipeline-fitted"):
    """A pipeline with what it learned. Columns and rows give equal bits."""

    steps: tuple[AnyFitted, ...]

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "inputs", _types(self.inputs))
        _check(self.inputs, ((step.declared, step.outputs) for step in self.steps))

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The names and types of what it gives."""
        return {name: kind for step in self.steps for name, kind in step.outputs.items()}

    @cached_property
    def _fits(self) -> tuple[tuple[str, Callable[[object], bool]], ...]:
        return tuple((name, dtype(kind).fits) for name, kind in self.inputs.items())

    def apply(self, table: pa.Table) -> pa.Table:
        """The outputs for every row, in order; other columns than the inputs are not looked at.

        Raises:
            DataInvalid: an input is missing, or of another type.
        """
        known = _inputs(table, self.inputs)
        for step in self.steps:
            known = _with(known, step.apply(known))
        return known.drop_columns(list(self.inputs))

    def apply_row(self, row: Row) -> Values:
        """The outputs for one row: Python values by name. Times are µs since the epoch, or datetimes with a zone.

        Raises:
            InvalidInput: an input is missing, or of another type. Null (None) is of every type.
        """
        known: Values = {}
        for name, fits in self._fits:
            value = row.get(name, known)  # a default that nobody sends
            if value is not None and not fits(value) and not (type(value) is int and self.inputs[name] == "time"):
                shown = "missing" if value is known else repr(value)[:80]
                fault = Fault(name, shown, f"send null or what is of the type {self.inputs[name]}")
                raise InvalidInput(f"the row has no usable '{name}'", fault)
            known[name] = value
        for step in self.steps:
            known.update(step.apply_row(known))
        return {name: known[name] for name in self.outputs}


def _refused(*faults: Fault) -> InvalidInput:
    return InvalidInput("the pipeline is not valid", *faults)


def _types(inputs: dict[str, Any]) -> dict[str, str]:
    faults = [fault for name in inputs for fault in name_faults("inputs", name, column=True)]
    types = {}
    for name, given in inputs.items():
        try:
            types[name] = type_name(given)
        except InvalidInput as error:
            faults += [Fault(f"inputs.{name}"[:80], fault.value, fault.fix) for fault in error.faults]
    if faults or not inputs:
        raise _refused(*(faults or [Fault("inputs", "{}", "name at least one column and its type")]))
    return types


def _check(inputs: dict[str, str], steps: Iterable[tuple[Transformation, dict[str, str]]]) -> None:
    """Raises `InvalidInput` unless each step reads what is there and of a type that it takes, and gives new names."""
    faults, known = [], dict(inputs)
    for place, (step, outputs) in enumerate(steps):
        for name in step.reads:
            field = f"steps[{place}].{'column' if len(step.reads) == 1 else 'columns'}"
            if name not in known:
                faults.append(Fault(field, repr(name)[:80], f"name one of: {', '.join(known)[:200]}"))
            elif dtype(known[name]).kind not in step.kinds:
                faults.append(Fault(field, f"{name!r:.60} is {known[name]}", f"name one of {', '.join(step.kinds)}"))
        for name in outputs:
            if name in known:
                faults.append(Fault(f"steps[{place}].name", repr(name)[:80], "give it a name that nothing else has"))
        known.update(outputs)
    if not len(known) > len(inputs) and not faults:
        faults.append(Fault("steps", "()", "name at least one transformation"))
    if faults:
        raise _refused(*faults)


def _inputs(table: pa.Table, inputs: dict[str, str]) -> pa.Table:
    """The inputs of a table. Raises `DataInvalid` as `apply`."""
    found = {}
    for name, text in inputs.items():
        kind: Dtype = dtype(text)
        if kind.kind == "vector":
            found[name] = _vectors(table, name, kind)
        else:
            found[name] = column(table, name, _WIDENED.get(kind.kind, (kind.kind,)))
    return pa.table(found)


def _vectors(table: pa.Table, name: str, kind: Dtype) -> pa.ChunkedArray:
    if name not in table.column_names or table[name].type != kind.arrow():
        shown = str(table[name].type) if name in table.column_names else "missing"
        raise DataInvalid(f"the column '{name}' cannot be used", Fault(name, shown, f"make it {kind.arrow()}"))
    return table[name]


def _with(table: pa.Table, found: dict[str, pa.Array]) -> pa.Table:
    for name, values in found.items():
        table = table.append_column(name, values)
    return table

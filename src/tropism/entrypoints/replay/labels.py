"""What the target column makes the task: binary, multiclass or regression, and the stored labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import Fault
from tropism.entrypoints.replay import cells
from tropism.entrypoints.replay.inference import infer
from tropism.entrypoints.replay.source import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tropism.core.task import Kind
    from tropism.entrypoints.replay.inference import Column
    from tropism.entrypoints.replay.source import Source

MOST_CLASSES = 100
_FEW_WHOLE_NUMBERS = 10
"""A target of whole numbers with at most this many different values is taken for classes."""
_POSITIVE = frozenset({"1", "yes", "true", "y", "t", "positive", "pos"})


class Target(NamedTuple):
    """`labels`: float64 as `Task.label` stores them. `names`: the classes' names, for multiclass only."""

    kind: Kind
    labels: NDArray[np.float64]
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_target(source: Source, name: str, kind: Kind | None, classes: Sequence[str] | None) -> Target:
    """The target's kind, inferred unless given, and its labels.

    Raises:
        DataInvalid: the target has missing values, one value only, more than 100 classes, or does not fit `kind`.
    """
    column = infer(source, name)
    _require_filled(source, name, column)
    if kind == "regression" or (kind is None and not classes and _is_quantity(column)):
        return _regression(source, name, column, kind)
    text = as_text(column)
    found = _ordered(pc.unique(text).to_pylist(), column.dtype == "number")
    if classes:
        _require_listed(source, name, text, classes)
        found = list(classes)
    if len(pc.unique(text)) < 2:
        fix = "use a column with two values or more; there is nothing to learn"
        raise source.refusal(f"the target {name!r} has one class only", Fault("--target", repr(found[0]), fix))
    if len(found) > MOST_CLASSES:
        numeric = column.dtype == "number"
        fix = "use --kind regression" if numeric else f"use a target with at most {MOST_CLASSES} classes"
        raise source.refusal(
            f"the target {name!r} has too many classes", Fault("--target", f"{len(found):,} classes", fix)
        )
    if kind == "binary" or (kind is None and len(found) == 2):
        return _binary(source, name, text, found, kind, given=bool(classes))
    return _multiclass(name, text, found, kind, column.dtype == "number")


def as_text(column: Column) -> pa.ChunkedArray:
    """Values as class names; whole numbers without a decimal point.

    >>> from tropism.entrypoints.replay.inference import Column
    >>> as_text(Column("number", pa.chunked_array([[1.0, 2.5]]))).to_pylist()
    ['1', '2.5']
    """
    if column.dtype == "category":
        return column.values
    if column.dtype == "boolean":
        return pc.if_else(column.values, "true", "false")
    distinct = pc.unique(column.values)
    names = pa.array([_shown(value) for value in distinct.to_pylist()], pa.string())
    return pc.take(names, pc.index_in(column.values, value_set=distinct))


def _shown(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _ordered(found: list[str], numeric: bool) -> list[str]:
    """Classes in order; the positive one of two comes second."""
    found = sorted(found, key=float) if numeric else sorted(found)
    if len(found) == 2 and not numeric and found[0].lower() in _POSITIVE and found[1].lower() not in _POSITIVE:
        found.reverse()
    return found


def _is_quantity(column: Column) -> bool:
    if column.dtype != "number":
        return False
    distinct = pc.unique(column.values)
    if len(distinct) <= 2:
        return False
    values = distinct.to_numpy(zero_copy_only=False)
    return len(distinct) > _FEW_WHOLE_NUMBERS or not bool(np.all(values == np.floor(values)))


def _require_filled(source: Source, name: str, column: Column) -> None:
    if column.values.null_count == 0:
        return
    row = cells.first(pc.is_null(column.values))
    missing = f"{column.values.null_count:,} of {len(column.values):,} rows"
    fix = f"remove the rows without a target ({missing}), or choose another target"
    raise source.bad_cell(name, row, None, "is the target and has no value", fix)


def _require_listed(source: Source, name: str, text: pa.ChunkedArray, classes: Sequence[str]) -> None:
    row = cells.first(pc.invert(pc.is_in(text, value_set=pa.array(list(classes), pa.string()))))
    if row >= 0:
        fix = f"use one of the given classes, {listed(classes)}, or add it to them"
        raise source.bad_cell(name, row, text[row], "is not one of the classes", fix)


def _regression(source: Source, name: str, column: Column, kind: Kind | None) -> Target:
    if column.dtype == "category":
        row = cells.first(pc.is_null(cells.numbers(column.values)))
        fix = "use --kind multiclass (or binary), or a target that holds numbers"
        raise source.bad_cell(name, max(row, 0), column.values[max(row, 0)], "is not a number", fix)
    labels = pc.cast(column.values, pa.float64()).to_numpy(zero_copy_only=False)
    if labels.min() == labels.max():
        fix = "use a column whose value changes; there is nothing to learn"
        raise source.refusal(f"the target {name!r} never changes", Fault("--target", _shown(labels[0]), fix))
    distinct = len(pc.unique(column.values))
    reason = "as asked" if kind else f'because "{name}" has {distinct:,} different numbers'
    note = f"kind: regression, {reason}; they run from {labels.min():.6g} to {labels.max():.6g}"
    return Target("regression", labels, (), (*column.notes, note))


def _binary(
    source: Source, name: str, text: pa.ChunkedArray, found: list[str], kind: Kind | None, given: bool
) -> Target:
    if len(found) != 2:
        row = cells.first(pc.invert(pc.is_in(text, value_set=pa.array(found[:2], pa.string()))))
        fix = f"use --kind multiclass, or a target with two values; it has {len(found)}: {listed(found, 6)}"
        raise source.bad_cell(name, max(row, 0), text[max(row, 0)], "is a third value in a binary target", fix)
    negative, positive = found
    labels = pc.equal(text, positive).to_numpy(zero_copy_only=False).astype(np.float64)
    reason = "as asked" if kind or given else f'because "{name}" has the two values {negative} and {positive}'
    share = f"{int(labels.sum()):,} of {len(labels):,} events"
    return Target("binary", labels, (), (f"kind: binary, {reason}; {positive} counts as positive ({share})",))


def _multiclass(name: str, text: pa.ChunkedArray, found: list[str], kind: Kind | None, numeric: bool) -> Target:
    position = pc.index_in(text, value_set=pa.array(found, pa.string()))
    labels = position.to_numpy(zero_copy_only=False).astype(np.float64)
    what = "whole numbers" if numeric else "values"
    note = f'kind: multiclass, {"as asked" if kind else f"""because "{name}" has {len(found)} different {what}"""}'
    if numeric and kind is None:
        note += "; use --kind regression to predict the number itself"
    return Target("multiclass", labels, tuple(found), (f"{note}; classes: {listed(found)}",))


def outcome_of(kind: Kind, names: Sequence[str], label: float) -> Any:
    """A stored label as `Task.label` accepts it: True or False, a class's name, or the number.

    >>> outcome_of("multiclass", ("x", "y"), 1.0), outcome_of("binary", (), 1.0)
    ('y', True)
    """
    if kind == "multiclass":
        return names[int(label)]
    return bool(label) if kind == "binary" else float(label)

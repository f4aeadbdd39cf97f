"""The columns beside the features: `entity`, `unit`, `at` and `prediction_id`, checked as in single rows."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import from_datetime, iso
from tropism.core.errors import InvalidInput
from tropism.core.identity import compose, task_tag
from tropism.serving import fields
from tropism.serving.tabular import text_cells, typed_cells
from tropism.serving.tabular.columns import MOMENT
from tropism.serving.tabular.misfits import Misfit, positions
from tropism.serving.tabular.typed_cells import Read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Task

_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
_FACTORS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0}
"""µs in a unit; 0 for the one that is smaller."""
_ID = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NOTHING = pa.scalar(None, pa.string())
Checked = tuple[pa.Array, list[Misfit]]


def carried(name: str, column: pa.Array, task: Task, latest: int, is_text: bool) -> Checked | None:
    """A column by its name, with what is wrong in it; None when its type cannot be read. `is_text`: it is from CSV."""
    if name == "at":
        return _at(column, latest, is_text)
    if name == "prediction_id":
        return _ids(column, task, latest, is_text)
    read = text_cells.texts(column, fields.MOST_TEXT) if is_text else typed_cells.texts(column, fields.MOST_TEXT, 1)
    if read is None:
        return None
    headline, fix = f"'{name}' is too long or empty", f"send 1 to {fields.MOST_TEXT} characters"
    return read.values, _misfits(name, column, read.bad, headline, fix)


def _misfits(name: str, column: pa.Array, bad: NDArray[np.bool_] | None, headline: str, fix: str) -> list[Misfit]:
    return [] if bad is None else [Misfit(name, positions(bad), column, InvalidInput, headline, fix)]


def _at(column: pa.Array, latest: int, is_text: bool) -> Checked | None:
    read = text_moments(text_cells.texts(column).values) if is_text else moments(column)
    if read is None:
        return None
    fix = "send ISO 8601, such as 2026-01-31T12:00:00Z, or whole microseconds since 1970"
    misfits = _misfits("at", column, read.bad, "'at' is not a time", fix)
    future = positions(pc.greater(read.values, latest))
    values = read.values
    if len(future):
        fix = f"send times up to now; they may be at most {iso(latest)}"
        misfits.append(Misfit("at", future, column, InvalidInput, "'at' is in the future", fix))
        values = pc.if_else(pc.greater(values, latest), pa.scalar(None, pa.int64()), values)
    return values.cast(MOMENT), misfits


def moments(column: pa.Array) -> Read | None:
    """µs since the epoch (int64) of a typed column of times, whole numbers or ISO 8601 texts."""
    kind = column.type
    if column.null_count == len(column):
        return Read(pa.nulls(len(column), pa.int64()))
    if pa.types.is_dictionary(kind) or typed_cells.is_text(kind):
        text = typed_cells.texts(column)
        return None if text is None else text_moments(text.values, digits=False, bad=text.bad)
    factor = 1
    if pa.types.is_date(kind):
        column, factor = column.cast(pa.timestamp("ms")).cast(pa.int64()), 1_000
    elif pa.types.is_timestamp(kind):
        column, factor = column.cast(pa.int64()), _FACTORS[kind.unit]
    elif not pa.types.is_integer(kind):
        return None
    values = np.asarray(column.fill_null(0).to_numpy())
    if factor == 0:
        values, factor = values // 1_000, 1
    bad = (values > _LATEST // factor) | (values < _EARLIEST // factor)
    safe = np.where(bad, 0, values).astype(np.int64) * factor
    read = pa.array(safe, mask=bad | column.is_null().to_numpy(zero_copy_only=False))
    return Read(read, bad if bad.any() else None)


def text_moments(column: pa.Array, digits: bool = True, bad: NDArray[np.bool_] | None = None) -> Read:
    """µs since the epoch (int64) of texts in ISO 8601, or, with `digits`, whole numbers of µs. `bad`: known before."""
    for kind in (MOMENT, pa.timestamp("us")):  # with a zone in every cell, or in none
        try:
            read = column.cast(kind).cast(pa.int64())
        except pa.ArrowInvalid:
            continue
        if (pc.min(read).as_py() or 0) >= _EARLIEST:
            return Read(read, bad)
    found = [None if text is None else _moment(text, digits) for text in column.to_pylist()]
    read = pa.array(found, pa.int64())
    odd = pc.and_(column.is_valid(), read.is_null()).to_numpy(zero_copy_only=False)
    odd = odd if bad is None else odd | bad
    return Read(read, odd if odd.any() else None)


def _moment(text: str, digits: bool) -> int | None:
    if digits and _WHOLE.fullmatch(text):
        at = int(text)
        return at if _EARLIEST <= at <= _LATEST else None
    try:
        return from_datetime(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _ids(column: pa.Array, task: Task, latest: int, is_text: bool) -> Checked | None:
    read = text_cells.texts(column) if is_text else typed_cells.texts(column)
    if read is None:
        return None
    values, ends = read.values, f"{task_tag(task.name):04x}"
    wrong = pc.invert(pc.match_substring_regex(values, _ID)).fill_null(False)
    if read.bad is not None:
        wrong = pc.or_(wrong, pa.array(read.bad))
    right = pc.if_else(wrong, _NOTHING, values)
    newest = compose(latest // 1_000, 0, 0)[:13]  # hexadecimal digits of equal number sort as their numbers do
    future = pc.greater(pc.utf8_slice_codeunits(right, 0, 13), newest).fill_null(False)
    foreign = pc.invert(pc.ends_with(right, ends)).fill_null(False)
    repeated = _repeated(right)
    checks = (
        (wrong, "'prediction_id' is not an id of Tropism", "send a UUIDv7, or leave it out"),
        (
            future,
            "'prediction_id' was made in the future",
            "make ids with the time of now; is the caller's clock right?",
        ),
        (foreign, "the prediction_id was made for another task", f"end it with the tag of this task, {ends}"),
        (repeated, "a prediction_id is repeated", "make one for each row"),
    )
    misfits = []
    for mask, headline, fix in checks:
        rows = positions(mask)
        if len(rows):
            misfits.append(Misfit("prediction_id", rows, column, InvalidInput, headline, fix))
    return right, misfits


def _repeated(ids: pa.Array) -> NDArray[np.bool_]:
    """Which ids stood in a row before."""
    codes = ids.dictionary_encode().indices.fill_null(-1).to_numpy()
    first = np.zeros(len(codes), np.bool_)
    first[np.unique(codes, return_index=True)[1]] = True
    return np.asarray(~first & (codes >= 0), np.bool_)

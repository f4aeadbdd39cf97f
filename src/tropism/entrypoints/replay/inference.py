"""What type each column has: number, boolean or category."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import DAY
from tropism.core.errors import Fault
from tropism.entrypoints.replay import cells, moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.errors import DataInvalid
    from tropism.core.task import Dtype
    from tropism.entrypoints.replay.source import Source

MOST_CATEGORIES = 1_000
"""Most values a feature may have as a category."""
_MIXED = 0.5
"""A column in which at least this share of the cells are numbers should hold numbers only."""


class Column(NamedTuple):
    """A column as features are stored: float64, bool or string; missing values are null."""

    dtype: Dtype
    values: pa.ChunkedArray
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return bool(self.values.null_count == len(self.values))


def infer(source: Source, name: str) -> Column:
    """The type of a column, and its values in that type.

    A text column is a number when every value is one, a boolean when every value is true/false, yes/no, t/f or
    y/n, a number of days when every value is a date, and otherwise a category. Codes with leading zeros stay
    categories.

    Raises:
        DataInvalid: half or more of its values are numbers but not all; names the first that is none. Or it holds
            something else than numbers, text, booleans and dates.
    """
    values = source.columns.column(name)
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = pc.cast(values, kind.value_type)
        kind = values.type
    if pa.types.is_boolean(kind):
        return Column("boolean", values)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _number(name, values)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _days(name, moments.from_timestamps(values))
    if pa.types.is_null(kind):
        return Column("number", pc.cast(values, pa.float64()))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(source, name, pc.cast(values, pa.string()))
    fix = "leave it out with --features, or turn it into numbers or text"
    raise source.refusal(f"the column {name!r} cannot be used", Fault(name, f"type {kind}", fix))


def read_features(source: Source, names: Sequence[str], named: bool) -> tuple[dict[str, Column], tuple[str, ...]]:
    """Columns for the features, in order. Columns without any value are left out unless they were `named`.

    Raises:
        DataInvalid: as `infer`; and for every category with more than `MOST_CATEGORIES` values, all in one error.
    """
    columns: dict[str, Column] = {}
    notes: list[str] = []
    crowded: dict[str, int] = {}
    for name in names:
        column = infer(source, name)
        if column.empty and named:
            fault = Fault("--features", repr(name), "leave it out")
            raise source.refusal(f"the column {name!r} has no values", fault)
        if column.empty:
            notes.append(f'features: "{name}" was left out, because it has no values')
            continue
        count = len(pc.unique(column.values)) if column.dtype == "category" else 0
        if count > MOST_CATEGORIES:
            crowded[name] = count
        columns[name] = column
        notes += column.notes
    if crowded:
        raise _too_crowded(source, crowded, [name for name in columns if name not in crowded])
    return columns, tuple(notes)


def _too_crowded(source: Source, crowded: dict[str, int], rest: Sequence[str]) -> DataInvalid:
    fix = (
        f"name the features without it: --features {shlex.quote(','.join(rest))}"
        if rest
        else "use a file with other columns"
    )
    faults = [Fault(name, f"{count:,} different texts", fix) for name, count in crowded.items()]
    return source.refusal(
        f"a feature has more than {MOST_CATEGORIES:,} different texts; is it a name or an id?", *faults
    )


def _number(name: str, values: pa.ChunkedArray) -> Column:
    usable, infinite = cells.finite(values)
    notes = (f"{name}: {infinite:,} infinite values were read as missing",) if infinite else ()
    return Column("number", usable, notes)


def _days(name: str, read: moments.Moments) -> Column:
    note = f"{name}: number, the days since 1970, because its values are dates"
    if read.ambiguous:
        note += f" (read as {read.form})"
    days = pa.array(read.at / DAY, pa.float64(), mask=~read.valid)
    return Column("number", pa.chunked_array([days]), (note,))


def _from_text(source: Source, name: str, raw: pa.ChunkedArray) -> Column:
    text = cells.clean(raw)
    filled = len(text) - text.null_count
    if filled == 0:
        return Column("number", pc.cast(text, pa.float64()))
    parsed = cells.numbers(text, source.dialect is not None and source.dialect.delimiter == ";")
    numeric = len(parsed) - parsed.null_count
    if numeric == filled and not cells.has_leading_zeros(text):
        return _number(name, parsed)
    if numeric == filled:
        return Column("category", text, (f"{name}: category, because its values have leading zeros",))
    flags = cells.booleans(text)
    if flags is not None:
        return Column("boolean", flags)
    dates = _dates(text, filled)
    if dates is not None:
        return _days(name, dates)
    if numeric >= _MIXED * filled:
        row = cells.first(pc.and_(pc.is_valid(text), pc.is_null(parsed)))
        problem = f"is not a number, as {numeric:,} of the {filled:,} values in its column are"
        fix = "correct the cell or leave it empty, or leave the column out with --features"
        raise source.bad_cell(name, row, text[row], problem, fix)
    note = f"{name}: category, although {numeric:,} of its {filled:,} values are numbers"
    return Column("category", text, (note,) if numeric else ())


def _dates(text: pa.ChunkedArray, filled: int) -> moments.Moments | None:
    """Dates, if every value is one."""
    if not moments.parse_text(pc.drop_null(text)[:100]).valid.all():
        return None
    read = moments.parse_text(text)
    return read if int(read.valid.sum()) == filled else None

"""Turns features into numbers. Fitted once on the training rows, and stored with the model.

Two steps. `codes` gives each feature one number: numbers as they are, booleans 0 or 1, categories the index in a
fitted dictionary (-1 when never seen), NaN when missing. The style `standard` then spreads those codes: numbers
become standard scores (0 when missing) with an indicator of missingness, categories one column a category and one
for missing. Every step works on one number at a time, so a row alone and a row among others encode to equal bits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from tropism.core.errors import DataInvalid, Fault
from tropism.core.task import Dtype, Feature
from tropism.learners.base import Style

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from tropism.core.events import Value
    from tropism.learners.base import Floats

MOST_CATEGORIES: dict[Style, int] = {"codes": 1_024, "standard": 64}
"""Categories kept for a feature, the most frequent first; the rest count as never seen."""
CLIP = 20.0
"""Standard scores are cut off here, so that one absurd number cannot decide a linear model's answer."""
UNSEEN = -1.0
_MANY = 8
"""Rows from which whole columns are cheaper than rows one by one."""
NAN = math.nan


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one feature is encoded. `mean` and `scale` matter to numbers and booleans in style `standard` only."""

    name: str
    type: Dtype
    categories: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0


class EncodingFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All there is to store of an encoding."""

    style: Style
    columns: tuple[Column, ...]


class Encoding:
    """A fitted encoding.

    >>> e = Encoding(EncodingFacts("codes", (Column("age", "number"), Column("city", "category", ("Bern", "Oslo")))))
    >>> e.codes({"age": 41, "city": "Oslo"}), e.codes({"city": "Rome"})
    ([41.0, 1.0], [nan, -1.0])
    """

    def __init__(self, facts: EncodingFacts) -> None:
        self.facts = facts
        self._readers = tuple(_reader(column) for column in facts.columns)
        self._spans = _spans(facts)

    @classmethod
    def fit(cls, features: Sequence[Feature], table: pa.Table, style: Style) -> Encoding:
        """Learns categories, means and scales from a table with one column a feature.

        Raises:
            DataInvalid: a column cannot be read as its feature's type.
        """
        return cls(EncodingFacts(style, tuple(_fit_column(feature, table, style) for feature in features)))

    @classmethod
    def from_json(cls, text: bytes) -> Encoding:
        """Raises `msgspec.ValidationError` when the text is no encoding."""
        return cls(msgspec.json.decode(text, type=EncodingFacts))

    def to_json(self) -> bytes:
        return msgspec.json.encode(self.facts)

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return self._spans[-1].stop if self._spans else 0

    @property
    def owners(self) -> list[str]:
        """The feature that each column of the encoded matrix comes from."""
        return [c.name for c, s in zip(self.facts.columns, self._spans, strict=True) for _ in range(s.start, s.stop)]

    def codes(self, row: Mapping[str, Value]) -> list[float]:
        """One number a feature; a feature that the row lacks is missing. In style `codes` this is the matrix row."""
        return [read(row) for read in self._readers]

    def rows(self, rows: Sequence[Mapping[str, Value]]) -> Floats:
        """The matrix (n, width) of rows as they are sent."""
        if len(rows) < _MANY:
            codes = np.array([self.codes(row) for row in rows], np.float64)
            return self.spread(codes.reshape(len(rows), len(self._readers)))
        codes = np.empty((len(rows), len(self._readers)))
        for index, (column, read) in enumerate(zip(self.facts.columns, self._readers, strict=True)):
            codes[:, index] = _row_codes(rows, column, read)
        return self.spread(np.where(np.isfinite(codes), codes, NAN))

    def matrix(self, table: pa.Table) -> Floats:
        """The matrix (n, width) of a table; a column that is absent is missing throughout.

        Raises:
            DataInvalid: a column cannot be read as its feature's type.
        """
        codes = np.empty((table.num_rows, len(self.facts.columns)))
        for index, column in enumerate(self.facts.columns):
            codes[:, index] = _table_codes(table, column)
        return self.spread(codes)

    def spread(self, codes: Floats) -> Floats:
        """The matrix (n, width) of codes (n, features), a column a feature as `codes` gives them."""
        if self.facts.style == "codes":
            return codes
        if len(codes) < _MANY:
            return np.array([self.spread_row(row) for row in codes.tolist()]).reshape(len(codes), self.width)
        out = np.empty((len(codes), self.width))
        for index, (column, span) in enumerate(zip(self.facts.columns, self._spans, strict=True)):
            values = codes[:, index]
            missing = np.isnan(values)
            if column.type == "category":
                out[:, span.start : span.stop - 1] = values[:, None] == np.arange(len(column.categories))
            else:
                with np.errstate(over="ignore"):
                    scores = np.clip((values - column.mean) / column.scale, -CLIP, CLIP)
                out[:, span.start] = np.where(missing, 0.0, scores)
            out[:, span.stop - 1] = missing
        return out

    def spread_row(self, codes: Sequence[float]) -> list[float]:
        """As `spread`, for one row of codes: that costs some 5 µs a column more than this."""
        out: list[float] = []
        for column, code in zip(self.facts.columns, codes, strict=True):
            missing = code != code
            if column.type == "category":
                hot = [0.0] * len(column.categories)
                if 0 <= code < len(hot) and code.is_integer():
                    hot[int(code)] = 1.0
                out += hot
            else:
                out.append(0.0 if missing else min(max((code - column.mean) / column.scale, -CLIP), CLIP))
            out.append(1.0 if missing else 0.0)
        return out


class _Span(NamedTuple):
    start: int
    stop: int


def _spans(facts: EncodingFacts) -> list[_Span]:
    spans, start = [], 0
    for column in facts.columns:
        spread = len(column.categories) if column.type == "category" else 1
        stop = start + (1 if facts.style == "codes" else spread + 1)
        spans.append(_Span(start, stop))
        start = stop
    return spans


def _reader(column: Column) -> Callable[[Mapping[str, Value]], float]:
    name = column.name
    if column.type == "category":
        table: dict[Value, float] = {None: NAN, **{c: float(i) for i, c in enumerate(column.categories)}}
        return lambda row: table.get(row.get(name), UNSEEN)

    def read(row: Mapping[str, Value]) -> float:
        value = row.get(name)
        if value is None:
            return NAN
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond the largest float
            return NAN
        return number if math.isfinite(number) else NAN

    return read


def _row_codes(
    rows: Sequence[Mapping[str, Value]], column: Column, read: Callable[[Mapping[str, Value]], float]
) -> Sequence[float] | Floats:
    """One column of many rows; infinite numbers are left in."""
    if column.type == "category":
        return [read(row) for row in rows]
    name = column.name
    try:
        return np.array([row.get(name) for row in rows], np.float64)  # None becomes NaN
    except OverflowError:  # a whole number beyond the largest float
        return [read(row) for row in rows]


def _fit_column(feature: Feature, table: pa.Table, style: Style) -> Column:
    if feature.type == "category":
        return Column(feature.name, feature.type, _categories(table, feature.name, MOST_CATEGORIES[style]))
    column = Column(feature.name, feature.type)
    if style == "codes":
        return column
    values = _table_codes(table, column)
    mean, scale = _moments(values[~np.isnan(values)])
    return Column(feature.name, feature.type, (), mean, scale)


def _moments(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation; (mean, 1) when all are equal. Divided by the largest first: no overflow."""
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0.0:
        return 0.0, 1.0
    shrunk = values / largest
    mean, deviation = float(np.mean(shrunk)) * largest, float(np.std(shrunk)) * largest
    # Rounding alone gives equal numbers a deviation of some 1e-16 of their size.
    return (mean, deviation) if deviation > 1e-12 * largest else (mean, 1.0)


def _categories(table: pa.Table, name: str, most: int) -> tuple[str, ...]:
    if name not in table.column_names:
        return ()
    counts = _cast(table, name, "string").value_counts().to_pylist()
    ranked = sorted((-entry["counts"], entry["values"]) for entry in counts if entry["values"] is not None)
    return tuple(sorted(category for _, category in ranked[:most]))


def _table_codes(table: pa.Table, column: Column) -> Floats:
    if column.name not in table.column_names:
        return np.full(table.num_rows, NAN)
    if column.type != "category":
        filled = _cast(table, column.name, "float64").fill_null(NAN).combine_chunks()
        numbers = np.asarray(np.from_dlpack(filled), np.float64)
        return np.where(np.isfinite(numbers), numbers, NAN)
    encoded = _cast(table, column.name, "string").combine_chunks().dictionary_encode()
    known = {category: float(index) for index, category in enumerate(column.categories)}
    codes = [known.get(category, UNSEEN) for category in encoded.dictionary.to_pylist()]
    indices = np.from_dlpack(encoded.indices.fill_null(len(codes)))
    out: Floats = np.array([*codes, NAN])[indices]
    return out


def _cast(table: pa.Table, name: str, type_name: str) -> pa.ChunkedArray:
    values = table.column(name)
    try:
        return values.cast(type_name, safe=False)
    except (ValueError, NotImplementedError) as error:  # pyarrow's own errors derive from these
        wanted = "text" if type_name == "string" else "numbers"
        raise DataInvalid(
            f"the column of feature '{name}' cannot be read: {error}",
            Fault(f"features.{name}", str(values.type), f"store {wanted}, or change the feature's type"),
        ) from error

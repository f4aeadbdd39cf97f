"""Columns of text, as in CSV files, read as a feature's type.

An empty cell is a missing value. So are the usual words for one in columns of numbers and booleans, where they
can mean nothing else; in a category `NA` may be Namibia, and stays. Space around a value does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tropism.serving.rows import MOST_TEXT
from tropism.serving.tabular.typed_cells import Read, measured, usable

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = frozenset({"", "na", "n/a", "nan", "-nan", "null", "none"})
TRUE = frozenset({"true", "1", "1.0"})
FALSE = frozenset({"false", "0", "0.0"})
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NOTHING = pa.scalar(None, pa.string())


def numbers(column: pa.Array) -> Read:
    """float64 where the text is a number.

    >>> numbers(pa.array(["1", " -2e3 ", "n/a", None, "x"]))[0].to_pylist()
    [1.0, -2000.0, None, None, None]
    """
    try:
        return usable(column.cast(pa.float64()))
    except pa.ArrowInvalid:
        known = _known(column)
    plain = pc.match_substring_regex(known, _PLAIN)
    read = usable(pc.if_else(plain, known, _NOTHING).cast(pa.float64()))
    odd = pc.invert(plain).fill_null(False).to_numpy(zero_copy_only=False)
    bad = odd if read.bad is None else odd | read.bad
    return Read(read.values, bad if bad.any() else None)


def booleans(column: pa.Array) -> Read:
    """bool where the text is one of true, false, 1 and 0."""
    known = pc.utf8_lower(_known(column))
    yes, no = (pc.is_in(known, value_set=pa.array(sorted(words))) for words in (TRUE, FALSE))
    either = pc.or_(yes, no)
    values = pc.if_else(either, yes, pa.scalar(None, pa.bool_()))
    bad = pc.and_(pc.invert(either), known.is_valid()).to_numpy(zero_copy_only=False)
    return Read(values, bad if bad.any() else None)


def texts(column: pa.Array, most: int = MOST_TEXT) -> Read:
    """string, without surrounding space; what is too long is marked."""
    trimmed = pc.utf8_trim_whitespace(column)
    return measured(pc.if_else(pc.equal(trimmed, ""), _NOTHING, trimmed), most)


READERS: dict[str, Callable[[pa.Array], Read]] = {"number": numbers, "category": texts, "boolean": booleans}


def _known(column: pa.Array) -> pa.Array:
    """Trimmed, with the words for a missing value as null."""
    trimmed = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(sorted(MISSING)))
    return pc.if_else(missing, _NOTHING, trimmed)

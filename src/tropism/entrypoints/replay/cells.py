"""Text cells as numbers, booleans and missing values. Whole columns at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MISSING = frozenset(
    {"", "?", "na", "n/a", "#n/a", "#na", "nan", "-nan", "null", "nil", "inf", "-inf", "+inf", "infinity", "-infinity"}
)
"""Cells that mean "no value", whatever their case. An infinite number cannot be used and counts as missing too."""
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_DECIMAL_COMMA = r"^[+-]?\d+,\d+$"
_UNITS = r"^([+-]?)\s*[$€£¥]\s*|\s*%$"
_LEADING_ZERO = r"^0\d+$"
_BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_TRUE = frozenset({"true", "yes", "t", "y"})


def clean(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without surrounding space; missing values as null."""
    trimmed = pc.utf8_trim_whitespace(text)
    missing = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(sorted(MISSING)))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def numbers(text: pa.ChunkedArray, decimal_comma: bool = False) -> pa.ChunkedArray:
    """Numbers where the text is one, null elsewhere. Currency signs, percent signs and grouping commas are allowed.

    >>> numbers(pa.chunked_array([["1", "$1,200.5", "12%", "-3e2", "x", None]])).to_pylist()
    [1.0, 1200.5, 12.0, -300.0, None, None]
    """
    try:
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        plain = pc.match_substring_regex(text, _PLAIN)
    if not pc.all(plain, min_count=0).as_py():
        bare = pc.replace_substring_regex(text, _UNITS, r"\1")
        if decimal_comma:
            written = pc.match_substring_regex(bare, _DECIMAL_COMMA)
            bare = pc.if_else(written, pc.replace_substring(bare, ",", "."), bare)
        else:
            written = pc.match_substring_regex(bare, _GROUPED)
            bare = pc.if_else(written, pc.replace_substring(bare, ",", ""), bare)
        text = bare
        plain = pc.match_substring_regex(text, _PLAIN)
    return pc.cast(pc.if_else(plain, text, pa.scalar(None, pa.string())), pa.float64())


def finite(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    """Numbers as float64 with NaN and infinities as null, and how many infinities there were."""
    values = pc.cast(values, pa.float64(), safe=False)
    infinite = pc.sum(pc.is_inf(values), min_count=0).as_py()
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64())), int(infinite or 0)


def booleans(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Booleans when every value is one of true/false, yes/no, t/f or y/n in any case; None otherwise.

    >>> booleans(pa.chunked_array([["Yes", "no", None]])).to_pylist()
    [True, False, None]
    """
    lowered = pc.utf8_lower(text)
    distinct = set(pc.unique(lowered).to_pylist()) - {None}
    if not distinct or not any(distinct <= words for words in _BOOLEANS):
        return None
    return pc.if_else(pc.is_valid(lowered), pc.is_in(lowered, value_set=pa.array(sorted(_TRUE))), None)


def has_leading_zeros(text: pa.ChunkedArray) -> bool:
    """Whether a value is written like `00123`, as codes are and numbers are not."""
    return bool(pc.any(pc.match_substring_regex(text, _LEADING_ZERO)).as_py())


def first(mask: pa.ChunkedArray) -> int:
    """Position of the first true value; -1 if there is none."""
    found = np.flatnonzero(mask.to_numpy(zero_copy_only=False).astype(bool)) if len(mask) else np.empty(0)
    return int(found[0]) if len(found) else -1

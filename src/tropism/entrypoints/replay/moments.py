"""Times as people write them, read as µs since the epoch, UTC. Whole columns at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import DAY, SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TIME = (
    r"(?:[T ,]+(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?::(?P<second>\d{2}(?:[.,]\d{1,9})?))?"
    r" ?(?P<half>[AaPp]\.?[Mm]\.?)?)? ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?$"
)
_FORMATS = {
    "year-month-day": r"^(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})" + _TIME,
    "yearmonthday": r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _TIME,
    "month/day/year": r"^(?P<month>\d{1,2})[-/. ](?P<day>\d{1,2})[-/. ](?P<year>\d{4}|\d{2})" + _TIME,
    "day/month/year": r"^(?P<day>\d{1,2})[-/. ](?P<month>\d{1,2})[-/. ](?P<year>\d{4}|\d{2})" + _TIME,
    "day month year": r"^(?P<day>\d{1,2})[-. ]+(?P<name>[A-Za-z]{3,9})\.?[-, ]+(?P<year>\d{4})" + _TIME,
    "month day, year": r"^(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d{1,2}),? (?P<year>\d{4})" + _TIME,
    "year-month": r"^(?P<year>\d{4})-(?P<month>\d{2})$",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SAMPLE = 1_000
_SCALES = ((1e8, 1e11, SECOND, "seconds"), (1e11, 1e14, 1_000, "milliseconds"), (1e14, 1e17, 1, "microseconds"))


class Moments(NamedTuple):
    """`at`: µs since the epoch. `valid`: where a cell could be read. `form`: how the column is written."""

    at: NDArray[np.int64]
    valid: NDArray[np.bool_]
    form: str
    ambiguous: bool = False


def parse_text(text: pa.ChunkedArray) -> Moments:
    """Times in text cells; the form that reads most of them is used for all.

    Where day/month and month/day fit equally, the one that leaves the column in better order is taken.

    >>> parse_text(pa.chunked_array([["31/12/1999", "1/2/2000", "soon"]])).valid.tolist()
    [True, True, False]
    >>> parse_text(pa.chunked_array([["1970-01-01T02:00:01+02:00"]])).at.tolist()
    [1000000]
    """
    sample = pc.drop_null(text)[:_SAMPLE]
    counts = {form: int(_read(sample, form)[1].sum()) for form in _FORMATS}
    most = max(counts.values())
    if most == 0:
        return Moments(np.zeros(len(text), np.int64), np.zeros(len(text), np.bool_), "")
    # Only a later row may tell day from month, so every form near the best is tried on the whole column.
    tried = {form: _read(text, form) for form, count in counts.items() if count > 0.5 * most}
    read = {form: int(valid.sum()) for form, (_, valid) in tried.items()}
    best = [form for form, count in read.items() if count == max(read.values())]
    best.sort(key=lambda form: _descents(*tried[form]))
    return Moments(*tried[best[0]], best[0], len(best) > 1)


def parse_numbers(values: pa.ChunkedArray) -> Moments:
    """Times in numbers: epoch seconds, milliseconds or microseconds, years, or dates such as 20240131.

    >>> parse_numbers(pa.chunked_array([[1_500_000_000.5]])).at.tolist()
    [1500000000500000]
    """
    number = values.to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.isfinite(number)
    typical = float(np.median(np.abs(number[known]))) if known.any() else 0.0
    whole = bool(np.all(number[known] == np.floor(number[known])))
    if whole and 1_900 <= typical <= 2_100:
        return _years(number, known)
    if whole and 19_000_101 <= typical <= 21_001_231:
        text = pc.cast(pc.cast(values, pa.int64(), safe=False), pa.string())
        return Moments(*_read(text, "yearmonthday"), "yearmonthday")
    for low, high, scale, name in _SCALES:
        if low <= typical < high:
            valid = known & (np.abs(number) < 1e17 / scale)
            at = np.where(valid, number, 0.0) * scale
            return Moments(np.rint(at).astype(np.int64), valid, f"{name} since 1970")
    return Moments(np.zeros(len(number), np.int64), np.zeros(len(number), np.bool_), "")


def from_timestamps(values: pa.ChunkedArray) -> Moments:
    """Times in a column that is typed as dates or timestamps."""
    stamps = pc.cast(values, pa.timestamp("us"), safe=False) if pa.types.is_date(values.type) else values
    if pa.types.is_timestamp(stamps.type):
        stamps = pc.cast(stamps, pa.timestamp("us", stamps.type.tz), safe=False)
    at = pc.fill_null(pc.cast(stamps, pa.int64()), 0).to_numpy()
    return Moments(at, pc.is_valid(values).to_numpy(), "timestamps")


def _years(number: NDArray[np.float64], known: NDArray[np.bool_]) -> Moments:
    valid = known & (number >= 1_900) & (number <= 2_100)
    years = np.where(valid, number, 1970).astype(np.int64)
    at = (years - 1970).astype("datetime64[Y]").astype("datetime64[us]").astype(np.int64)
    return Moments(at, valid, "years")


def _descents(at: NDArray[np.int64], valid: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(np.diff(at[valid]) < 0))


def _read(text: pa.ChunkedArray, form: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """One form applied to every cell. Days that a month does not have are not valid."""
    parts = pc.extract_regex(text, pattern=_FORMATS[form])
    if isinstance(parts, pa.ChunkedArray):
        parts = parts.combine_chunks()
    valid = pc.is_valid(parts).to_numpy(zero_copy_only=False).astype(np.bool_)
    names = {parts.type.field(position).name for position in range(parts.type.num_fields)}
    year = _whole(parts, "year", names)
    year = np.where(year < 100, np.where(year < 70, year + 2000, year + 1900), year)
    month = _month(parts) if "name" in names else _whole(parts, "month", names)
    day = _whole(parts, "day", names) if "day" in names else np.ones(len(year), np.int64)
    valid &= (year >= 1_600) & (year <= 2_400) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    start = ((np.where(valid, year, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1).astype("datetime64[M]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(np.int64)
    valid &= day <= length
    at = (start.astype("datetime64[D]").astype(np.int64) + day - 1) * DAY
    of_day, in_range = _time_of_day(parts, names)
    valid &= in_range
    return np.where(valid, at + of_day, 0), valid


def _time_of_day(parts: pa.StructArray, names: set[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if "hour" not in names:
        return np.zeros(len(parts), np.int64), np.ones(len(parts), np.bool_)
    hour, minute = _whole(parts, "hour", names), _whole(parts, "minute", names)
    second = pc.replace_substring(_group(parts, "second"), ",", ".")
    micros = np.rint(_number(second, pa.float64()) * SECOND).astype(np.int64)
    half = pc.utf8_lower(pc.utf8_slice_codeunits(_group(parts, "half"), 0, 1)).to_numpy(zero_copy_only=False)
    in_range = (hour < 24) & (minute < 60) & (micros < 61 * SECOND) & ((half == "") | (hour <= 12))
    hour = np.where((half == "p") & (hour < 12), hour + 12, np.where((half == "a") & (hour == 12), 0, hour))
    return (hour * 60 + minute) * 60 * SECOND + micros - _offset(parts), in_range


def _offset(parts: pa.StructArray) -> NDArray[np.int64]:
    """The zone's distance from UTC in µs."""
    digits = pc.replace_substring_regex(_group(parts, "zone"), r"[^0-9+-]", "")
    sign = np.where(pc.starts_with(digits, "-").to_numpy(zero_copy_only=False), -1, 1)
    hours = _number(pc.utf8_slice_codeunits(digits, 1, 3), pa.int64())
    minutes = _number(pc.utf8_slice_codeunits(digits, 3, 5), pa.int64())
    offset: NDArray[np.int64] = sign * (hours * 60 + minutes) * 60 * SECOND
    return offset


def _month(parts: pa.StructArray) -> NDArray[np.int64]:
    short = pc.utf8_lower(pc.utf8_slice_codeunits(_group(parts, "name"), 0, 3))
    position = pc.fill_null(pc.index_in(short, value_set=pa.array(_MONTHS)), -1)
    months: NDArray[np.int64] = position.to_numpy().astype(np.int64) + 1
    return months


def _group(parts: pa.StructArray, name: str) -> pa.Array:
    return pc.fill_null(pc.struct_field(parts, name), "")


def _whole(parts: pa.StructArray, name: str, names: set[str]) -> NDArray[np.int64]:
    if name not in names:
        return np.zeros(len(parts), np.int64)
    return _number(_group(parts, name), pa.int64()).astype(np.int64)


def _number(text: pa.Array, to: pa.DataType) -> NDArray[np.int64]:
    filled = pc.if_else(pc.equal(text, ""), "0", text)
    values: NDArray[np.int64] = pc.cast(filled, to).to_numpy(zero_copy_only=False)
    return values

"""Hours and days of moments, as clocks and calendars of a place have them."""

from __future__ import annotations

import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa

from tropism.core.errors import Fault
from tropism.features.transformations.base import OneColumn, TrainingRows, named
from tropism.features.transformations.values import MOMENTS, moment, moments

if TYPE_CHECKING:
    import numpy.typing as npt

    from tropism.features.transformations.base import Columns, Values
    from tropism.features.transformations.values import Row

    Ints = npt.NDArray[np.int64]

Part = Literal["hour", "weekday", "is_weekend", "is_business_hours"]
_TYPES: dict[Part, str] = {
    "hour": "integer",
    "weekday": "integer",
    "is_weekend": "boolean",
    "is_business_hours": "boolean",
}
_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND
_DAY = 24 * _HOUR
_THURSDAY = 3  # 1970-01-01
_SATURDAY = 5
_OPENS, _CLOSES = 9, 17
_EPOCH = datetime.date(1970, 1, 1)


class TimeParts(OneColumn, frozen=True, tag="time-parts"):
    """`hour` (0 to 23), `weekday` (0 is Monday), `is_weekend` (Saturday and Sunday) and `is_business_hours` (from 9:00
    until before 17:00 from Monday to Friday, except on `holidays`) of a moment, by the clocks of a zone with their
    changes between summer and winter. `zone`: a name of the IANA database. The outputs are `name_hour` and so on;
    `name`: the column.

    >>> at = datetime.datetime(2026, 7, 1, 7, tzinfo=datetime.UTC)
    >>> TimeParts("at", zone="Europe/Zurich", parts=("hour", "is_business_hours")).apply_row({"at": at})
    {'at_hour': 9, 'at_is_business_hours': True}
    """

    zone: str = "UTC"
    parts: tuple[Part, ...] = ("hour", "weekday", "is_weekend", "is_business_hours")
    holidays: tuple[datetime.date, ...] = ()
    name: str = ""

    def _faults(self) -> list[Fault]:
        faults = named(self, self.column)
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            faults.append(Fault("zone", repr(self.zone)[:80], "use a name such as Europe/Zurich, or UTC"))
        if not self.parts or len(set(self.parts)) < len(self.parts):
            faults.append(Fault("parts", repr(self.parts)[:80], f"name each once: {', '.join(_TYPES)}"))
        return faults

    @property
    def kinds(self) -> tuple[str, ...]:
        return MOMENTS

    @property
    def outputs(self) -> dict[str, str]:
        return {f"{self.name}_{part}": _TYPES[part] for part in self.parts}

    @property
    def declared(self) -> TimeParts:
        return self

    def fit(self, rows: TrainingRows) -> TimeParts:
        moments(rows.table, self.column)
        return self

    def apply(self, table: pa.Table) -> Columns:
        times, valid = moments(table, self.column)
        local = times + self._offsets(times)
        hour, day = local // _HOUR % 24, local // _DAY
        weekday = (day + _THURSDAY) % 7
        open_ = (hour >= _OPENS) & (hour < _CLOSES) & (weekday < _SATURDAY)
        found = {
            "hour": hour,
            "weekday": weekday,
            "is_weekend": weekday >= _SATURDAY,
            "is_business_hours": open_ & ~np.isin(day, list(self._closed)),
        }
        return {f"{self.name}_{part}": pa.array(found[part], mask=~valid) for part in self.parts}

    def apply_row(self, row: Row) -> Values:
        time = moment(row, self.column)
        if time is None:
            return dict.fromkeys(self.outputs)
        local = time + self._offset(time)
        hour, day = local // _HOUR % 24, local // _DAY
        weekday = (day + _THURSDAY) % 7
        open_ = _OPENS <= hour < _CLOSES and weekday < _SATURDAY and day not in self._closed
        found = {"hour": hour, "weekday": weekday, "is_weekend": weekday >= _SATURDAY, "is_business_hours": open_}
        return {f"{self.name}_{part}": found[part] for part in self.parts}

    @cached_property
    def _place(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @cached_property
    def _closed(self) -> frozenset[int]:
        return frozenset((day - _EPOCH).days for day in self.holidays)

    def _offset(self, time: int) -> int:
        """How far the zone's clocks were before UTC at a time, in µs."""
        offset = datetime.datetime.fromtimestamp(time // _SECOND, self._place).utcoffset()
        assert offset is not None
        return (offset.days * 86_400 + offset.seconds) * _SECOND

    def _offsets(self, times: Ints) -> Ints:
        """`_offset` of each: asked at the beginning and the end of each day in UTC, and of each time of those days on
        which the clocks were changed in between."""
        days, places = np.unique(times // _DAY, return_inverse=True)
        first = np.array([self._offset(day * _DAY) for day in days.tolist()], np.int64)
        last = np.array([self._offset(day * _DAY + _DAY - 1) for day in days.tolist()], np.int64)
        offsets = first[places]
        changed = np.flatnonzero((first != last)[places])
        offsets[changed] = [self._offset(time) for time in times[changed].tolist()]
        return offsets

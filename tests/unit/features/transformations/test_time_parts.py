from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.features.transformations import TimeParts

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
ZONES = ("Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Monrovia", "UTC")


@settings(deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(st.integers(-(2**51), 2**51), min_size=1, max_size=20),  # µs: the years 1898 to 2041
)
def test_parts_are_those_of_the_zones_clocks(zone: str, moments: list[int]) -> None:
    times = [EPOCH + datetime.timedelta(microseconds=moment) for moment in moments]
    table = pa.table({"at": pa.array(times, pa.timestamp("us", "UTC"))})
    found = TimeParts("at", zone=zone).apply(table)
    local = [time.astimezone(ZoneInfo(zone)) for time in times]
    assert found["at_hour"].to_pylist() == [time.hour for time in local]
    assert found["at_weekday"].to_pylist() == [time.weekday() for time in local]
    assert found["at_is_weekend"].to_pylist() == [time.weekday() >= 5 for time in local]


@pytest.mark.parametrize(
    ("at", "hour"),
    [
        ("2026-03-29T00:59:59Z", 1),  # clocks go from 2:00 to 3:00
        ("2026-03-29T01:00:00Z", 3),
        ("2026-10-25T00:30:00Z", 2),  # and from 3:00 back to 2:00
        ("2026-10-25T01:30:00Z", 2),
        ("2026-10-25T02:30:00Z", 3),
    ],
)
def test_clocks_that_are_changed_are_followed(at: str, hour: int) -> None:
    time = datetime.datetime.fromisoformat(at)
    step = TimeParts("at", zone="Europe/Zurich", parts=("hour",))
    assert step.apply_row({"at": time}) == {"at_hour": hour}
    # Beside times of the same day, so that the day's two offsets are both there.
    table = pa.table({"at": pa.array([time, None, time.replace(hour=12)], pa.timestamp("us", "UTC"))})
    assert step.apply(table)["at_hour"].to_pylist()[:2] == [hour, None]


@pytest.mark.parametrize(
    ("local", "open_"),
    [
        ("2026-07-01T08:59:59", False),
        ("2026-07-01T09:00:00", True),
        ("2026-07-01T16:59:59", True),
        ("2026-07-01T17:00:00", False),
        ("2026-07-03T12:00:00", False),  # the holiday
        ("2026-07-04T12:00:00", False),  # Saturday
        ("2026-07-05T12:00:00", False),
        ("2026-07-06T12:00:00", True),
    ],
)
def test_business_hours_are_by_the_local_calendar(local: str, open_: bool) -> None:
    step = TimeParts("at", zone="Pacific/Auckland", parts=("is_business_hours",), holidays=(datetime.date(2026, 7, 3),))
    time = datetime.datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Pacific/Auckland"))
    assert step.apply_row({"at": time}) == {"at_is_business_hours": open_}
    table = pa.table({"at": pa.array([time], pa.timestamp("us", "UTC"))})
    assert step.apply(table)["at_is_business_hours"].to_pylist() == [open_]


def test_a_change_of_clocks_at_an_odd_minute_is_followed_by_columns_too() -> None:
    times = np.arange(63_590_400_000_000, 63_676_800_000_000, 60_000_000)  # Monrovia, 1972-01-07: at 0:44:30 UTC
    table = pa.table({"at": pa.array(times, pa.timestamp("us", "UTC"))})
    step = TimeParts("at", zone="Africa/Monrovia", parts=("hour",))
    expected = [step.apply_row({"at": time})["at_hour"] for time in times.tolist()]
    assert step.apply(table)["at_hour"].to_pylist() == expected

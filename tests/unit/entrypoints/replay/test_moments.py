from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from tropism.core.clock import DAY, from_datetime
from tropism.entrypoints.replay.moments import from_timestamps, parse_numbers, parse_text


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([list(values)])


AFTERNOON = from_datetime(datetime(2020, 2, 29, 15, 4, 5, tzinfo=UTC))
MIDNIGHT = from_datetime(datetime(2020, 2, 29, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        "2020-02-29T15:04:05Z",
        "2020-02-29 15:04:05",
        "2020-02-29 15:04:05.000000",
        "2020-02-29 17:04:05+02:00",
        "2020-02-29T10:04:05-0500",
        "2020/02/29 15:04:05",
        "20200229T15:04:05",
        "29/02/2020 15:04:05",
        "02/29/2020 3:04:05 PM",
        "29.02.2020 15:04:05",
        "29 Feb 2020 15:04:05",
        "February 29, 2020 15:04:05",
        "29-Feb-2020 15:04:05 UTC",
    ],
)
def test_reads_the_common_ways_to_write_a_moment(text: str) -> None:
    read = parse_text(column(text))
    assert read.valid.all()
    assert read.at[0] == AFTERNOON


@pytest.mark.parametrize("text", ["2020-02-29", "29/2/20", "2/29/2020", "29-02-2020", "20200229", "Feb 29, 2020"])
def test_reads_the_common_ways_to_write_a_day(text: str) -> None:
    assert parse_text(column(text)).at[0] == MIDNIGHT


def test_fractions_of_a_second_are_kept() -> None:
    assert parse_text(column("1970-01-01 00:00:00.000001")).at[0] == 1
    assert parse_text(column("1970-01-01T00:00:00,25Z")).at[0] == 250_000


@pytest.mark.parametrize(
    "text", ["2021-02-29", "2020-13-01", "2020-00-10", "2020-01-01 25:00", "31/04/2020", "0201-04-27"]
)
def test_days_and_hours_that_do_not_exist_are_not_read(text: str) -> None:
    assert not parse_text(column(text)).valid.any()


def test_one_late_row_settles_day_and_month_for_all() -> None:
    text = column(*["01/02/2020"] * 1500, "13/02/2020")
    read = parse_text(text)
    assert read.form == "day/month/year"
    assert not read.ambiguous
    assert read.at[0] == from_datetime(datetime(2020, 2, 1, tzinfo=UTC))


def test_where_day_and_month_fit_equally_the_order_of_the_rows_decides_and_it_is_said() -> None:
    by_day = parse_text(column("01/02/2020", "02/02/2020", "03/02/2020", "01/03/2020"))
    assert by_day.form == "day/month/year"
    assert by_day.ambiguous
    assert parse_text(column("01/02/2020", "01/03/2020", "02/01/2020")).form == "month/day/year"


def test_missing_and_foreign_cells_are_not_valid() -> None:
    assert parse_text(column("2020-01-01", None, "soon")).valid.tolist() == [True, False, False]
    assert parse_text(column("a", "b")).form == ""


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000])
def test_epoch_numbers_are_told_apart_by_their_size(scale: int) -> None:
    read = parse_numbers(column(1_500_000_000 * scale, 1_500_000_001 * scale))
    assert read.at.tolist() == [1_500_000_000_000_000, 1_500_000_001_000_000]


def test_years_and_whole_dates_as_numbers() -> None:
    assert parse_numbers(column(1970, 1971)).at.tolist() == [0, 365 * DAY]
    assert parse_numbers(column(20200229)).at.tolist() == [MIDNIGHT]


@pytest.mark.parametrize("values", [(0.1, 0.2), (1, 2, 3), (-5.0, 7.0), (None, None)])
def test_small_numbers_are_no_times(values: tuple[float, ...]) -> None:
    assert not parse_numbers(pa.chunked_array([pa.array(values, pa.float64())])).valid.any()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_typed_timestamps_are_read_in_any_unit_and_zone(unit: str, zone: str | None) -> None:
    stamp = pa.array([datetime(2020, 2, 29, 15, 4, 5, tzinfo=UTC), None], pa.timestamp(unit, zone or "UTC"))
    read = from_timestamps(pa.chunked_array([stamp]))
    assert read.at[0] == AFTERNOON
    assert read.valid.tolist() == [True, False]


def test_typed_dates_are_read() -> None:
    assert from_timestamps(column(date(2020, 2, 29))).at[0] == MIDNIGHT

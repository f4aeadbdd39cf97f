from __future__ import annotations

import pyarrow as pa
import pytest

from tropism.entrypoints.replay.cells import booleans, clean, finite, first, has_leading_zeros, numbers


def column(*values: object) -> pa.ChunkedArray:
    return pa.chunked_array([list(values)])


def test_space_is_trimmed_and_missing_values_are_null() -> None:
    assert clean(column(" a ", "", "NA", "n/a", "?", "NaN", "null", "None", "-inf")).to_pylist() == [
        "a",
        *[None] * 6,
        "None",
        None,
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("+3", 3.0), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1,234,567.5", -1234567.5), ("-$3", -3.0), ("7 %", 7.0)],
)
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert numbers(column(text)).to_pylist() == [value]


@pytest.mark.parametrize("text", ["1_0", "0x10", "1,23", "12-3", "1 000", "e5", "--1", "1.2.3", "٣"])
def test_what_is_no_number(text: str) -> None:
    assert numbers(column(text)).to_pylist() == [None]


def test_a_decimal_comma_is_read_where_cells_are_not_separated_by_commas() -> None:
    assert numbers(column("1,5", "-2", "3,25"), decimal_comma=True).to_pylist() == [1.5, -2.0, 3.25]


def test_infinite_numbers_are_counted_and_missing() -> None:
    values, infinite = finite(column(1.0, float("inf"), float("nan"), None))
    assert values.to_pylist() == [1.0, None, None, None]
    assert infinite == 1


def test_mixed_words_are_no_booleans() -> None:
    assert booleans(column("yes", "false")) is None
    assert booleans(column("TRUE", "False", None)) is not None
    assert booleans(column(None, None).cast(pa.string())) is None


def test_codes_have_leading_zeros_and_decimals_do_not() -> None:
    assert has_leading_zeros(column("10", "007"))
    assert not has_leading_zeros(column("0.5", "0", "10"))


def test_first_finds_the_first() -> None:
    assert first(pa.chunked_array([[False], [True, True]])) == 1
    assert first(pa.chunked_array([[False]])) == -1

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.features.keys import key_text, key_texts, shared_codes

PARTS = st.one_of(st.text("ab\\\x1fu", max_size=3), st.integers(-2, 2))


@given(st.lists(st.tuples(PARTS, PARTS), min_size=1, max_size=30))
def test_the_text_of_a_composite_key_is_its_own(keys: list[tuple[str | int, str | int]]) -> None:
    texts = [key_text(("a", "b"), {"a": a, "b": b}) for a, b in keys]
    told = {tuple(str(part) for part in key) for key in keys}
    assert len(set(texts)) == len(told)
    table = pa.table({name: [str(key[place]) for key in keys] for place, name in enumerate("ab")})
    assert key_texts(table, ["a", "b"]).to_pylist() == texts
    (codes,) = shared_codes([table], ["a", "b"])
    assert len(set(codes.tolist())) == len(told)


@pytest.mark.parametrize(
    "value",
    [None, True, 1.0, "x" * 513, "\ud800", [], b"a", 10**512, -(10**511), pytest.param(10**5_000, id="too long")],
)
def test_what_is_no_key_is_refused_by_column(value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        key_text(("account",), {"account": value})
    assert caught.value.faults[0].field == "account"


class Place(StrEnum):
    NORTH = "north"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17, "17"),
        (-(2**70), str(-(2**70))),
        (10**512 - 1, "9" * 512),
        ("", ""),
        ("a\x1f\\b", "a\x1f\\b"),
        ("ключ", "ключ"),
        ("é" * 512, "é" * 512),
        (Place.NORTH, "north"),
    ],
)
def test_text_and_whole_numbers_are_keys_as_they_are_written(value: object, text: str) -> None:
    key = key_text(("account",), {"account": value, "other": 1.0})
    assert key == text
    assert type(key) is str


def test_numbers_and_text_that_read_the_same_are_the_same_key() -> None:
    numbers = pa.table({"a": pa.array([1, 2, None, 2**62], pa.int64())})
    small = pa.table({"a": pa.array([2, 1], pa.uint8())})
    text = pa.table({"a": pa.array(["2", None, "01"]).dictionary_encode()})
    codes = shared_codes([numbers, small, text], ["a"])
    assert codes[0].tolist() == [0, 1, -1, 2]
    assert codes[1].tolist() == [1, 0]
    assert codes[2].tolist() == [1, -1, 3]
    assert [one.tolist() for one in shared_codes([numbers, small], ["a"])] == [[0, 1, -1, 2], [1, 0]]
    large = pa.table({"a": pa.array([2**63, 1], pa.uint64())})
    assert [one.tolist() for one in shared_codes([numbers, large], ["a"])] == [[0, 1, -1, 2], [3, 0]]


@pytest.mark.parametrize("least", [-(2**63), -5, 0, 2**63 - 3])
@pytest.mark.parametrize("step", [1, 2**40])
def test_whole_numbers_near_or_far_from_one_another_are_told_apart(least: int, step: int) -> None:
    places = [2, None, 0, 2, 1 if least + step < 2**63 else 0]
    numbers = [None if place is None else min(least + place * step, 2**63 - 1) for place in places]
    left, right = pa.table({"a": pa.array(numbers, pa.int64())}), pa.table({"a": pa.array(numbers[:3], pa.int64())})
    first, second = shared_codes([left, right], ["a"])
    assert second.tolist() == first[:3].tolist()
    assert first[1] == -1
    told = {number: code for number, code in zip(numbers, first.tolist(), strict=True) if number is not None}
    assert [told[number] for number in numbers if number is not None] == np.delete(first, 1).tolist()
    assert len(set(told.values())) == len(told)
    assert min(told.values()) >= 0


def test_a_composite_key_with_a_missing_part_is_none() -> None:
    left = pa.table({"a": ["x", "x", None], "b": [1, None, 1]})
    right = pa.table({"a": ["y", "x"], "b": [1, 1]})
    first, second = shared_codes([left, right], ["a", "b"])
    assert first[1] == first[2] == -1
    assert first[0] == second[1] != second[0]
    assert key_texts(left, ["a", "b"]).to_pylist() == ["x\x1f1", None, None]


def test_empty_tables_have_no_codes() -> None:
    empty = pa.table({"a": pa.array([], pa.string())})
    assert [len(codes) for codes in shared_codes([empty, pa.table({"a": ["x"]})], ["a"])] == [0, 1]
    assert np.array_equal(shared_codes([empty], ["a"])[0], np.zeros(0, np.int64))


@pytest.mark.parametrize("column", [pa.array([1.5]), pa.array([True])])
def test_columns_that_hold_no_keys_are_refused(column: pa.Array) -> None:
    with pytest.raises(DataInvalid):
        shared_codes([pa.table({"a": column})], ["a"])
    with pytest.raises(DataInvalid):
        shared_codes([pa.table({"b": column})], ["a"])

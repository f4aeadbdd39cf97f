from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import InvalidInput, MalformedBody, TooLarge, TropismError
from tropism.entrypoints.api.protocols.mlflow_scoring_forms import content_of, limited, rows_of

NAMES = ("a", "b")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"inputs": {"a": [1, 2], "b": 3}}, [{"a": 1, "b": 3}, {"a": 2, "b": 3}]),
        ({"inputs": {"a": 1, "b": 2, "c": 3}}, [{"a": 1, "b": 2}]),
        ({"inputs": {"b": [1]}}, [{"b": 1}]),
        ({"inputs": {"a": [], "b": []}}, []),
        ({"inputs": [[1, 2], [3, 4]]}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ({"inputs": [1, 2]}, [{"a": 1, "b": 2}]),
        ({"instances": [{"a": 1, "b": 2}]}, [{"a": 1, "b": 2}]),
        ({"dataframe_records": [{"a": 1}, {"b": 2}]}, [{"a": 1, "b": None}, {"a": None, "b": 2}]),
        ({"dataframe_split": {"columns": ["b", "x", "a"], "data": [[1, 2]]}}, [{"a": None, "b": 1}]),
        ({"dataframe_split": {"columns": ["a"], "data": [1, [2]], "index": [0, 1]}}, [{"a": 1}, {"a": 2}]),
    ],
)
def test_rows_are_read_from_each_form(content: Any, expected: Any) -> None:
    assert rows_of(content, NAMES, 10) == expected


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"inputs": [[1, 2, 3]]}, InvalidInput),
        ({"inputs": [[1, 2], [3]]}, InvalidInput),
        ({"inputs": {"c": [1]}}, InvalidInput),
        ({"inputs": {"a": [1], "b": [1, 2]}}, InvalidInput),
        ({"instances": {"a": [1], "b": [1, 2]}}, MalformedBody),
        ({"instances": [{"a": 1}, {"b": 1}]}, MalformedBody),
        ({"dataframe_split": {"columns": {"a": 1}, "data": []}}, MalformedBody),
        ({"dataframe_split": {"columns": ["a"], "data": None}}, MalformedBody),
        ({"dataframe_split": {"columns": [["a"]], "data": [[1]], "index": []}}, MalformedBody),
        ({"dataframe_split": {"data": [[1]]}}, InvalidInput),
        ({"dataframe_records": [{"a": 1}, 2]}, InvalidInput),
        ({}, MalformedBody),
    ],
)
def test_what_is_no_form_is_refused_with_what_to_send(content: Any, error: type[TropismError]) -> None:
    with pytest.raises(error) as caught:
        rows_of(content, NAMES, 10)
    assert all(fault.field and fault.fix for fault in caught.value.faults)
    assert caught.value.faults


def test_not_a_number_is_a_missing_value() -> None:
    assert content_of(b'\xef\xbb\xbf{"inputs": [NaN, null]}') == {"inputs": [None, None]}
    assert content_of(b'{"inputs": [Infinity, -Infinity]}') == {"inputs": [float("inf"), float("-inf")]}


@pytest.mark.parametrize("body", [b"[NaN", b"NaN", b'{"a": NaN, "b": ' + b"1" * 5_000 + b"}", b"[NaN," + b"[" * 9_000])
def test_a_body_with_such_a_number_may_still_be_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        content_of(body)


def test_the_limit_is_the_last_number_that_is_allowed() -> None:
    limited(10, 10)
    with pytest.raises(TooLarge):
        limited(11, 10)

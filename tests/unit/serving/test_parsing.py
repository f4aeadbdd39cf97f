from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropism.core.errors import MalformedBody
from tropism.serving.parsing import parse

NAMES = st.sampled_from(["a", "b", ":", "{", '"', "\\", "\u00e9"]) | st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
)


@pytest.mark.parametrize(
    ("body", "message", "fix"),
    [
        (b"", "empty", "send a JSON object"),
        (b'{"features": {"a": 1', "cut off", "whole JSON"),
        (b"hello", "not JSON", "send JSON such as"),
        (b'{"a": 1} {"b": 2}', "trailing characters", "send JSON such as"),
        (b'{"a": NaN}', "NaN is not a JSON number", "send null for a missing value"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number", "send null for a missing value"),
        (b'{"a": Infinity}', "Infinity is not a JSON number", "send null for a missing value"),
        (b'{"a": 1e400}', "too large", "between -1e300 and 1e300"),
        (b'{"a": "\xff"}', "not UTF-8", "encode the body as UTF-8"),
        (b'{"a": "\\udc00"}', "not JSON", "send JSON such as"),
        (b"[" * 100_000, "nested too deeply", "flat values"),
        (b'{"a":' * 100_000, "nested too deeply", "flat values"),
    ],
)
def test_what_is_not_json_says_where_and_what_to_do(body: bytes, message: str, fix: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        parse(body)
    assert message in caught.value.message
    assert fix in caught.value.faults[0].fix
    assert len(caught.value.faults[0].value) < 120


def test_a_huge_whole_number_is_refused_or_read_but_never_fails_otherwise() -> None:
    assert parse(b"1" + b"0" * 400) == 10**400
    with pytest.raises(MalformedBody):
        parse(b"1" * 5_000)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"a": 1, "a": 1}', "a"),
        (b'{"features": {"a": 1}, "features": {"a": 1}}', "features"),
        (b'{"features": {"a": 1, "b": {"c": 1, "c": 2}}}', "c"),
        (b'[{"a": 1}, [{"b": 1, "b": [{"a": 1}]}]]', "b"),
        (b'{"a": 1, "\\u0061": 2}', "a"),
        (b'{"": 1, "": 2}', ""),
        (b'{"a": "x:y", "b": 1, "b": 2}', "b"),
        (b'{"a:b": 1, "a:b": 2}', "a:b"),
        (b'{"a": {"a": {"a": 1}}, "b": 1, "b": ":"}', "b"),
        (b'{"a": "{{{", "b": [1, {"c": 2, "c": 3}]}', "c"),
        (b'{"' + b"n" * 500 + b'": 1, "' + b"n" * 500 + b'": 2}', "n" * 60),
    ],
)
def test_a_name_sent_twice_is_refused_by_name(body: bytes, name: str) -> None:
    with pytest.raises(MalformedBody) as caught:
        parse(body)
    assert "twice" in caught.value.message
    assert name in caught.value.message
    assert "once" in caught.value.faults[0].fix
    assert len(caught.value.message) < 120


@settings(max_examples=400, deadline=None, derandomize=True)
@given(value=VALUES, compact=st.booleans(), ascii_only=st.booleans())
def test_what_has_no_name_twice_is_read_as_it_is(value: Any, compact: bool, ascii_only: bool) -> None:
    body = json.dumps(value, separators=(",", ":") if compact else None, ensure_ascii=ascii_only)
    assert parse(body.encode()) == value


@settings(max_examples=400, deadline=None, derandomize=True)
@given(pairs=st.lists(st.tuples(NAMES, VALUES), max_size=5), around=st.integers(0, 2))
def test_a_body_is_refused_just_when_a_name_comes_twice(pairs: list[tuple[str, Any]], around: int) -> None:
    inner = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    body = (["%s", '{"x": %s}', '[1, {"y": [%s]}]'][around] % f"{{{inner}}}").encode()
    if len({name for name, _ in pairs}) == len(pairs):
        parse(body)
    else:
        with pytest.raises(MalformedBody, match="twice"):
            parse(body)

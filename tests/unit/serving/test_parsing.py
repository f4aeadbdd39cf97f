from __future__ import annotations

import pytest

from tropism.core.errors import MalformedBody
from tropism.serving.parsing import parse


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

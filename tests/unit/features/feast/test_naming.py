from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tropism.core.durations import parse_duration
from tropism.features.feast.naming import name_of, ttl_of
from tropism.features.names import name_faults


@given(st.integers(1, 100_000 * 86_400_000_000))
def test_a_ttl_is_kept_to_the_microsecond(length: int) -> None:
    text = ttl_of(length)
    assert text is not None
    assert parse_duration(text) == length


@given(st.text())
def test_every_name_becomes_one(name: str) -> None:
    assert not name_faults("name", name_of(name))


def test_a_ttl_as_good_as_ever_is_for_ever() -> None:
    assert ttl_of(999_999_999 * 86_400_000_000) is None

from __future__ import annotations

from typing import Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import InvalidInput
from tropism.core.faults import Faults
from tropism.core.identity import Identifiers
from tropism.serving.fields import Fields

NOW = 1_700_000_000 * SECOND


def fields(element: dict[str, Any]) -> Fields:
    return Fields(element, "instances[3].", Faults(), InvalidInput)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (5, 5),
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01T01:00:01+01:00", SECOND),
        ("1970-01-02", 86_400 * SECOND),
        (-1, -1),
        (NOW + 60 * SECOND, NOW + 60 * SECOND),
        (None, None),
    ],
)
def test_times_are_read_as_microseconds(value: Any, at: int | None) -> None:
    read = fields({"at": value})
    assert read.moment("at", NOW, 60 * SECOND) == at
    assert not read.faults


@pytest.mark.parametrize("value", [True, 1.5, "soon", "", [], 10**30, -(10**30), NOW + 61 * SECOND, "9999-12-31"])
def test_what_is_no_time_or_in_the_future_is_refused(value: Any) -> None:
    read = fields({"at": value})
    assert read.moment("at", NOW, 60 * SECOND) is None
    with pytest.raises(InvalidInput) as caught:
        read.faults.check()
    assert caught.value.faults[0].field == "instances[3].at"


def test_ids_are_of_our_kind_and_not_from_the_future() -> None:
    ids = Identifiers()
    good = ids.new(NOW)
    assert fields({"id": good}).identifier("id", NOW, 0) == good
    for value in ("42", 42, good.upper(), ids.new(NOW + SECOND), "f47ac10b-58cc-4372-a567-0e02b2c3d479"):
        read = fields({"id": value})
        assert read.identifier("id", NOW, 0) is None
        assert read.faults


def test_texts_have_a_length() -> None:
    assert fields({"entity": "a"}).text("entity") == "a"
    for value in ("", "x" * 300, 7, ["a"]):
        read = fields({"entity": value})
        assert read.text("entity") is None
        assert read.faults


def test_an_unknown_field_is_named_with_the_one_that_was_meant() -> None:
    read = fields({"entiy": "a"})
    read.only(("features", "entity"))
    with pytest.raises(InvalidInput) as caught:
        read.faults.check()
    assert caught.value.faults[0].fix == "did you mean 'entity'?"

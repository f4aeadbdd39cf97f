from __future__ import annotations

import pytest

from tropism.core.errors import InvalidInput
from tropism.features.streams.faults import MOST, Faults, close_to, shown
from tropism.serving import faults as serving


def test_nothing_wrong_is_no_error() -> None:
    faults = Faults()
    faults.check()
    assert not faults.full


def test_as_many_are_listed_as_a_prediction_lists() -> None:
    assert MOST == serving.MOST
    faults = Faults()
    for number in range(MOST + 1):
        assert faults.full == (number == MOST)
        faults.add("it is wrong", f"events[{number}]", "", "mend it")
    with pytest.raises(InvalidInput) as caught:
        faults.check()
    assert caught.value.message == f"it is wrong, and {MOST} more faults"
    assert caught.value.faults[-1].fix == "1 more faults are not listed"


@pytest.mark.parametrize(
    ("value", "text"),
    [("x" * 100, '"' + "x" * 75 + '..."'), (None, "null"), ({}, "an object"), ([], "a list"), (10**5_000, None)],
    ids=lambda value: type(value).__name__,
)
def test_values_are_shown_short(value: object, text: str | None) -> None:
    assert len(shown(value)) <= 80
    assert text is None or shown(value) == text


def test_names_that_are_alike_are_found() -> None:
    assert close_to("amuont", ["amount", "at"]) == "amount"
    assert close_to("zzz", ["amount", "at"]) is None

from __future__ import annotations

import pytest

from tropism.core.errors import InvalidInput, TooLarge
from tropism.entrypoints.feature_values import entities

KEYS = ("shop", "customer")


def test_values_of_the_same_place_are_one_entity_in_whatever_order_keys_come() -> None:
    given = [("customer", "1"), ("customer", "2"), ("shop", "s"), ("shop", "t")]
    assert entities(given, KEYS, 9, "") == [{"shop": "s", "customer": "1"}, {"shop": "t", "customer": "2"}]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ([("shop", "s")], ["--key customer"]),
        ([], ["--key shop", "--key customer"]),
        ([("shop", "s"), ("shop", "t"), ("customer", "1")], ["--key shop", "--key customer"]),
        ([("shop", "s"), ("custmer", "1")], ["--key custmer"]),
    ],
)
def test_what_names_no_entity_is_told(given: list[tuple[str, str]], fields: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        entities(given, KEYS, 9, "--key ")
    assert [fault.field for fault in caught.value.faults] == fields


def test_more_than_are_taken_are_too_many() -> None:
    with pytest.raises(TooLarge) as caught:
        entities([("shop", "s")] * 3, ("shop",), 2, "query.")
    assert "at most 2" in caught.value.faults[0].fix

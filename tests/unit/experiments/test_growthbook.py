from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tropism.experiments.growthbook import (
    choose_variation,
    get_bucket_ranges,
    get_equal_weights,
    hash_value,
    in_namespace,
)

HASHES: list[tuple[str, str, int, float | None]] = [
    ("", "a", 1, 0.22),
    ("", "b", 1, 0.077),
    ("b", "a", 1, 0.946),
    ("asdf", "8952klfjas09ujk", 1, 0.549),
    ("seed", "a", 2, 0.0505),
    ("seed", "b", 2, 0.2696),
    ("foo", "def", 2, 0.2019),
    ("90850943850283058242805", "123", 2, 0.7516),
    ("()**(%$##$%#$#", '___)((*":&', 2, 0.0128),
    ("abc", "def", 99, None),
]
"""From GrowthBook's cases.json, spec 0.7.1: the seed, the value, the version, and where it stands."""


@pytest.mark.parametrize(("seed", "value", "version", "place"), HASHES)
def test_units_stand_where_growthbook_has_them(seed: str, value: str, version: int, place: float | None) -> None:
    assert hash_value(seed, value, version) == place


def test_texts_count_as_javascript_counts_them() -> None:
    """By hand: FNV-1a over the UTF-16 code units of an umlaut, and of an emoji, which has two."""
    by_hand = 0x811C9DC5
    for unit in (0xFC, 0xD83D, 0xDE00):
        by_hand = ((by_hand ^ unit) * 0x01000193) % 2**32
    assert hash_value("", "\u00fc\U0001f600", 1) == by_hand % 1_000 / 1_000


@pytest.mark.parametrize(
    ("asked", "ranges"),
    [
        ((2, 1, None), [(0, 0.5), (0.5, 1)]),
        ((2, 0.5, None), [(0, 0.25), (0.5, 0.75)]),
        ((3, 0.2, [0.2, 0.3, 0.5]), [(0, 0.04), (0.2, 0.26), (0.5, 0.6)]),
        ((2, -0.2, None), [(0, 0), (0.5, 0.5)]),
        ((2, 1.5, None), [(0, 0.5), (0.5, 1)]),
        ((2, 1, [0.4, 0.1]), [(0, 0.5), (0.5, 1)]),
        ((4, 1, [0.4, 0.4, 0.2]), [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]),
        ((2, 1, [0.4, 0.5999]), [(0, 0.4), (0.4, 0.9999)]),
        ((2, 1, [1.2, -0.2]), [(0, 0.5), (0.5, 1)]),
    ],
)
def test_ranges_are_growthbooks(asked: tuple[Any, ...], ranges: list[tuple[float, float]]) -> None:
    found = get_bucket_ranges(*asked)
    assert [edge for span in found for edge in span] == pytest.approx([edge for span in ranges for edge in span])


def test_an_empty_range_is_passed_over() -> None:
    assert choose_variation(0.5, [(0, 0.5), (0.5, 0.5), (0.5, 1)]) == 2


def test_all_published_cases_hold() -> None:
    """TROPISM_GROWTHBOOK_CASES: path of GrowthBook's cases.json, in any of its SDKs' tests."""
    path = os.environ.get("TROPISM_GROWTHBOOK_CASES")
    if not path:
        pytest.skip("TROPISM_GROWTHBOOK_CASES does not name GrowthBook's cases.json")
    cases = json.loads(Path(path).read_text())
    for seed, value, version, place in cases["hash"]:
        assert hash_value(seed, value, version) == place, (seed, value)
    for name, asked, ranges in cases["getBucketRange"]:
        assert [(round(a, 6), round(b, 6)) for a, b in get_bucket_ranges(*asked)] == list(map(tuple, ranges)), name
    for name, place, ranges, chosen in cases["chooseVariation"]:
        assert choose_variation(place, ranges) == chosen, name
    for name, unit, namespace, inside in cases["inNamespace"]:
        assert in_namespace(unit, tuple(namespace)) == inside, name
    for count, weights in cases["getEqualWeights"]:
        assert [round(weight, 8) for weight in get_equal_weights(count)] == weights

from __future__ import annotations

import random

from tropism.experiments.growthbook import fnv1a, hash_value
from tropism.experiments.places import PLACES, Places, fnv1a_many

LETTERS = "abcXYZ019-_ \u00e9\u4e2d\U0001f600\ud800\0"


def texts(count: int) -> list[str]:
    rng = random.Random(0)
    return ["".join(rng.choices(LETTERS, k=rng.choice((1, 2, 8, 20, 36)))) for _ in range(count)]


def test_a_place_is_that_of_the_published_hash_one_by_one_and_many_at_once() -> None:
    units = [*texts(3_000), "x" * 500]
    for seed in ("", "checkout", "f\u00fcr"):
        expected = [hash_value(seed, unit, 2) for unit in units]
        places = Places(seed)
        assert [places.of(unit) / PLACES for unit in units] == expected
        assert [place / PLACES for place in places.of_many(units).tolist()] == expected


def test_short_first_hashes_keep_their_digits() -> None:
    """Some first hashes have fewer than seven digits, none of which the tables hold."""
    rare = [unit for unit in map(str, range(60_000)) if fnv1a("e" + unit) < 1_000_000]
    assert rare
    assert [Places("e").of(unit) / PLACES for unit in rare] == [hash_value("e", unit, 2) for unit in rare]
    assert (Places("e").of_many(rare) / PLACES).tolist() == [hash_value("e", unit, 2) for unit in rare]


def test_texts_before_and_after_count() -> None:
    units = ["", *texts(500)]
    assert fnv1a_many(units, "seed", "__space").tolist() == [fnv1a(f"seed{unit}__space") for unit in units]
    assert fnv1a_many([]).tolist() == []

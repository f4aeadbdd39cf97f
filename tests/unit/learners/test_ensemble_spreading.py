from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature
from tropism.learners.encoding import Column, Encoding, EncodingFacts
from tropism.learners.ensemble_spreading import Spreading, sound

FEATURES = (Feature("amount"), Feature("city", "category"), Feature("new", "boolean"))
NAN = float("nan")


def table(cities: int) -> pa.Table:
    rng = np.random.default_rng(1)
    amount = pa.array(rng.lognormal(3, 2, 900), mask=rng.random(900) < 0.2)
    city = pa.array([f"city {int(i)}" for i in rng.exponential(cities / 3, 900)], mask=rng.random(900) < 0.1)
    return pa.table({"amount": amount, "city": city, "new": rng.random(900) < 0.5})


@pytest.mark.parametrize("cities", [5, 150])
def test_codes_spread_to_the_bits_of_the_standard_encoding(cities: int) -> None:
    rows = table(cities)
    codes = Encoding.fit(FEATURES, rows, "codes").matrix(rows)
    spreading = Spreading.fit(FEATURES, codes)
    expected = Encoding.fit(FEATURES, rows, "standard").matrix(rows)
    assert spreading.width == expected.shape[1]
    assert spreading.matrix(codes).tobytes() == expected.tobytes()
    assert spreading.owners.tolist() == [0, 0, *[1] * (expected.shape[1] - 4), 2, 2]


@pytest.mark.parametrize("cities", [5, 150])
def test_one_row_spreads_to_the_bits_of_many(cities: int) -> None:
    rows = table(cities)
    codes = Encoding.fit(FEATURES, rows, "codes").matrix(rows)
    spreading = Spreading.fit(FEATURES, codes)
    strange = [[NAN, NAN, NAN], [1e308, -1.0, 0.0], [-1e308, 5000.0, 1.0], [-0.0, 0.0, 1.0]]
    asked = np.vstack([codes, strange])
    before = asked.copy()
    together = spreading.matrix(asked)
    assert np.array([spreading.row(row) for row in asked.tolist()]).tobytes() == together.tobytes()
    assert asked.tobytes() == before.tobytes()


def test_stored_facts_spread_alike() -> None:
    rows = table(150)
    codes = Encoding.fit(FEATURES, rows, "codes").matrix(rows)
    spreading = Spreading.fit(FEATURES, codes)
    assert sound(spreading.facts, 3)
    assert not sound(spreading.facts, 4)
    assert Spreading(spreading.facts).matrix(codes).tobytes() == spreading.matrix(codes).tobytes()


def test_a_category_that_is_always_missing_keeps_only_that_it_is() -> None:
    codes = np.array([[1.0, NAN, 0.0], [2.0, NAN, 1.0]])
    spreading = Spreading.fit(FEATURES, codes)
    assert spreading.row([1.0, NAN, 0.0])[2] == 1.0
    assert spreading.row([1.0, 3.0, 0.0])[2] == 0.0


@pytest.mark.parametrize(
    "column",
    [
        Column("a", "category", ("0001", "0001")),
        Column("a", "category", ("0002", "0001")),
        Column("a", "category", ("-001",)),
        Column("a", "category", ("1024",)),
        Column("a", "category", ("\N{ARABIC-INDIC DIGIT ONE}000",)),
        Column("a", "category", tuple(f"{code:04d}" for code in range(65))),
        Column("a", "number", ("0001",)),
        Column("a", "number", (), NAN),
        Column("a", "number", (), 0.0, -1.0),
    ],
)
def test_facts_that_codes_cannot_be_spread_by_are_not_sound(column: Column) -> None:
    assert not sound(EncodingFacts("standard", (column,)), 1)

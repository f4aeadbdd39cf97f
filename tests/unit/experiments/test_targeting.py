from __future__ import annotations

from typing import Any

import pytest

from tropism.experiments.targeting import targeting

GERMAN = {"country": "DE", "amount": 12.5, "premium": True, "spend.count_7d": 3, "segment": "b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('country == "DE" and amount > 10 and segment in ("a", "b")', True),
        ("country != 'DE' or amount <= 12.5", True),
        ("10 < amount <= 12", False),
        ("not (10 < amount <= 12)", True),
        ("20 > amount", True),
        ("amount > -1", True),
        ("premium", True),
        ("not premium", False),
        ("premium == 1", False),
        ("spend.count_7d >= 3", True),
        ("segment not in ['c']", True),
        ("country is not None and income is None", True),
        ("country == 'DE'\n  and premium", True),
    ],
)
def test_a_rule_says_whom_an_experiment_is_for(text: str, expected: bool) -> None:
    assert targeting(text)(GERMAN) is expected


@pytest.mark.parametrize("text", ["income > 5", "not income > 5", "income != 5", "income not in (5, 6)", "not income"])
@pytest.mark.parametrize("known", [{}, {"income": None}, {"income": float("nan")}, {"income": "much"}, {"income": [5]}])
def test_nobody_is_targeted_by_what_is_unknown(text: str, known: dict[str, Any]) -> None:
    assert targeting(text)(known) is False


def test_one_part_that_is_unknown_does_not_hide_another_that_is_true() -> None:
    rule = targeting("income > 5 or country == 'DE'")
    assert rule({"country": "DE"})
    assert not rule({"country": "FR"})

from __future__ import annotations

import numpy as np
import pytest

from tropism.learners.base import Shape
from tropism.learners.constant import Constant, Fixed, Moving, Profile
from tropism.learners.ensemble_choosing import ByCode, ByRange
from tropism.learners.ensemble_parts import Member

SHAPE = Shape("regression", 1, 2)
MEMBERS = [Member(f"member {number}", Constant(Fixed((float(number),)), SHAPE), None) for number in range(3)]
VALUES = [-5.0, 1.0, 1.0 + 1e-12, 2.0, 9.0, float("nan"), float("inf")]
BY_RANGE = ByRange(1, (0, 1, 2), 1, (1.0, 2.0))
BY_CODE = ByCode(1, (2, 0), 1)


def answers(rule: ByRange | ByCode, values: list[float]) -> list[float]:
    codes = np.column_stack([np.zeros(len(values)), values])
    return list(rule.predict(MEMBERS, codes, None, SHAPE)[:, 0])


def test_a_range_ends_with_its_cut_and_what_is_missing_goes_elsewhere() -> None:
    assert answers(BY_RANGE, VALUES) == [0, 0, 1, 1, 2, 1, 2]
    assert answers(BY_CODE, [0.0, 1.0, 2.0, -1.0, float("nan")]) == [2, 0, 1, 1, 1]


@pytest.mark.parametrize("rule", [BY_RANGE, BY_CODE], ids=["range", "code"])
def test_one_row_is_sent_where_it_is_among_others(rule: ByRange | ByCode) -> None:
    values = [*VALUES, 0.0, 5000.0, -1.0]
    assert [MEMBERS[rule.chosen_one(value)].learner for value in values] == [
        MEMBERS[int(number)].learner for number in rule.chosen(np.array(values))
    ]
    assert answers(rule, []) == []


def test_each_row_keeps_its_moment() -> None:
    """A member that looks at the clock is asked about the moments of its own rows."""
    day = Moving(Profile(2, ((0.0,), (8.0,)), (1.0, 1.0), 0), SHAPE)
    members = [Member("seasonal", day, None), MEMBERS[1]]
    rule = ByCode(0, (0, 1), 0)
    codes = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    found = rule.predict(members, codes, np.array([1, 1, 0, 0]), SHAPE)[:, 0]
    assert found[0] == found[2] == 1.0
    assert found[1] > found[3]


def test_contributions_are_those_of_the_member_that_answers() -> None:
    codes = np.array([[0.0, 0.0], [0.0, 5.0]])
    assert BY_RANGE.contributions(MEMBERS, codes, None, SHAPE).tolist() == [[[0.0, 0.0, 0.0]], [[0.0, 0.0, 2.0]]]


def test_shares_count_the_cases_of_each_member() -> None:
    assert BY_RANGE.shares(3) == [0.25, 0.5, 0.25]
    assert ByRange(0, (1,), 1, ()).shares(2) == [0.0, 1.0]


@pytest.mark.parametrize(
    "rule",
    [
        ByRange(2, (0, 1), 0, (1.0,)),
        ByRange(0, (0, 1), 3, (1.0,)),
        ByRange(0, (0, 1, 2), 0, (1.0,)),
        ByRange(0, (0, 1, 2), 0, (1.0, 1.0)),
        ByRange(0, (0, 1), 0, (float("inf"),)),
        ByRange(0, (0,) * 1_002, 0, tuple(map(float, range(1_001)))),
        ByCode(0, (0, 3), 0),
        ByCode(0, (0,) * 1_025, 0),
    ],
)
def test_a_rule_that_points_nowhere_is_not_sound(rule: ByRange | ByCode) -> None:
    assert BY_RANGE.sound(3, SHAPE)
    assert BY_CODE.sound(3, SHAPE)
    assert not rule.sound(3, SHAPE)

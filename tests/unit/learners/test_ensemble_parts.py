from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.task import Feature
from tropism.learners.affine import Affine
from tropism.learners.base import Estimator, Floats, Shape, Times
from tropism.learners.constant import Constant, Fixed
from tropism.learners.ensemble_parts import AsTrained, Member, by_owner
from tropism.learners.ensemble_spreading import Spreading


class Opaque(Estimator):
    """Scores without reasons; says what it is asked for."""

    format: ClassVar[str] = "opaque"

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:
        return matrix[:, :1] * 2

    def export(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Any:
        raise AssertionError


def test_a_member_without_contributions_says_so_by_name() -> None:
    member = Member("opaque(a=1)", Opaque(), None)
    assert not member.quick
    with pytest.raises(InvalidInput, match=r"'opaque\(a=1\)' cannot be explained") as caught:
        member.contributions(np.zeros((1, 2)), None)
    assert caught.value.faults[0].field == "explain"


def test_spread_columns_are_counted_for_the_feature_they_come_from() -> None:
    codes = np.array([[1.0, 0.0], [3.0, 1.0], [np.nan, np.nan]])
    spreading = Spreading.fit((Feature("x"), Feature("city", "category")), codes)
    weights = np.arange(1.0, spreading.width + 1)[None, :]
    member = Member("linear", Affine("regression", weights, np.array([0.5])), spreading)
    found = member.contributions(codes, None)
    assert found.shape == (3, 1, 3)
    np.testing.assert_allclose(found.sum(axis=2), member.predict(codes, None))
    np.testing.assert_allclose(found[2, 0], [2.0, 5.0, 0.5])  # the two indicators of what is missing
    assert member.importance(2).tolist() == [3 / 15, 12 / 15]


def test_a_member_that_looks_at_no_feature_has_no_importance() -> None:
    member = Member("mean", Constant(Fixed((2.0,)), Shape("regression", 1, 3)), None)
    assert member.importance(3).tolist() == [0.0, 0.0, 0.0]


def test_what_a_framework_says_is_asked_of_those_that_have_one() -> None:
    plain, trained = Opaque(), Opaque()
    trained.framework = lambda matrix: matrix[:, :1] * 3
    codes = np.array([[1.0], [2.0]])
    assert AsTrained("a", plain, None).predict(codes, None).tolist() == [[2.0], [4.0]]
    assert AsTrained("a", trained, None).predict(codes, None).tolist() == [[3.0], [6.0]]
    assert Member("a", trained, None).predict(codes, None).tolist() == [[2.0], [4.0]]


def test_owners_need_not_stand_together() -> None:
    found = by_owner(np.array([[[1.0, 2.0, 4.0, 0.5]], [[1.0, 1.0, 1.0, 1.0]]]), [1, 0, 1], 3)
    assert found.tolist() == [[[2.0, 5.0, 0.0, 0.5]], [[1.0, 2.0, 0.0, 1.0]]]

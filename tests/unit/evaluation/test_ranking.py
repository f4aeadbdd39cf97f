from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tropism.evaluation.ranking import auc, average_precision

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40).filter(
    lambda pairs: 2 <= sum(label for label, _ in pairs) <= len(pairs) - 2
)


@given(rows)
def test_they_agree_with_scikit_learn_with_ties(pairs: list[tuple[bool, int]]) -> None:
    labels = np.array([float(label) for label, _ in pairs])
    scores = np.array([score / 6 for _, score in pairs])
    found = auc(labels, scores)
    assert found.value == pytest.approx(roc_auc_score(labels, scores))
    assert 0 <= found.low <= found.value <= found.high <= 1
    value = average_precision(labels, scores)(np.ones(len(labels)))
    assert value == pytest.approx(average_precision_score(labels, scores))


def test_counting_a_row_twice_is_having_it_twice() -> None:
    rng = np.random.default_rng(0)
    labels, scores = (rng.random(50) < 0.4).astype(np.float64), np.round(rng.random(50), 1)
    counts = rng.integers(0, 4, 50)
    twice = np.repeat(np.arange(50), counts)
    expected = average_precision_score(labels[twice], scores[twice])
    assert average_precision(labels, scores)(counts.astype(np.float64)) == pytest.approx(expected)
    assert average_precision(labels, scores)(np.where(labels == 1, 0.0, 1.0)) == 0.0


def test_the_area_is_covered_as_often_as_promised() -> None:
    rng = np.random.default_rng(3)
    truth = 0.7602499389065233  # of two normals one standard deviation apart: the normal's share below 1 / sqrt(2)
    inside = 0
    for _ in range(400):
        labels = np.repeat([0.0, 1.0], [120, 80])
        found = auc(labels, rng.normal(size=200) + labels)
        inside += found.low <= truth <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_a_perfect_split_does_not_claim_certainty() -> None:
    found = auc(np.repeat([0.0, 1.0], 10), np.arange(20.0))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.7)
    assert auc(np.repeat([1.0, 0.0], 10), np.arange(20.0)).low == 0.0
    assert auc(np.repeat([1.0, 0.0], 10), np.ones(20)).value == 0.5

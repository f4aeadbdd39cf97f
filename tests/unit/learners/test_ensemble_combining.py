from __future__ import annotations

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.learners.affine import Affine
from tropism.learners.base import Floats, Shape
from tropism.learners.ensemble_combining import FURTHEST, Average, Stack, Votes, said
from tropism.learners.ensemble_parts import Member
from tropism.learners.links import logit, unlinked

BINARY, THREE, NUMBER = Shape("binary", 1, 2), Shape("multiclass", 3, 2), Shape("regression", 1, 2)


def column(*values: float) -> Floats:
    return np.array(values)[:, None]


def test_an_average_weighs_its_members() -> None:
    found = Average((0.25, 0.75)).combine([column(0.0, 1.0), column(1.0, 1.0)], BINARY)
    assert found.tolist() == [[0.75], [1.0]]


def test_rounding_never_makes_a_probability_above_1() -> None:
    average = Average((0.25, 0.75 + 1e-12))
    assert average.sound(2, BINARY)
    assert average.combine([column(1.0), column(1.0)], BINARY)[0, 0] == 1.0
    assert average.combine([column(4.0), column(4.0)], NUMBER)[0, 0] > 4.0


@pytest.mark.parametrize("votes", [(0.9, 0.45, 0.45), (0.1, 0.55, 0.55), (0.6, 0.4), (0.6, 0.3), (0.5, 0.5)])
def test_hard_votes_of_two_classes_follow_the_majority_and_then_the_mean(votes: tuple[float, ...]) -> None:
    found = Votes().combine([column(vote) for vote in votes], BINARY)[0, 0]
    ayes = sum(vote >= 0.5 for vote in votes)
    wanted = ayes * 2 > len(votes) or (ayes * 2 == len(votes) and np.mean(votes) >= 0.5)
    assert (found >= 0.5) == wanted
    assert 0 < found < 1


def test_hard_votes_of_many_classes_follow_the_majority_and_then_the_mean() -> None:
    rng = np.random.default_rng(3)
    for members in (2, 3, 4, 7):
        scores = [rng.dirichlet([0.5] * 3, 500) for _ in range(members)]
        found = Votes().combine(scores, THREE)
        np.testing.assert_allclose(found.sum(axis=1), 1.0)
        counts = sum(np.eye(3)[one.argmax(axis=1)] for one in scores)
        mean = np.mean(scores, axis=0)
        leading = counts == np.max(counts, axis=1, keepdims=True)
        np.testing.assert_array_equal(found.argmax(axis=1), np.where(leading, mean, -1.0).argmax(axis=1))


def test_hard_votes_of_numbers_are_the_median() -> None:
    found = Votes().combine([column(1.0, 0.0), column(100.0, 2.0), column(3.0, 1.0)], NUMBER)
    assert found.tolist() == [[3.0], [1.0]]


def test_a_stack_reads_log_odds_no_further_than_its_limit() -> None:
    read = said("binary", [column(0.0, 0.5, 1.0), column(0.2, 0.2, 0.2)])
    assert read[:, 0].tolist() == [-FURTHEST, 0.0, FURTHEST]
    np.testing.assert_allclose(read[:, 1], np.log(0.25))
    many = said("multiclass", [np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])])
    assert np.abs(many).max() == FURTHEST
    np.testing.assert_allclose(many[1], np.log([0.2, 0.3, 0.5]) - np.log([0.2, 0.3, 0.5]).mean())


def test_a_stack_is_a_linear_model_of_what_it_reads() -> None:
    stack = Stack(((2.0, -1.0),), (0.5,))
    found = stack.combine([column(0.7), column(0.4)], BINARY)
    np.testing.assert_allclose(logit(found), 2 * logit(column(0.7)) - logit(column(0.4)) + 0.5)
    assert stack.shares(2) == pytest.approx([2 / 3, 1 / 3])
    assert stack.combine([column(3.0), column(1.0)], NUMBER).tolist() == [[5.5]]


def test_soundness_counts_rows_columns_and_sums() -> None:
    assert Average((0.5, 0.5)).sound(2, BINARY)
    assert not Average((0.5, 0.6)).sound(2, BINARY)
    assert not Average((2.0, -1.0)).sound(2, BINARY)
    assert not Average((0.5, 0.5)).sound(3, BINARY)
    assert Stack(((1.0,) * 6,) * 3, (0.0,) * 3).sound(2, THREE)
    assert not Stack(((1.0,) * 6,) * 2, (0.0,) * 3).sound(2, THREE)
    assert not Stack(((1.0,) * 5,) * 3, (0.0,) * 3).sound(2, THREE)
    assert not Stack(((float("inf"),),), (0.0,)).sound(1, BINARY)


def members(shape: Shape, size: float) -> list[Member]:
    rng = np.random.default_rng(8)
    made = [
        Affine(shape.kind, rng.normal(size=(shape.outputs, 2)) * size, rng.normal(size=shape.outputs)) for _ in "ab"
    ]
    return [Member("linear", one, None) for one in made]


@pytest.mark.parametrize("size", [0.5, 30.0], ids=["within the limit", "beyond the limit"])
@pytest.mark.parametrize("shape", [BINARY, THREE, NUMBER], ids=lambda shape: shape.kind)
def test_contributions_to_a_stack_sum_to_its_raw_score(shape: Shape, size: float) -> None:
    rng = np.random.default_rng(4)
    weights = rng.normal(size=(shape.outputs, 2 * shape.outputs)) / 4
    stack = Stack(tuple(map(tuple, weights.tolist())), tuple(rng.normal(size=shape.outputs).tolist()))
    both, codes = members(shape, size), rng.normal(size=(300, 2))
    raw = unlinked(shape.kind, stack.predict(both, codes, None, shape))
    found = stack.contributions(both, codes, None, shape).sum(axis=2)
    if shape.kind == "multiclass":  # up to what all classes share
        raw, found = raw - raw.mean(axis=1, keepdims=True), found - found.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, raw, atol=1e-9)
    if size < 1:  # nothing was cut off: contributions are those of the members, weighed
        parts = np.concatenate([member.contributions(codes, None)[:, :, :2] for member in both], axis=1)
        if shape.kind == "multiclass":
            parts = parts.reshape(300, 2, 3, 2)
            parts = (parts - parts.mean(axis=2, keepdims=True)).reshape(300, 6, 2)
        expected = np.einsum("om,nmf->nof", weights, parts)
        np.testing.assert_allclose(stack.contributions(both, codes, None, shape)[:, :, :2], expected, atol=1e-9)


def test_what_is_cut_off_shrinks_contributions_in_proportion() -> None:
    member = Member("linear", Affine("binary", np.array([[30.0, -10.0]]), np.array([0.0])), None)
    found = Stack(((1.0,),), (0.0,)).contributions([member], np.array([[1.0, 1.0]]), None, BINARY)
    np.testing.assert_allclose(found[0, 0], [15.0, -5.0, 0.0], atol=1e-9)


def test_a_mean_of_numbers_can_be_explained_and_one_of_probabilities_cannot() -> None:
    average, codes = Average((0.3, 0.7)), np.array([[1.0, -2.0]])
    both = members(NUMBER, 1.0)
    found = average.contributions(both, codes, None, NUMBER)
    np.testing.assert_allclose(found.sum(axis=2), average.predict(both, codes, None, NUMBER), atol=1e-12)
    with pytest.raises(InvalidInput, match="log-odds"):
        average.contributions(members(BINARY, 1.0), codes, None, BINARY)
    with pytest.raises(InvalidInput, match="votes"):
        Votes().contributions(both, codes, None, NUMBER)

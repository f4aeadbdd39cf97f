"""Ensembles in which every member answers and the answers are put together.

Average: of probabilities or numbers. Votes: Breiman's majority vote. Stack: Wolpert, Stacked Generalization, Neural
Networks 5, 1992; Breiman, Stacked Regressions, Machine Learning 24, 1996.
Sums run member by member, so a row has the same bits alone and among others.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tropism.learners.affine import Affine
from tropism.learners.ensemble_parts import not_explainable
from tropism.learners.links import LEAST, logit, ordered_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Kind
    from tropism.learners.base import Floats, Shape, Times
    from tropism.learners.ensemble_parts import Member

FURTHEST = 10.0
"""Log-odds and log probabilities that a stack reads are cut off here: one member's certainty cannot decide alone."""
SLACK = 1e-9
_NOTICED = 1e-6


class Together(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A way to put the scores of all members together."""

    def predict(self, members: Sequence[Member], codes: Floats, at: Times | None, shape: Shape) -> Floats:
        return self.combine([member.predict(codes, at) for member in members], shape)

    def score(self, members: Sequence[Member], values: Sequence[float], shape: Shape) -> Floats:
        return self.combine([member.score(values) for member in members], shape)

    def combine(self, scores: Sequence[Floats], shape: Shape) -> Floats:
        """Scores (n, outputs) of the members' scores, each (n, outputs)."""
        raise NotImplementedError

    def shares(self, members: int) -> list[float]:
        """How much each member counts, in all 1."""
        return [1 / members] * members


class Average(Together, frozen=True, forbid_unknown_fields=True, tag="average"):
    """The weighted mean of probabilities or numbers; weights are not negative and sum to 1."""

    weights: tuple[float, ...]

    def combine(self, scores: Sequence[Floats], shape: Shape) -> Floats:
        total = scores[0] * self.weights[0]
        for weight, more in zip(self.weights[1:], scores[1:], strict=True):
            total = total + more * weight
        if shape.kind != "regression":
            np.minimum(total, 1.0, out=total)  # rounding
        return total

    def sound(self, members: int, shape: Shape) -> bool:  # noqa: ARG002 - one shape for all ways
        weights = self.weights
        return len(weights) == members and min(weights) >= 0 and math.isclose(math.fsum(weights), 1, abs_tol=SLACK)

    def shares(self, members: int) -> list[float]:  # noqa: ARG002 - one shape for all ways
        return list(self.weights)

    def contributions(self, members: Sequence[Member], codes: Floats, at: Times | None, shape: Shape) -> Floats:
        if shape.kind != "regression":
            why = "a mean of probabilities is no sum of contributions to log-odds"
            raise not_explainable("average", why)
        parts = [w * m.contributions(codes, at) for w, m in zip(self.weights, members, strict=True)]
        total: Floats = np.sum(parts, axis=0)
        return total


class Votes(Together, frozen=True, forbid_unknown_fields=True, tag="votes"):
    """Each member votes for its most probable class; of numbers it is the median.

    The members' mean probabilities count as one more voter, who splits his vote: enough to settle a tie, never enough
    to make up for a whole vote. The probabilities are votes over voters.
    """

    def combine(self, scores: Sequence[Floats], shape: Shape) -> Floats:
        if shape.kind == "regression":
            middle: Floats = np.median(np.concatenate(scores, axis=1), axis=1, keepdims=True)
            return middle
        votes, mean = np.zeros_like(scores[0]), np.zeros_like(scores[0])
        for one in scores:
            mean = mean + one / len(scores)
            votes += one >= 0.5 if shape.kind == "binary" else _first_most(one)
        total: Floats = (votes + np.minimum(mean, 1.0)) / (len(scores) + 1)
        return total

    def sound(self, members: int, shape: Shape) -> bool:  # noqa: ARG002 - one shape for all ways
        return True

    def contributions(self, *_: object) -> Floats:
        raise not_explainable("votes", "a count of votes is no sum of contributions")


class Stack(Together, frozen=True, forbid_unknown_fields=True, tag="stack"):
    """A linear or logistic model of what the members say.

    It reads log-odds of binary tasks; of multiclass ones log probabilities less their mean over the classes; the
    numbers themselves. `weights`: a row an output, a column a member's output. `intercept`: one an output.
    """

    weights: tuple[tuple[float, ...], ...]
    intercept: tuple[float, ...]

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats]:
        return np.array(self.weights, np.float64), np.array(self.intercept, np.float64)

    def combine(self, scores: Sequence[Floats], shape: Shape) -> Floats:
        return Affine(shape.kind, *self._arrays).predict(said(shape.kind, scores))

    def sound(self, members: int, shape: Shape) -> bool:
        width = members * shape.outputs
        rows = len(self.weights) == len(self.intercept) == shape.outputs
        numbers = [*self.intercept, *(weight for row in self.weights for weight in row)]
        return rows and all(len(row) == width for row in self.weights) and all(map(math.isfinite, numbers))

    def shares(self, members: int) -> list[float]:
        sizes = np.abs(self._arrays[0]).reshape(len(self.weights), members, -1).sum(axis=(0, 2))
        shares: list[float] = (sizes / max(float(sizes.sum()), LEAST)).tolist()
        return shares

    def contributions(self, members: Sequence[Member], codes: Floats, at: Times | None, shape: Shape) -> Floats:
        read = said(shape.kind, [member.predict(codes, at) for member in members])
        parts = np.concatenate([_centred(shape.kind, member.contributions(codes, at)) for member in members], axis=1)
        weights, intercept = self._arrays
        out: Floats = np.einsum("om,nmf->nof", weights, _to_sum(parts, read))
        out[:, :, -1] += intercept
        return out


def said(kind: Kind, scores: Sequence[Floats]) -> Floats:
    """What a stack reads (n, members * outputs) of the members' scores."""
    if kind == "regression":
        return np.concatenate(scores, axis=1)
    if kind == "binary":
        read = logit(np.concatenate(scores, axis=1))
    else:
        logs = [np.log(np.maximum(np.ascontiguousarray(one), LEAST)) for one in scores]
        read = np.concatenate([one - (ordered_sum(one) / one.shape[1])[:, None] for one in logs], axis=1)
    out: Floats = np.minimum(np.maximum(read, -FURTHEST), FURTHEST)
    return out


def _first_most(scores: Floats) -> Floats:
    hot: Floats = np.eye(scores.shape[1])[np.argmax(scores, axis=1)]
    return hot


def _centred(kind: Kind, contributions: Floats) -> Floats:
    """To log probabilities less their mean: what classes share falls out."""
    if kind != "multiclass":
        return contributions
    centred: Floats = contributions - contributions.mean(axis=1, keepdims=True)
    return centred


def _to_sum(contributions: Floats, wanted: Floats) -> Floats:
    """Contributions (n, m, features + 1) that sum to `wanted` (n, m), which differs from theirs where it was cut off.

    They shrink in proportion; what is left over, rounding for the most part, goes to the baseline.
    """
    out = contributions.copy()
    steps, baseline = contributions[:, :, :-1], contributions[:, :, -1]
    span, goal = steps.sum(axis=2), wanted - baseline
    cut = np.abs(span - goal) > _NOTICED * (1.0 + np.abs(goal))
    share = np.where(cut & (span * goal >= 0) & (np.abs(goal) <= np.abs(span)), goal / np.where(cut, span, 1.0), 1.0)
    out[:, :, :-1] = steps * share[:, :, None]
    out[:, :, -1] += wanted - (baseline + out[:, :, :-1].sum(axis=2))
    return out

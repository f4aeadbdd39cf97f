"""Scores that members give to rows later than those they learnt from: what a combination is fitted on.

Rolling origin (Tashman, 2000): the rows, oldest first, are cut into `folds` + 1 blocks; each block but the first is
scored by members fitted on all blocks before it. When a label became known is not looked at.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.errors import DataInvalid
from tropism.learners.ensemble_recipes import fit_member

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Task
    from tropism.learners.base import Encoded, Floats
    from tropism.learners.ensemble_recipes import Recipe

FEWEST = 20
"""Rows that members are fitted on at least."""


class HeldOut(NamedTuple):
    """Rows, oldest first, with each member's out-of-sample scores (n, outputs); at least one weight is above 0."""

    codes: Floats
    labels: Floats
    weights: Floats
    scores: tuple[Floats, ...]


def out_of_sample(recipes: Sequence[Recipe], data: Encoded, task: Task, folds: int, seed: int) -> HeldOut | None:
    """Every member's scores of all blocks but the first; None when there are too few rows, or one class in them."""
    order = np.argsort(data.at, kind="stable")
    edges = [len(order) * (fold + 1) // (folds + 1) for fold in range(folds + 1)]
    rows, scores = [], []
    for start, stop in pairwise(edges):
        if start < FEWEST or stop == start:
            continue
        past, block = take(data, order[:start]), take(data, order[start:stop])
        try:
            members = [fit_member(recipe, past, task, seed) for recipe in recipes]
        except DataInvalid:  # one class so far
            continue
        rows.append(order[start:stop])
        scores.append([member.predict(block.matrix, block.at) for member in members])
    if not rows:
        return None
    held = take(data, np.concatenate(rows))
    weights = np.ones(len(held.labels)) if held.weights is None else held.weights
    if not np.any(weights > 0):
        return None
    together = tuple(np.concatenate(parts) for parts in zip(*scores, strict=True))
    return HeldOut(held.matrix, held.labels, weights, together)


def take(data: Encoded, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Encoded:
    """Those rows of the data."""
    weights = None if data.weights is None else data.weights[rows]
    return data._replace(matrix=data.matrix[rows], labels=data.labels[rows], at=data.at[rows], weights=weights)

"""Adversarial drift: can a classifier tell the reference's rows from the current ones?

A classifier two-sample test (Friedman, On Multivariate Goodness-of-Fit and Two-Sample Testing, 2003; Lopez-Paz and
Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017): any change that the classifier can learn, of one column or
of how columns go together, shows as an AUC above 1/2 on rows that it has not seen.

Each side is cut into five stretches of time. The classifier is fitted on the first k, less a gap, and judged on
stretch k + 1, for k = 1..4. Each held-out stretch then is new given all that its classifier saw, so the AUCs are
differences of a martingale, and permuting the held-out labels, stretch by stretch, without refitting, gives the mean
AUC its null distribution (the half-permutation of Kim, Ramdas, Singh and Wasserman, Classification Accuracy as a Proxy
for Two-Sample Testing, Ann. Stat. 49, 2021, section 5). In ordinary cross-fitting it would not: there each stretch
trains the judge of the other, their AUCs correlate, and the permutations of either know nothing of it. Labels are
permuted in blocks (`blocks`), whose length comes from the dependence of the held-out scores and of the columns.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from tropism.core.task import Feature, Task
from tropism.evaluation.importance import correlated, permutation_importance
from tropism.monitoring.multivariate import blocks
from tropism.monitoring.multivariate.columns import Comparable, Floats, comparable
from tropism.monitoring.multivariate.report import Cause, JointDrift, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from tropism.learners.base import Encoded, Estimator

STRETCHES = 5
FEWEST = 100
"""Rows that each side must have: twenty in a stretch."""
_GAP = 0.1
"""Share of a stretch left out before the held-out one, so that its first rows have no close relatives in training."""
_SHUFFLES = 3
_PARAMETERS = {"num_trees": 30, "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 20, "max_bin": 63}


class _Judged(NamedTuple):
    """A held-out stretch with its classifier, and the scores of both sides."""

    estimator: Estimator
    matrices: tuple[Floats, Floats]
    scores: tuple[Floats, Floats]


def adversarial_drift(
    reference: pa.Table,
    current: pa.Table,
    features: Sequence[Feature],
    *,
    prefix: str = "f_",
    alpha: float = 0.01,
    floor: float = 0.1,
    permutations: int = 999,
    most: int = 10_000,
    seed: int = 0,
) -> JointDrift:
    """Drift of `features` together, found by gradient-boosted trees.

    Args:
        reference, current: rows in time order; features in columns named `prefix` + name.
        alpha: chance that it triggers while nothing changes.
        floor: smallest score that triggers; 0.1 is an AUC of 0.55.
        permutations: of the held-out labels; the p-value is at least 1 / (permutations + 1).
        most: rows a side that are looked at, evenly spaced.

    `score` is 2 AUC - 1, or 0 where the AUC is below 1/2: on held-out rows its mean is 0 while nothing changes. The
    causes are what permuting a column on the last held-out stretch adds to the log loss of its classifier; columns
    that carry the same information are permuted together and share evenly. Deterministic; one thread.

    >>> rng = np.random.default_rng(0)
    >>> import pyarrow as pa
    >>> a, b, c = rng.normal(size=(3, 1_000))
    >>> found = adversarial_drift(
    ...     pa.table({"f_a": a, "f_b": b, "f_c": c}),
    ...     pa.table({"f_a": a, "f_b": 0.6 * b + 0.8 * a, "f_c": c[::-1]}),
    ...     [Feature("a"), Feature("b"), Feature("c")],
    ... )
    >>> found.triggered, sorted(cause.name for cause in found.causes[:2])
    (True, ['a', 'b'])
    """
    begun = time.perf_counter()
    columns = comparable(reference, current, features, prefix, most)
    rows = len(columns.codes[0]), len(columns.codes[1])
    report = JointDrift(method="adversarial", alpha=alpha, floor=floor, left_out=columns.left_out, rows=rows)
    if min(rows) < FEWEST or not columns.features:
        problem = f"fewer than {FEWEST} rows on a side" if columns.features else "no columns to compare"
        return msgspec.structs.replace(report, problem=problem, seconds=time.perf_counter() - begun)
    found = _compared(columns, permutations, seed, report)
    return msgspec.structs.replace(found, seconds=time.perf_counter() - begun)


def _compared(columns: Comparable, permutations: int, seed: int, report: JointDrift) -> JointDrift:
    judged = [_judged(columns, k, seed) for k in range(1, STRETCHES)]
    length = blocks.block_length((_series(judged, 0), _series(judged, 1)), columns.codes)
    parts = [blocks.cut_ranks(*one.scores, length) for one in judged]
    found = blocks.difference(parts, permutations, seed)
    chance, least = blocks.p_value(found), blocks.smallest_p(parts, permutations)
    score = max(0.0, 2 * found.observed)
    triggered = chance <= report.alpha and score >= report.floor
    return msgspec.structs.replace(
        report,
        score=score,
        statistic=0.5 + found.observed,
        p_value=chance,
        smallest_p=least,
        triggered=triggered,
        causes=_causes(columns.features, judged[-1], seed) if triggered else (),
        block=length,
        problem=blocks.too_few(least, report.alpha),
    )


def _judged(columns: Comparable, k: int, seed: int) -> _Judged:
    from tropism.learners.boosting import LightGBM  # its package takes a second to import

    held_out, known = [], []
    for codes in columns.codes:
        start, stop = len(codes) * k // STRETCHES, len(codes) * (k + 1) // STRETCHES
        known.append(codes[: start - int(_GAP * (stop - start))])
        held_out.append(codes[start:stop])
    types = tuple(Feature(f"c{index}", type=feature.type) for index, feature in enumerate(columns.features))
    task = Task(name="adversarial", kind="binary", target="current", features=types)
    estimator = LightGBM(**_PARAMETERS).fit(_training(*known), task, seed)  # type: ignore[arg-type]
    return _Judged(
        estimator, (held_out[0], held_out[1]), (_scores(estimator, held_out[0]), _scores(estimator, held_out[1]))
    )


def _training(reference: Floats, current: Floats) -> Encoded:
    """Rows of both sides, which weigh the same in all."""
    from tropism.learners.base import Encoded

    labels = np.repeat([0.0, 1.0], [len(reference), len(current)])
    weights = np.where(labels == 1, len(labels) / (2 * len(current)), len(labels) / (2 * len(reference)))
    return Encoded(np.concatenate([reference, current]), labels, np.zeros(len(labels), np.int64), weights)


def _scores(estimator: Estimator, matrix: Floats) -> Floats:
    return estimator.predict(matrix)[:, 0]


def _series(judged: list[_Judged], side: int) -> Floats:
    """Ranks of one side's held-out scores in time order, centred by stretch: each has a classifier of its own."""
    found = [blocks.ranks(one.scores[side]) for one in judged]
    return np.concatenate([one - one.mean() for one in found])


def _causes(features: Sequence[Feature], last: _Judged, seed: int) -> tuple[Cause, ...]:
    matrix = np.concatenate(last.matrices)
    labels = np.repeat([0.0, 1.0], [len(side) for side in last.matrices])
    groups = correlated(matrix, range(matrix.shape[1]))
    found = permutation_importance(
        "log_loss", labels, matrix, last.estimator.predict, groups, permutations=_SHUFFLES, seed=seed
    )
    certain = [interval.value if interval.low > 0 else 0.0 for interval in found.added]
    weights = certain if any(certain) else [interval.value for interval in found.added]
    return shares(
        (features[column].name, weight / len(group))
        for group, weight in zip(groups, weights, strict=True)
        for column in group
    )

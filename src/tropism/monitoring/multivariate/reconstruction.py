"""Reconstruction drift: do rows still have the structure that the reference's first half had?

A model squeezes rows through fewer numbers than they have columns and restores them: principal components by default,
a small autoencoder where columns depend on each other in curves. It is fitted on the first half of the reference, and
its errors on the second half are compared with those on the current rows: both are new to it, so that overfitting does
not count. What a row's error is made of tells which columns no longer fit the others. As NannyML's multivariate drift
by data reconstruction, but held out, with a p-value. It finds structure that broke; a dependence that appears between
columns which had none goes mostly unseen, as does any change along directions that the model keeps: adversarial
drift sees those.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tropism.learners.encoding import Encoding
from tropism.monitoring.multivariate import blocks
from tropism.monitoring.multivariate.columns import Floats, comparable
from tropism.monitoring.multivariate.report import JointDrift, shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from tropism.core.task import Feature
    from tropism.monitoring.multivariate.columns import Comparable

FEWEST = 100
"""Rows that each side must have."""
KEPT = 0.9
"""Share of the variance that the principal components keep."""
_GAP = 0.05
"""Share of the reference left out between its halves, so that the second has no close relatives in the first."""
Model = Literal["pca", "autoencoder"]


class _Errors(NamedTuple):
    """Squared errors of each column (n, width), of the reference's second half and of the current rows."""

    reference: Floats
    current: Floats
    owners: list[str]


def reconstruction_drift(
    reference: pa.Table,
    current: pa.Table,
    features: Sequence[Feature],
    *,
    model: Model = "pca",
    prefix: str = "f_",
    alpha: float = 0.01,
    floor: float = 0.1,
    permutations: int = 999,
    most: int = 10_000,
    seed: int = 0,
) -> JointDrift:
    """Drift of `features` together, as errors of reconstruction that grew or shrank.

    Numbers are standardised by the reference's first half and cut off at 20 standard deviations, with an indicator
    of those missing; its 64 commonest categories have a column each, the rest none.

    Args:
        reference, current: rows in time order; features in columns named `prefix` + name.
        alpha: chance that it triggers while nothing changes.
        floor: smallest score that triggers.
        permutations: of the blocks of held-out rows; the p-value is at least 1 / (permutations + 1).
        most: rows a side that are looked at, evenly spaced.

    The test and the score rest on ranks of the rows' errors, so that one absurd row decides nothing: `score` is
    |2 AUC - 1| beyond chance, the AUC that of the error as a sign of a current row. `statistic` is the difference of
    mean errors in standard deviations of the reference's. The rows of `report.rows` are those compared. One thread.

    >>> import pyarrow as pa
    >>> rng = np.random.default_rng(0)
    >>> a, b, c, noise = rng.normal(size=(4, 1_000))
    >>> old = pa.table({"f_a": a, "f_b": a + 0.1 * noise, "f_c": c})
    >>> from tropism.core.task import Feature
    >>> found = reconstruction_drift(
    ...     old, old.set_column(1, "f_b", pa.array(b)), [Feature("a"), Feature("b"), Feature("c")]
    ... )
    >>> found.triggered, sorted(cause.name for cause in found.causes[:2])
    (True, ['a', 'b'])
    """
    begun = time.perf_counter()
    columns = comparable(reference, current, features, prefix, most)
    rows = columns.tables[0].num_rows, columns.tables[1].num_rows
    report = JointDrift(method=model, alpha=alpha, floor=floor, left_out=columns.left_out, rows=rows)
    if min(rows) < FEWEST or len(columns.features) < 2:
        problem = f"fewer than {FEWEST} rows on a side" if len(columns.features) > 1 else "fewer than two columns"
        return msgspec.structs.replace(report, problem=problem, seconds=time.perf_counter() - begun)
    with threadpool_limits(1, "blas"):
        errors = _errors(columns, model, seed)
    length = blocks.block_length((errors.reference.sum(axis=1), errors.current.sum(axis=1)), columns.codes)
    found = _compared(errors, length, permutations, seed, report)
    return msgspec.structs.replace(found, seconds=time.perf_counter() - begun)


def _compared(errors: _Errors, length: int, permutations: int, seed: int, report: JointDrift) -> JointDrift:
    before, now = errors.reference.sum(axis=1), errors.current.sum(axis=1)
    part = blocks.cut_ranks(before, now, length)
    signed = blocks.difference([part], permutations, seed)
    found = blocks.Permuted(signed.observed**2, signed.chance**2)
    chance, least = blocks.p_value(found), blocks.smallest_p([part], permutations)
    score = 2 * blocks.beyond_chance(found)
    triggered = chance <= report.alpha and score >= report.floor
    return msgspec.structs.replace(
        report,
        score=score,
        statistic=float((now.mean() - before.mean()) / (before.std() or 1.0)),
        p_value=chance,
        smallest_p=least,
        triggered=triggered,
        causes=shares(_parts(errors, signed.observed)) if triggered else (),
        rows=(len(before), len(now)),
        block=length,
        problem=blocks.too_few(least, report.alpha),
    )


def _errors(columns: Comparable, model: Model, seed: int) -> _Errors:
    old, new = columns.tables
    half, gap = old.num_rows // 2, int(_GAP * old.num_rows)
    known = old.slice(0, half - gap)
    encoding = Encoding.fit(columns.features, known, "standard")
    matrix = encoding.matrix(known)
    restore = _components(matrix) if model == "pca" else _autoencoder(matrix, seed)
    held_out, current = (encoding.matrix(table) for table in (old.slice(half), new))
    return _Errors((held_out - restore(held_out)) ** 2, (current - restore(current)) ** 2, encoding.owners)


def _components(matrix: Floats) -> Callable[[Floats], Floats]:
    """The fewest principal components that keep `KEPT` of the variance, but never all."""
    mean = matrix.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(matrix, rowvar=False))
    kept = np.cumsum(variances[::-1]) < KEPT * variances.sum()
    count = min(int(kept.sum()) + 1, int(np.sum(variances > 0)) - 1)
    basis = directions[:, ::-1][:, : max(count, 1)]
    return lambda rows: mean + (rows - mean) @ basis @ basis.T


def _autoencoder(matrix: Floats, seed: int) -> Callable[[Floats], Floats]:
    """A multilayer perceptron with a bottleneck of half the columns that vary, fitted to give back what it gets."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    width = max(2, int(np.sum(matrix.std(axis=0) > 0)))
    network = MLPRegressor(
        hidden_layer_sizes=(2 * width, max(1, width // 2), 2 * width),
        activation="tanh",
        batch_size=min(200, len(matrix) // 2),
        learning_rate_init=0.005,
        max_iter=100,
        early_stopping=True,
        n_iter_no_change=5,
        random_state=seed % 2**32,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops where held-out rows gain no more, or in time
        network.fit(matrix, matrix)
    return lambda rows: np.asarray(network.predict(rows), np.float64).reshape(rows.shape)


def _parts(errors: _Errors, direction: float) -> list[tuple[str, float]]:
    """What each feature adds to the change of the mean error, in its direction."""
    added = np.sign(direction) * (errors.current.mean(axis=0) - errors.reference.mean(axis=0))
    totals: dict[str, float] = {}
    for owner, part in zip(errors.owners, added, strict=True):
        totals[owner] = totals.get(owner, 0.0) + float(part)
    return list(totals.items())

"""While nothing changes, p-values of at most 0.05 come as often as they say, whatever the rows remember.

Of 100 reports at most 10 may have one: more come with probability 0.012 at 0.05 exactly. Seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.monitoring.multivariate.streams import Floats, autoregressive, features, table, vectors

from tropism.core.task import Feature
from tropism.monitoring.multivariate import JointDrift, adversarial_drift, embedding_drift, reconstruction_drift

Look = Callable[[Floats, Floats], JointDrift]
REPORTS, ALLOWED = 100, 10


def _adversarial(old: Floats, new: Floats) -> JointDrift:
    return adversarial_drift(table(old), table(new), features(3), alpha=0.05, permutations=199)


def _reconstruction(old: Floats, new: Floats) -> JointDrift:
    return reconstruction_drift(table(old), table(new), features(3), alpha=0.05, permutations=199)


def _embedding(old: Floats, new: Floats) -> JointDrift:
    return embedding_drift(vectors(old), vectors(new), ["v"], alpha=0.05, permutations=199)


@pytest.mark.parametrize("look", [_reconstruction, _embedding, _adversarial])
@pytest.mark.parametrize(("correlation", "rows"), [(0.0, 200), (0.9, 900)])
def test_p_values_keep_their_word(look: Look, correlation: float, rows: int) -> None:
    found = []
    for seed in range(REPORTS):
        stream = autoregressive(seed, 2 * rows, 3, correlation)
        found.append(look(stream[:rows], stream[rows:]).p_value)
    assert sum(p <= 0.05 for p in found) <= ALLOWED
    assert np.mean(found) < 0.9  # neither do they say nothing


@pytest.mark.parametrize("look", [_reconstruction, _embedding, _adversarial])
def test_a_few_rows_that_remember_long_are_called_too_few(look: Look) -> None:
    stream = autoregressive(0, 400, 3, 0.97)
    report = look(stream[:200], stream[200:])
    assert report.problem.startswith("too few independent rows")
    assert report.smallest_p > report.alpha
    assert not report.triggered


def test_a_column_of_identifiers_does_not_drift() -> None:
    rng = np.random.default_rng(0)
    sides = [
        pa.table({"f_id": rng.integers(0, 10**9, 1_000).astype(str), "f_a": rng.normal(size=1_000)}) for _ in range(2)
    ]
    wanted = [Feature("id", type="category"), Feature("a")]
    assert adversarial_drift(sides[0], sides[1], wanted).p_value > 0.05
    assert reconstruction_drift(sides[0], sides[1], wanted).p_value > 0.05

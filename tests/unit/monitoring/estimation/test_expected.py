"""Expectations against every labelling there can be, or labels drawn."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tropism.evaluation.metrics import summarise
from tropism.monitoring.estimation.expected import METRICS, chance, expected


def test_accuracy_and_losses_are_exact_over_all_labellings() -> None:
    p = np.array([0.9, 0.3, 0.6, 0.2, 0.55])
    scores = np.array([0.8, 0.4, 0.7, 0.1, 0.45])[:, None]
    told = {name: expected(name, "binary", scores, np.stack([1 - p, p], axis=1)) for name in METRICS}
    weights, values = [], []
    for labels in product([0.0, 1.0], repeat=5):
        y = np.array(labels)
        weights.append(np.prod(np.where(y == 1, p, 1 - p)))
        values.append([summarise("binary", y, scores)[name].value for name in ("accuracy", "brier", "log_loss")])
    mean = np.average(values, axis=0, weights=weights)
    spread = np.average((np.array(values) - mean) ** 2, axis=0, weights=weights)
    for index, name in enumerate(("accuracy", "brier", "log_loss")):
        found = told[name]
        assert not isinstance(found, str)
        assert found.value == pytest.approx(mean[index])
        assert chance(np.stack([1 - p, p], axis=1), found.gradient) == pytest.approx(spread[index])


@pytest.mark.parametrize("metric", ["precision", "recall", "f1", "auc"])
def test_ratios_have_the_mean_and_spread_of_drawn_labels(metric: str) -> None:
    """400 rows with tied scores; 1,000 draws: means within 0.004, standard deviations within 10%."""
    rng = np.random.default_rng(0)
    p = rng.random(400)
    probabilities, scores = np.stack([1 - p, p], axis=1), np.round(0.8 * p + 0.2 * rng.random(400), 2)[:, None]
    found = expected(metric, "binary", scores, probabilities)
    assert not isinstance(found, str)
    order = scores[:, 0]
    drawn = []
    for _ in range(1_000):
        y = rng.random(400) < p
        told = order >= 0.5
        hits = np.count_nonzero(y & told)
        above = np.sum(order[y][:, None] > order[~y]) + 0.5 * np.sum(order[y][:, None] == order[~y])
        drawn.append({
            "precision": hits / told.sum(), "recall": hits / y.sum(), "f1": 2 * hits / (told.sum() + y.sum()),
            "auc": above / (y.sum() * (~y).sum()),
        }[metric])  # fmt: skip
    assert found.value == pytest.approx(np.mean(drawn), abs=0.004)
    assert chance(probabilities, found.gradient) ** 0.5 == pytest.approx(np.std(drawn), rel=0.1)

"""What changed is found, and named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.monitoring.multivariate.streams import Floats, autoregressive, features, table, tied, vectors

from tropism.core.task import Feature
from tropism.monitoring.multivariate import JointDrift, adversarial_drift, embedding_drift, reconstruction_drift


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_a_change_of_correlation_alone_is_found_and_named(correlation: float) -> None:
    """No column shows it alone; the causes are the two columns that stopped going together."""
    old, new = tied(autoregressive(0, 1_500, 6, correlation)), autoregressive(1, 1_500, 6, correlation)
    judged = adversarial_drift(table(old), table(new), features(6))
    restored = reconstruction_drift(table(old), table(new), features(6))
    curved = reconstruction_drift(table(old), table(new), features(6), model="autoencoder")
    for report in (judged, restored, curved):
        assert report.triggered, report
        assert {cause.name for cause in report.causes[:2]} == {"c0", "c1"}
        assert sum(cause.share for cause in report.causes) == pytest.approx(1.0)
        assert sum(cause.share for cause in report.causes[:2]) > 0.8
    assert embedding_drift(vectors(old[:, :2]), vectors(new[:, :2]), ["v"]).triggered


def test_a_correlation_that_appears_is_found_by_the_classifier() -> None:
    old, new = autoregressive(0, 1_500, 6, 0.0), tied(autoregressive(1, 1_500, 6, 0.0))
    report = adversarial_drift(table(old), table(new), features(6))
    assert report.triggered
    assert {cause.name for cause in report.causes[:2]} == {"c0", "c1"}


def test_scores_grow_with_the_change_and_end_at_one() -> None:
    old, new = autoregressive(0, 1_000, 3, 0.0), autoregressive(1, 1_000, 3, 0.0)
    looks: dict[str, Callable[[Floats], JointDrift]] = {
        "adversarial": lambda shift: adversarial_drift(table(old), table(new + shift), features(3)),
        "reconstruction": lambda shift: reconstruction_drift(table(old), table(new + shift), features(3)),
        "embedding": lambda shift: embedding_drift(vectors(old), vectors(new + shift), ["v"]),
    }
    for name, look in looks.items():
        scores = [look(np.array([0.0, 0.0, shift])).score for shift in (0.0, 1.0, 3.0, 30.0)]
        assert scores == sorted(scores), name
        assert scores[0] < 0.1, name
        assert scores[-1] <= 1, name
    assert adversarial_drift(table(old), table(new + 30), features(3)).score > 0.99


def test_columns_that_say_the_same_share_the_change() -> None:
    old, new = autoregressive(0, 1_000, 3, 0.0), autoregressive(1, 1_000, 3, 0.0)
    for matrix in (old, new):
        matrix[:, 1] = matrix[:, 0]
    new[:, :2] += 1
    causes = {cause.name: cause.share for cause in adversarial_drift(table(old), table(new), features(3)).causes}
    assert causes["c0"] == causes["c1"] > 0.45


def test_missing_values_and_new_categories_are_found() -> None:
    rng = np.random.default_rng(0)
    number, colour = rng.normal(size=(2, 1_000)), rng.choice(["red", "blue"], (2, 1_000))
    old = pa.table({"f_a": number[0], "f_b": colour[0], "f_c": number[0] > 0})
    wanted = [Feature("a"), Feature("b", type="category"), Feature("c", type="boolean")]
    gone = pa.table(
        {
            "f_a": pa.array(np.where(rng.random(1_000) < 0.3, np.nan, number[1]), from_pandas=True),
            "f_b": colour[1],
            "f_c": number[1] > 0,
        }
    )
    painted = pa.table(
        {"f_a": number[1], "f_b": np.where(rng.random(1_000) < 0.3, "green", colour[1]), "f_c": number[1] > 0}
    )
    for look in (adversarial_drift, reconstruction_drift):
        assert look(old, gone, wanted).causes[0].name in ("a", "c")
        assert look(old, painted, wanted).causes[0].name == "b"


def test_reports_are_the_same_each_time() -> None:
    old, new = table(autoregressive(0, 500, 3, 0.0)), table(autoregressive(1, 500, 3, 0.0))
    for look in (adversarial_drift, reconstruction_drift):
        first, second = (look(old, new, features(3)) for _ in range(2))
        assert (first.score, first.p_value, first.statistic) == (second.score, second.p_value, second.statistic)
    autoencoders = [reconstruction_drift(old, new, features(3), model="autoencoder").statistic for _ in range(2)]
    assert autoencoders[0] == autoencoders[1]

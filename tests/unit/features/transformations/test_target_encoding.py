from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import TargetEncoder

from tropism.core.errors import DataInvalid
from tropism.features.transformations import Pipeline, TargetEncoding, TrainingRows, ZScore

DAY = 86_400_000_000
SAMPLES = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.floats(-1e6, 1e6), st.integers(0, 6)), min_size=1, max_size=25
)


def rows(categories: Any, target: Any, times: Any = None) -> TrainingRows:
    return TrainingRows(pa.table({"shop": pa.array(categories, pa.string())}), target, times)


def trained(step: TargetEncoding, found: TrainingRows) -> list[float | None]:
    values: list[float | None] = step.fit_apply(found)[1]["target_shop"].to_pylist()
    return values


def noise() -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    random = np.random.default_rng(5)
    return [f"shop {number}" for number in random.integers(0, 3_000, 6_000)], random.normal(size=6_000)


def correlation(values: list[float | None], target: Any) -> float:
    known = np.array([value is not None for value in values])
    return float(np.corrcoef(np.array(values, float)[known], target[known])[0, 1])


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 10.0])
def test_noise_does_not_leak_into_training_as_it_does_where_rows_tell_their_own_target(smoothing: float) -> None:
    categories, target = noise()
    step = TargetEncoding("shop", smoothing=smoothing)
    naive = step.fit(rows(categories, target)).apply(rows(categories, target).table)["target_shop"].to_pylist()
    assert correlation(naive, target) > 0.5
    times = np.random.default_rng(6).integers(0, 100 * DAY, len(target))
    for given_times in (None, times):
        assert abs(correlation(trained(step, rows(categories, target, given_times)), target)) < 0.05


def test_serving_is_that_of_scikit_learn() -> None:
    categories, target = noise()
    fitted = TargetEncoding("shop", smoothing=4.0).fit(rows(categories, target))
    oracle = TargetEncoder(smooth=4.0, target_type="continuous").fit(np.array(categories)[:, None], target)
    asked = [*categories, "never seen"]
    expected = oracle.transform(np.array(asked, object)[:, None])[:, 0]
    np.testing.assert_allclose(fitted.apply(rows(asked, None).table)["target_shop"], expected, rtol=1e-9, atol=1e-12)


def test_unseen_categories_have_the_prior_and_missing_ones_nothing() -> None:
    fitted = TargetEncoding("shop", smoothing=2.0).fit(rows(["a", "a", "b", None], [1, 0, 1, 0]))
    assert fitted.apply_row({"shop": "a"}) == {"target_shop": (1 + 2 * 0.5) / (2 + 2)}
    assert fitted.apply_row({"shop": "new"}) == {"target_shop": 0.5}
    assert fitted.apply_row({"shop": None}) == {"target_shop": None}


@given(SAMPLES, st.integers(0, 24), st.floats(-1e6, 1e6), st.sampled_from([0.0, 3.0]))
def test_a_rows_own_target_changes_nothing_of_its_value(
    samples: list[tuple[str | None, float, int]], place: int, other: float, smoothing: float
) -> None:
    place %= len(samples)
    categories, target, times = (list(part) for part in zip(*samples, strict=True))
    changed = [other if at == place else value for at, value in enumerate(target)]
    for step in (TargetEncoding("shop", smoothing=smoothing), TargetEncoding("shop", smoothing=smoothing, folds=3)):
        first = trained(step, rows(categories, target, times))
        assert first[place] == trained(step, rows(categories, changed, times))[place]


@given(SAMPLES, st.integers(0, 2))
def test_with_times_a_value_comes_from_what_was_known_by_then(
    samples: list[tuple[str | None, float, int]], delay: int
) -> None:
    categories, target, days = (list(part) for part in zip(*samples, strict=True))
    step = TargetEncoding("shop", smoothing=3.0, delay=f"{delay}d" if delay else "0")
    found = trained(step, rows(categories, target, np.array(days) * DAY))
    for value, category, day in zip(found, categories, days, strict=True):
        known = [place for place, other in enumerate(days) if other < day - delay]
        if not known or category is None:
            assert value is None
            continue
        prior = sum(target[place] for place in known) / len(known)
        same = [target[place] for place in known if categories[place] == category]
        expected = (sum(same) + 3 * prior) / (len(same) + 3)
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_folds_are_used_with_times_only_when_they_are_asked_for() -> None:
    found = rows(["a"] * 6, [0, 0, 0, 1, 1, 1], [1] * 6)
    assert trained(TargetEncoding("shop"), found) == [None] * 6
    assert trained(TargetEncoding("shop", folds=2, smoothing=0), found) == [1, 1, 1, 0, 0, 0]


def test_later_steps_learn_from_values_out_of_fold() -> None:
    categories, target = noise()
    pipeline = Pipeline({"shop": str}, (TargetEncoding("shop"), ZScore("target_shop")))
    fitted, columns = pipeline.fit_apply(rows(categories, None).table, target)
    assert abs(correlation(columns["zscore_target_shop"].to_pylist(), target)) < 0.05
    assert abs(np.mean(columns["zscore_target_shop"])) < 1e-9
    assert fitted == pipeline.fit(rows(categories, None).table, target)


@pytest.mark.parametrize(
    ("target", "times", "field"),
    [
        (None, None, "target"),
        ([1.0], None, "target"),
        ([1.0, np.nan], None, "target"),
        (["yes", "no"], None, "target"),
        ([1.7e308, 1.7e308], None, "target"),
        ([0, 1], [1], "times"),
        ([0, 1], [0.5, 1.5], "times"),
    ],
)
def test_a_target_or_times_that_cannot_be_used_are_refused_by_name(target: Any, times: Any, field: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        TargetEncoding("shop").fit_apply(rows(["a", "b"], target, times))
    assert caught.value.faults[0].field == field

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropism.core.clock import DAY
from tropism.core.errors import InvalidInput
from tropism.core.task import Kind
from tropism.evaluation.baselines import EVEN, History, labels_known, reference
from tropism.evaluation.losses import Floats

HOUR = DAY // 24


def history(kind: Kind, labels: list[float], delay: int = 1, outputs: int = 1, step: int = 10) -> History:
    at = np.arange(len(labels), dtype=np.int64) * step
    return History(kind, outputs, at, at + delay, np.array(labels))


def slow(name: str, h: History) -> Floats:
    """Each prediction worked out by itself from the labels it may use: the definition, without the shortcuts."""
    classes = max(h.outputs, 2)
    scores = np.zeros((len(h.at), 1 if h.kind == "regression" else classes))
    guesses: list[float | None] = []
    for i in range(len(h.at)):
        usable = [
            j for j in range(len(h.at)) if max(h.known_at[j], h.at[j] + 1) <= h.at[i] and not np.isnan(h.labels[j])
        ]
        same = usable if h.entity is None else [j for j in usable if h.entity[j] == h.entity[i]]
        last = max(same, key=lambda j: (h.at[j], j), default=None)
        guesses.append(None if last is None else h.labels[last])
        known = h.labels[usable]
        if h.kind == "regression":
            scores[i] = known.mean() if len(known) else 0.0
        else:
            scores[i] = (np.bincount(known.astype(int), minlength=classes) + 1) / (len(known) + classes)
        if name == "seasonal":
            bins = h.at % h.period * h.bins // h.period
            here = [j for j in usable if bins[j] == bins[i]]
            rows = h.labels[here][:, None] if h.kind == "regression" else np.eye(classes)[h.labels[here].astype(int)]
            scores[i] = (rows.sum(axis=0) + scores[i]) / (len(here) + 1)
        if name == "last-label" and last is not None:
            if h.kind == "regression":
                scores[i] = h.labels[last]
            else:
                tried = [j for j in usable if guesses[j] is not None]
                right = sum(guesses[j] == h.labels[j] for j in tried)
                share = max((right + 1) / (len(tried) + classes), 1 / classes + EVEN)
                scores[i] = (1 - share) / (classes - 1)
                scores[i, int(h.labels[last])] = share
    return scores[:, 1:] if h.kind == "binary" else scores


rows = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 25), st.integers(0, 2), st.booleans()), max_size=14)
KINDS: list[tuple[Kind, int]] = [("binary", 1), ("multiclass", 3), ("regression", 1)]


@pytest.mark.parametrize("name", ["overall", "last-label", "seasonal"])
@pytest.mark.parametrize(("kind", "outputs"), KINDS)
@given(rows=rows, by_entity=st.booleans())
def test_it_is_what_the_definition_says(
    name: str, kind: Kind, outputs: int, rows: list[tuple[int, int, int, bool]], by_entity: bool
) -> None:
    if name == "overall":
        name = "mean" if kind == "regression" else "majority"
    # A row's guess can only rest on rows before it, so `slow` takes rows by time.
    at = np.array(sorted(row[0] for row in rows), np.int64)
    delay = np.array([row[1] for row in rows], np.int64)
    labels = np.array([float(min(row[2], 1) if kind == "binary" else row[2]) for row in rows])
    labels[[index for index, row in enumerate(rows) if row[1] == 25]] = np.nan
    entity = np.array([int(row[3]) for row in rows], np.int64) if by_entity else None
    h = History(kind, outputs, at, at + delay, labels, entity, period=12, bins=4)
    np.testing.assert_allclose(reference(name, h), slow(name, h), rtol=1e-12, atol=1e-12)


def test_no_prediction_sees_a_label_before_it_is_known() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(60) < 0.5).astype(np.float64)
    at = np.arange(60, dtype=np.int64) * HOUR
    for name in ("majority", "last-label", "seasonal"):
        before = History("binary", 1, at, at + 5 * HOUR, labels, bins=4)
        changed = before._replace(labels=np.where(np.arange(60) >= 30, 1 - labels, labels))
        first, second = reference(name, before), reference(name, changed)
        np.testing.assert_array_equal(first[:35], second[:35])
        assert not np.array_equal(first[35:], second[35:])


def test_an_answer_that_comes_at_once_is_not_seen_by_its_own_prediction() -> None:
    scores = reference("last-label", history("regression", [5.0, 6.0, 7.0], delay=0))
    assert scores.ravel().tolist() == [0.0, 5.0, 6.0]
    together = History("regression", 1, np.array([3, 3]), np.array([3, 3]), np.array([5.0, 6.0]))
    assert reference("mean", together).ravel().tolist() == [0.0, 0.0]


def test_a_delay_holds_labels_back() -> None:
    h = history("regression", [1.0, 2.0, 3.0, 4.0, 5.0], delay=20)
    assert reference("last-label", h).ravel().tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]
    assert labels_known(h.at, h.known_at).tolist() == [0, 0, 1, 2, 3]


def test_the_last_label_is_of_the_latest_prediction_even_if_an_older_one_comes_later() -> None:
    h = History("regression", 1, np.array([0, 10, 50]), np.array([40, 20, 99]), np.array([1.0, 2.0, 3.0]))
    assert reference("last-label", h).ravel().tolist() == [0.0, 0.0, 2.0]


def test_rows_may_come_in_any_order() -> None:
    rng = np.random.default_rng(1)
    at = np.sort(rng.choice(10_000, 80, replace=False)).astype(np.int64)
    h = History("multiclass", 3, at, at + 50, rng.integers(0, 3, 80).astype(np.float64), period=1_000, bins=5)
    mixed = rng.permutation(80)
    shuffled = h._replace(at=at[mixed], known_at=h.known_at[mixed], labels=h.labels[mixed])
    for name in ("majority", "last-label", "seasonal"):
        np.testing.assert_allclose(reference(name, shuffled), reference(name, h)[mixed], rtol=1e-12)


@pytest.mark.parametrize(("kind", "outputs"), KINDS)
def test_scores_are_finite_and_probabilities(kind: Kind, outputs: int) -> None:
    labels = np.random.default_rng(2).integers(0, 2, 300).astype(float).tolist()
    h = history(kind, labels, outputs=outputs, step=HOUR)
    for name in ("mean" if kind == "regression" else "majority", "last-label", "seasonal"):
        scores = reference(name, h)
        assert scores.shape == (300, outputs)
        assert np.all((scores >= 0) & (scores <= 1))
        if kind == "multiclass":
            np.testing.assert_allclose(scores.sum(axis=1), 1.0)


def test_the_last_label_stays_the_most_probable_even_where_labels_alternate() -> None:
    h = history("binary", [0.0, 1.0] * 40)
    assert ((reference("last-label", h)[1:, 0] >= 0.5) == h.labels[:-1]).all()


def test_seasonal_learns_the_hour_of_the_day() -> None:
    labels = [float(index % 24) for index in range(24 * 30)]
    h = history("regression", labels, step=HOUR)._replace(period=DAY, bins=24)
    error = np.abs(reference("seasonal", h)[:, 0] - h.labels)
    assert error[24 * 20 :].max() < 0.8
    assert np.abs(reference("mean", h)[:, 0] - h.labels).mean() > 5


@pytest.mark.parametrize(("name", "kind"), [("mean", "binary"), ("majority", "regression"), ("arima", "regression")])
def test_a_baseline_that_does_not_fit_is_refused_with_those_that_do(name: str, kind: Kind) -> None:
    with pytest.raises(InvalidInput, match="seasonal"):
        reference(name, history(kind, [0.0, 1.0]))

"""What every registered learner promises, checked on each member of the entry-point group and each kind it fits.

A third party's learner is checked by installing it: the group is read, not a list here.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core import plugins
from tropism.core.errors import DataInvalid, InvalidInput, MissingExtra, SettingInvalid
from tropism.core.task import Feature, Task
from tropism.learners.artifact import FORMATS, load, pack, store
from tropism.learners.base import Dataset, Encoded, Estimator, Learner, Shape, Updatable
from tropism.learners.encoding import Encoding
from tropism.learners.explaining import explain
from tropism.learners.fitting import fit_model, make_learner
from tropism.learners.links import sigmoid, softmax

if TYPE_CHECKING:
    from tropism.core.task import Kind
    from tropism.learners.base import Floats
    from tropism.learners.model import Model

GROUP = "tropism.learners"
HOUR = 3_600_000_000
FEATURES = (
    Feature("amount"),
    Feature("age of account"),
    Feature("city", "category"),
    Feature("new", "boolean"),
    Feature("always missing"),
)
KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")
MEMBERS = [(name, kind) for name in plugins.names(GROUP) for kind in KINDS if kind in plugins.load(GROUP, name).kinds]
every_member = pytest.mark.parametrize(("name", "kind"), MEMBERS)


class Blobs(dict[str, bytes]):
    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self[digest] = data
        return digest

    def get(self, digest: str) -> bytes:  # type: ignore[override]
        return self[digest]


def make_task(kind: Kind) -> Task:
    classes = ("low", "middle", "high") if kind == "multiclass" else ()
    return Task(name="check", kind=kind, target="y", features=FEATURES, classes=classes)


def make_data(kind: Kind, rows: int = 400, seed: int = 1) -> Dataset:
    rng = np.random.default_rng(seed)
    amount, age = rng.lognormal(3, 1, rows), rng.normal(size=rows)
    city, new = rng.integers(0, 6, rows), rng.random(rows) < 0.3
    z = np.log(amount) - 3 + age + (city == 2) - new
    labels = {
        "binary": (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(np.float64),
        "multiclass": np.digitize(z, [-0.5, 0.5]).astype(np.float64),
        "regression": z + rng.normal(size=rows),
    }[kind]
    lost = rng.random((4, rows)) < 0.1
    table = pa.table(
        {
            "amount": pa.array(amount, mask=lost[0]),
            "age of account": pa.array(age, mask=lost[1]),
            "city": pa.array([f"city {i}" for i in city], pa.string(), mask=lost[2]),
            "new": pa.array(new, mask=lost[3]),
            "always missing": pa.nulls(rows, pa.float64()),
        }
    )
    return Dataset(table, labels, np.arange(rows, dtype=np.int64) * HOUR)


def fit(name: str, kind: Kind, data: Dataset | None = None, seed: int = 0) -> Model:
    try:
        return fit_model(make_task(kind), name, make_data(kind) if data is None else data, seed=seed)
    except MissingExtra as error:
        pytest.skip(f"{name}: {error.faults[0].fix}")


def trained(learner: Learner, kind: Kind, data: Encoded) -> Estimator:
    try:
        return learner.fit(data, make_task(kind), 0)
    except MissingExtra as error:
        pytest.skip(error.faults[0].fix)


@cache
def fitted(name: str, kind: Kind) -> Model:
    """As `fit` on its own data, for tests that only ask the model."""
    return fit(name, kind)


def encoded(name: str, kind: Kind, data: Dataset) -> tuple[Learner, Encoded]:
    learner = make_learner(name, {})
    encoding = Encoding.fit(FEATURES, data.features, learner.style)
    return learner, Encoded(encoding.matrix(data.features), data.labels, data.at, data.weights)


STRANGE_ROWS: list[dict[str, Any]] = [
    {},
    dict.fromkeys((feature.name for feature in FEATURES), None),
    {"amount": 1e308, "age of account": -1e308, "city": "never seen", "new": True, "always missing": 3.0},
    {"amount": float("nan"), "age of account": float("inf"), "city": "", "new": None, "always missing": 0.0},
    {"amount": 10**400, "age of account": 0, "city": "city 2", "new": False, "always missing": -0.0},
]


def test_each_kind_has_a_learner_beside_the_baselines() -> None:
    assert {kind for name, kind in MEMBERS if name in ("linear", "random-forest", "lightgbm")} == set(KINDS)
    assert {kind for name, kind in MEMBERS if name in ("majority", "mean")} == set(KINDS)


@every_member
def test_scores_are_finite_and_probabilities(name: str, kind: Kind) -> None:
    model, fresh = fitted(name, kind), make_data(kind, seed=2)
    scores = model.predict(fresh.features, fresh.at)
    assert scores.shape == (400, 3 if kind == "multiclass" else 1)
    assert scores.dtype == np.float64
    assert np.all(np.isfinite(scores))
    if kind != "regression":
        assert np.all((scores >= 0) & (scores <= 1))
    if kind == "multiclass":
        np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-9)


@every_member
def test_a_row_alone_scores_as_among_others(name: str, kind: Kind) -> None:
    model, data = fitted(name, kind), make_data(kind, seed=3)
    # Where an estimator does not promise equal bits, its scores move by less than it may be from its framework.
    off = 0.0 if model.estimator.exact_batches else model.estimator.tolerance
    rows = [*data.features.to_pylist(), *STRANGE_ROWS]
    together = model.predict_rows(rows)
    assert_near(np.vstack([model.predict_rows([row]) for row in rows]), together, off)
    assert_near(model.predict_rows(rows[17:90]), together[17:90], off)
    assert_near(model.predict(data.features), together[:400], off)
    alone = [model.predict(data.features.slice(i, 1), data.at[i : i + 1]) for i in range(0, 400, 7)]
    assert_near(np.vstack(alone), model.predict(data.features, data.at)[::7], off)
    assert model.predict_rows([]).shape == (0, model.signature.outputs)


def assert_near(found: Floats, expected: Floats, off: float) -> None:
    """Equal to the last bit when nothing may be `off`."""
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=off, strict=True)


@every_member
def test_codes_score_as_the_rows_that_they_come_from(name: str, kind: Kind) -> None:
    model, data = fitted(name, kind), make_data(kind, rows=60, seed=3)
    off = 0.0 if model.estimator.exact_batches else model.estimator.tolerance
    rows = [*data.features.to_pylist(), *STRANGE_ROWS]
    codes, scores = np.array([model.encoding.codes(row) for row in rows]), model.predict_rows(rows)
    assert_near(model.predict_matrix(codes), scores, off)
    if model.short is not None:
        assert_near(np.vstack([model.short(row) for row in codes.tolist()]), scores, off)


@every_member
def test_export_and_load_predict_identically(name: str, kind: Kind) -> None:
    learner, data = encoded(name, kind, make_data(kind))
    estimator = trained(learner, kind, data)
    again = FORMATS[estimator.format].load(estimator.export(), Shape.of(make_task(kind), data.matrix.shape[1]))
    np.testing.assert_array_equal(again.predict(data.matrix, data.at), estimator.predict(data.matrix, data.at))
    assert again.export() == estimator.export()


@every_member
def test_store_and_load_predict_identically(name: str, kind: Kind) -> None:
    model, blobs, data = fitted(name, kind), Blobs(), make_data(kind, seed=4)
    again = load(store(model, blobs), blobs)
    np.testing.assert_array_equal(again.predict(data.features, data.at), model.predict(data.features, data.at))
    assert again.signature == model.signature
    assert again.origin == model.origin
    assert again.importance() == model.importance()
    if model.sample is None:
        assert again.verified is None
        return
    assert again.verified is not None
    assert again.verified.difference <= again.estimator.tolerance
    assert again.verified.batch_difference == 0.0 or not again.estimator.exact_batches


@every_member
def test_missing_values_and_unseen_categories_never_fail(name: str, kind: Kind) -> None:
    model = fitted(name, kind)
    assert np.all(np.isfinite(model.predict_rows(STRANGE_ROWS)))
    bare = pa.table({"city": ["never seen", None]})
    assert np.all(np.isfinite(model.predict(bare)))


@every_member
def test_contributions_sum_to_the_raw_score_where_there_are_any(name: str, kind: Kind) -> None:
    model, data = fitted(name, kind), make_data(kind, rows=60, seed=5)
    try:
        found = explain(model, data.features.to_pylist(), data.at)
    except InvalidInput as error:
        assert error.faults[0].field == "explain"
        return
    assert all(list(one.contributions) == [feature.name for feature in FEATURES] for one in found)
    raw = np.array([np.sum([one.baseline, *one.contributions.values()], axis=0) for one in found])
    scores = raw if kind == "regression" else sigmoid(raw) if kind == "binary" else softmax(raw)
    np.testing.assert_allclose(scores, model.predict(data.features, data.at), rtol=1e-6, atol=1e-6)


@every_member
def test_the_same_seed_gives_the_same_model(name: str, kind: Kind) -> None:
    assert pack(fit(name, kind, seed=7)) == pack(fit(name, kind, seed=7))


@every_member
def test_data_is_not_changed(name: str, kind: Kind) -> None:
    learner, data = encoded(name, kind, make_data(kind))
    weights = np.linspace(0.5, 2.0, 400)
    data = data._replace(weights=weights.copy())
    before = [data.matrix.copy(), data.labels.copy(), data.at.copy(), weights]
    estimator = trained(learner, kind, data)
    estimator.predict(data.matrix, data.at)
    for was, now in zip(before, data, strict=True):
        np.testing.assert_array_equal(was, now)


@every_member
def test_read_only_data_is_taken(name: str, kind: Kind) -> None:
    learner, data = encoded(name, kind, make_data(kind))
    for array in data[:3]:
        assert array is not None
        array.flags.writeable = False
    trained(learner, kind, data).predict(data.matrix, data.at)


@every_member
def test_one_class_is_refused_by_name(name: str, kind: Kind) -> None:
    data = make_data(kind)
    if kind == "regression":  # one number throughout is a fine thing to learn
        scores = fit(name, kind, data._replace(labels=np.full(400, 2.5))).predict(data.features)
        np.testing.assert_allclose(scores, 2.5, rtol=1e-6)
        return
    with pytest.raises(DataInvalid) as caught:
        fit(name, kind, data._replace(labels=np.zeros(400)))
    assert caught.value.faults[0].field == "y"
    assert "at least two" in caught.value.faults[0].fix


@every_member
def test_empty_data_is_refused(name: str, kind: Kind) -> None:
    data = make_data(kind)
    with pytest.raises(DataInvalid) as caught:
        fit(name, kind, Dataset(data.features.slice(0, 0), data.labels[:0], data.at[:0]))
    assert caught.value.faults[0].field == "rows"


@every_member
def test_few_rows_and_features_without_information_are_learnt_from(name: str, kind: Kind) -> None:
    features = pa.table({"amount": [1.0, 1.0, 1.0, 1.0], "city": ["a", "a", None, "a"], "new": [True] * 4})
    labels = np.array([0.0, 1.0, 1.0, 0.0])
    model = fit(name, kind, Dataset(features, labels, np.arange(4, dtype=np.int64)))
    assert np.all(np.isfinite(model.predict(features)))


@pytest.mark.parametrize("name", [name for name, kind in MEMBERS if kind == "multiclass"])
def test_a_class_without_rows_keeps_a_small_probability(name: str) -> None:
    data = make_data("multiclass")
    scores = fit(name, "multiclass", data._replace(labels=(data.labels > 0).astype(np.float64))).predict(data.features)
    assert np.all(np.isfinite(scores))
    assert np.all(scores[:, 2] < 0.35)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-9)


@every_member
def test_labels_that_are_no_labels_are_refused(name: str, kind: Kind) -> None:
    data = make_data(kind)
    for bad in (np.nan, np.inf) if kind == "regression" else (np.nan, 0.5, -1.0, 3.0):
        labels = data.labels.copy()
        labels[5] = bad
        with pytest.raises(DataInvalid, match="label"):
            fit(name, kind, data._replace(labels=labels))


@pytest.mark.parametrize("name", plugins.names(GROUP))
def test_a_kind_that_is_not_declared_is_refused(name: str) -> None:
    for kind in set(KINDS) - plugins.load(GROUP, name).kinds:
        with pytest.raises(SettingInvalid, match="cannot fit"):
            fit(name, kind)


@pytest.mark.parametrize("name", plugins.names(GROUP))
def test_parameters_are_keywords_that_the_learner_keeps(name: str) -> None:
    parameters = make_learner(name, {}).parameters
    assert make_learner(name, parameters).parameters == parameters
    with pytest.raises(SettingInvalid) as caught:
        make_learner(name, {"no_such": 1})
    assert caught.value.faults[0].field == "parameters.no_such"


@every_member
def test_an_estimator_round_trips_after_an_update_where_it_has_one(name: str, kind: Kind) -> None:
    learner, data = encoded(name, kind, make_data(kind))
    estimator = trained(learner, kind, data)
    if isinstance(estimator, Updatable):
        estimator.update(data.labels[:50], data.at[:50] + data.at[-1] + HOUR)
    again = FORMATS[estimator.format].load(estimator.export(), Shape.of(make_task(kind), data.matrix.shape[1]))
    np.testing.assert_array_equal(again.predict(data.matrix, data.at), estimator.predict(data.matrix, data.at))

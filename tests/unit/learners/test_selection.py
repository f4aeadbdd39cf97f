from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import SettingInvalid
from tropism.core.task import Feature, Task
from tropism.learners.artifact import load, store
from tropism.learners.base import Dataset
from tropism.learners.ensemble import Ensemble
from tropism.learners.ensemble_choosing import ByCode, ByRange
from tropism.learners.ensemble_losses import row_losses
from tropism.learners.fitting import fit_model
from tropism.learners.model import Model
from tropism.learners.selection import Selection

if TYPE_CHECKING:
    from tropism.core.task import Kind

MEMBERS = "lightgbm, linear"
FEATURES = (Feature("market", "category"), Feature("volatility"), *(Feature(f"x{number}") for number in range(6)))


def task_of(kind: Kind, features: tuple[Feature, ...] = FEATURES) -> Task:
    classes = ("down", "flat", "up") if kind == "multiclass" else ()
    metric = "mse" if kind == "regression" else "log_loss"
    return Task(name="market", kind=kind, target="y", features=features, classes=classes, metric=metric)


def two_markets(kind: Kind, rows: int, seed: int) -> Dataset:
    """In a calm market a straight line is the whole truth; in a wild one there are jumps that no line follows."""
    rng = np.random.default_rng(seed)
    x, calm = rng.normal(size=(rows, 6)), rng.random(rows) < 0.5
    z = 1.5 * x[:, :5].sum(axis=1) + np.where(calm, 0, 4 * np.sign(np.abs(x[:, 5]) - 0.67))
    labels = {
        "binary": (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(np.float64),
        "multiclass": np.digitize(z + 0.3 * rng.normal(size=rows), [-2, 3]).astype(np.float64),
        "regression": z + 0.3 * rng.normal(size=rows),
    }[kind]
    columns: dict[str, Any] = {f"x{number}": x[:, number] for number in range(6)}
    columns["market"] = np.where(calm, "calm", "wild")
    columns["volatility"] = rng.random(rows) + ~calm
    return Dataset(pa.table(columns), labels, np.arange(rows, dtype=np.int64))


def rule_of(model: Model) -> ByCode | ByRange:
    assert isinstance(model.estimator, Ensemble)
    rule = model.estimator.combination
    assert isinstance(rule, ByCode | ByRange)
    return rule


def named(model: Model, numbers: tuple[int, ...]) -> list[str]:
    assert isinstance(model.estimator, Ensemble)
    return [model.estimator.members[number].learner for number in numbers]


@pytest.mark.parametrize("by", ["market", "volatility", ""])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_it_beats_each_member_where_each_has_a_market_of_its_own(
    kind: Kind, by: str, fit_learner: Callable[..., Model]
) -> None:
    task, data, fresh = task_of(kind), two_markets(kind, 2_000, 1), two_markets(kind, 4_000, 2)

    def loss(model: Model) -> float:
        return float(row_losses(task, fresh.labels, model.predict(fresh.features)).mean())

    best = min(loss(fit_model(task, name, data)) for name in ("lightgbm", "linear"))
    model = fit_learner(Selection(members=MEMBERS, by=by), task, data)
    assert loss(model) < 0.95 * best
    assert FEATURES[rule_of(model).column].name in ((by,) if by else ("market", "volatility"))


def test_each_market_gets_the_member_that_knows_it(fit_learner: Callable[..., Model]) -> None:
    data = two_markets("regression", 2_000, 1)
    rule = rule_of(model := fit_learner(Selection(members=MEMBERS, by="market"), task_of("regression"), data))
    assert named(model, rule.choices) == ["linear", "lightgbm"]
    rule = rule_of(model := fit_learner(Selection(members=MEMBERS, by="volatility"), task_of("regression"), data))
    assert isinstance(rule, ByRange)
    assert len(rule.cuts) == 3
    assert named(model, rule.choices) == ["linear", "linear", "lightgbm", "lightgbm"]


def test_what_is_missing_or_new_gets_the_member_that_is_best_over_all(fit_learner: Callable[..., Model]) -> None:
    task, data = task_of("regression"), two_markets("regression", 2_000, 1)
    overall = fit_model(task, "lightgbm", data)
    for by in ("market", "volatility"):
        model = fit_learner(Selection(members=MEMBERS, by=by), task, data)
        for value in (None, "closed" if by == "market" else float("nan")):
            row = {"x0": 1.0, "market": "wild", "volatility": 0.1, by: value}
            np.testing.assert_array_equal(model.predict_rows([row]), overall.predict_rows([row]))


def test_thin_cases_get_the_member_that_is_best_over_all(fit_learner: Callable[..., Model]) -> None:
    data = two_markets("regression", 2_000, 1)
    model = fit_learner(Selection(members=MEMBERS, by="market", min_rows=1_000_000), task_of("regression"), data)
    assert set(named(model, rule_of(model).choices)) == {"lightgbm"}


def test_a_feature_that_stopped_telling_the_markets_apart_is_not_chosen(fit_learner: Callable[..., Model]) -> None:
    """What was calm is called wild in the newer half of the rows held out: rules learnt before it fail there."""
    data, task = two_markets("regression", 2_000, 1), task_of("regression", (FEATURES[0], *FEATURES[2:]))
    market = np.array(data.features["market"].to_pylist())
    swapped = np.where(market == "calm", "wild", "calm")
    turned = np.where(np.arange(2_000) < 1_250, market, swapped)
    place = data.features.column_names.index("market")
    moved = data._replace(features=data.features.set_column(place, "market", pa.array(turned)))
    assert rule_of(fit_learner(Selection(members=MEMBERS), task, data)) != ByRange(0, (0,), 0, ())
    assert rule_of(fit_learner(Selection(members=MEMBERS), task, moved)) == ByRange(0, (0,), 0, ())


def test_a_boolean_is_a_case_of_its_own(fit_learner: Callable[..., Model]) -> None:
    data = two_markets("regression", 2_000, 1)
    calm = np.array(data.features["market"].to_pylist()) == "calm"
    features = (Feature("calm", "boolean"), *FEATURES[2:])
    data = data._replace(features=data.features.append_column("calm", pa.array(calm)))
    model = fit_learner(Selection(members=MEMBERS, by="calm"), task_of("regression", features), data)
    assert named(model, rule_of(model).choices) == ["lightgbm", "linear"]


def test_a_feature_that_is_always_missing_or_always_the_same_makes_no_rule(fit_learner: Callable[..., Model]) -> None:
    data = two_markets("regression", 600, 1)
    features = data.features.drop_columns(["volatility", "market"])
    for column in (pa.nulls(600, pa.float64()), pa.array([3.0] * 600)):
        rows = data._replace(features=features.append_column("volatility", column))
        rule = rule_of(fit_learner(Selection(members=MEMBERS, by="volatility"), task_of("regression"), rows))
        assert isinstance(rule, ByRange)
        assert rule.cuts == ()


def test_huge_numbers_stay_in_range(fit_learner: Callable[..., Model], blobs: Any) -> None:
    data = two_markets("regression", 600, 1)
    huge = np.where(np.array(data.features["volatility"]) > 1, 1.7e308, -1.7e308)
    place = data.features.column_names.index("volatility")
    features = data.features.set_column(place, "volatility", pa.array(huge))
    rows = data._replace(features=features, labels=data.labels * 1e95)
    model = fit_learner(Selection(members="linear, mean", by="volatility"), task_of("regression"), rows)
    assert load(store(model, blobs), blobs).predict(features).tobytes() == model.predict(features).tobytes()


def test_a_feature_that_the_task_lacks_is_named(fit_learner: Callable[..., Model]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        fit_learner(Selection(by="weather"), task_of("regression"), two_markets("regression", 100, 1))
    assert caught.value.faults[0].field == "parameters.by"
    assert "volatility" in caught.value.faults[0].fix


@pytest.mark.parametrize("parameters", [{"by": 3}, {"bins": 1}, {"min_rows": 0}, {"folds": 0}])
def test_a_parameter_out_of_range_is_named(parameters: dict[str, object]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        Selection(**parameters)  # type: ignore[arg-type]
    assert caught.value.faults[0].field == next(iter(parameters))

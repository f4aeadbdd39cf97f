from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.task import Task
from tropism.learners.base import Dataset, Estimator, Floats, Learner, Shape, Times
from tropism.learners.boosting import LightGBM
from tropism.learners.calibration import Calibration, Isotonic, Platt, Temperature
from tropism.learners.encoding import Encoding
from tropism.learners.explaining import Explanation, contributions, explain
from tropism.learners.fitting import fit_model
from tropism.learners.forest import RandomForest
from tropism.learners.linear import Linear
from tropism.learners.links import sigmoid, softmax, unlinked
from tropism.learners.model import Model, Origin, Signature
from tropism.learners.selection import Selection
from tropism.learners.stacking import Stacking
from tropism.learners.trees import TreeEnsemble
from tropism.learners.voting import Voting
from tropism.learners.weighted_average import WeightedAverage

if TYPE_CHECKING:
    from tropism.core.events import Value
    from tropism.core.task import Kind

KINDS: tuple[Kind, ...] = ("binary", "multiclass", "regression")
SPACES = {"binary": "log-odds", "multiclass": "log-probability", "regression": "score"}
MEMBERS = "lightgbm(num_trees=20), linear"
STRANGE: list[dict[str, Any]] = [{}, {"x": 1e308, "city": "nowhere"}, {"x": float("nan"), "city": None, "new": True}]
LEARNERS = [
    LightGBM(num_trees=40),
    RandomForest(num_trees=20),
    Linear(),
    Stacking(members=MEMBERS),
    Selection(members=MEMBERS, by="city", min_rows=1),
    Voting(members=f"{MEMBERS}, seasonal"),
]
every_learner = pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
CASES = [(one, kind) for one in LEARNERS for kind in KINDS if kind == "regression" or not isinstance(one, Voting)]
every_case = pytest.mark.parametrize(
    ("learner", "kind"), CASES, ids=lambda x: x if isinstance(x, str) else type(x).__name__
)


def rows_of(data: Dataset) -> list[dict[str, Any]]:
    return [*data.features.slice(0, 50).to_pylist(), *STRANGE]


def sums(found: list[Explanation]) -> Floats:
    """Contributions and baseline added up (n, outputs)."""
    parts = [[one.baseline, *one.contributions.values()] for one in found]
    return np.array([np.sum(one, axis=0) for one in parts])


def assert_equal_raw(kind: Kind, found: Floats, scores: Floats) -> None:
    """To 1e-9, but for scores so close to 0 or 1 that their logarithm is not known as well."""
    linked = found if kind == "regression" else sigmoid(found) if kind == "binary" else softmax(found)
    np.testing.assert_allclose(linked, scores, rtol=1e-9, atol=1e-8)
    raw = unlinked(kind, scores)
    if kind == "multiclass":  # up to what all classes share
        found, raw = found - found.mean(axis=1, keepdims=True), raw - raw.mean(axis=1, keepdims=True)
    sure = np.abs(found).max(axis=1) > 15 if kind != "regression" else np.zeros(len(raw), np.bool_)
    assert np.count_nonzero(sure) <= 2
    np.testing.assert_allclose(found[~sure], raw[~sure], rtol=1e-9, atol=1e-9)


@every_case
def test_contributions_and_baseline_sum_to_the_raw_score(
    learner: Learner,
    kind: Kind,
    make_task: Callable[..., Task],
    make_data: Callable[..., Dataset],
    fit_learner: Callable[..., Model],
) -> None:
    model, rows = fit_learner(learner, make_task(kind), make_data(kind)), rows_of(make_data(kind, seed=9))
    found = explain(model, rows)
    assert {one.space for one in found} == {SPACES[kind]}
    assert {tuple(one.contributions) for one in found} == {("x", "noise", "city", "new")}
    assert_equal_raw(kind, sums(found), model.predict_rows(rows))


@every_case
def test_what_matters_most_contributes_most(
    learner: Learner,
    kind: Kind,
    make_task: Callable[..., Task],
    make_data: Callable[..., Dataset],
    fit_learner: Callable[..., Model],
) -> None:
    task, data = make_task(kind), make_data(kind)
    found = contributions(fit_learner(learner, task, data), codes_of(task, data))
    assert np.abs(found.values).mean(axis=(0, 1)).argmax() == 0


def codes_of(task: Task, data: Dataset) -> Floats:
    return Encoding.fit(task.features, data.features, "codes").matrix(data.features)


def test_trees_are_explained_as_lightgbm_does(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    import lightgbm

    task, data = make_task("multiclass"), make_data("multiclass")
    model = fit_model(task, "lightgbm", data)
    codes = codes_of(task, data)
    theirs = lightgbm.Booster(model_str=model.estimator.export()["model.txt"].decode()).predict(
        codes, pred_contrib=True
    )
    found = contributions(model, codes)
    ours = np.concatenate([found.values, found.baseline[:, :, None]], axis=2)
    np.testing.assert_array_equal(ours.reshape(len(codes), -1), theirs)


def test_a_linear_model_is_explained_by_its_weights(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    """Compared with the same row at the training mean, the difference is all that the feature says."""
    data = make_data("regression")
    model = fit_model(make_task("regression"), "linear", data)
    mean = float(np.nanmean(np.array(data.features["x"].to_pylist(), np.float64)))
    row: dict[str, Value] = {"x": 1.7, "noise": 0.2, "city": "c1", "new": True}
    (found,) = explain(model, [row])
    difference = float(model.predict_rows([row])[0, 0] - model.predict_rows([{**row, "x": mean}])[0, 0])
    assert found.contributions["x"][0] == pytest.approx(difference, abs=1e-9)
    assert explain(model, [{**row, "x": mean}])[0].contributions["x"][0] == pytest.approx(0.0, abs=1e-9)


@every_learner
def test_a_row_alone_is_explained_as_among_others(
    learner: Learner,
    make_task: Callable[..., Task],
    make_data: Callable[..., Dataset],
    fit_learner: Callable[..., Model],
) -> None:
    data = make_data("regression")
    model, rows = fit_learner(learner, make_task("regression"), data), rows_of(data)
    for row, among in zip(rows, explain(model, rows), strict=True):
        (alone,) = explain(model, [row])
        np.testing.assert_allclose(list(alone.contributions.values()), list(among.contributions.values()), atol=1e-12)
    assert explain(model, []) == []


@pytest.mark.parametrize(
    ("kind", "calibration"),
    [("binary", Platt(0.6, -0.3)), ("multiclass", Temperature(1.7)), ("binary", Platt(0.0, 0.4))],
)
@pytest.mark.parametrize("name", ["lightgbm", "linear"])
def test_a_calibration_that_is_linear_is_explained_too(
    name: str, kind: Kind, calibration: Calibration, make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    model = fit_model(make_task(kind), name, make_data(kind)).with_calibration(calibration)
    rows = rows_of(make_data(kind, seed=9))
    assert all(one.calibrated for one in explain(model, rows))
    assert_equal_raw(kind, sums(explain(model, rows)), model.predict_rows(rows))


def test_an_isotonic_calibration_is_left_out_aloud(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    plain = fit_model(make_task("binary"), "lightgbm", make_data("binary"))
    rows = rows_of(make_data("binary", seed=9))
    found = explain(plain.with_calibration(Isotonic((0.1, 0.7), (0.2, 0.9))), rows)
    assert not any(one.calibrated for one in found)
    assert_equal_raw("binary", sums(found), plain.predict_rows(rows))


def test_a_baseline_by_the_clock_is_explained_for_its_moment(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    data = make_data("binary")
    model = fit_model(make_task("binary"), "seasonal", data)
    rows = data.features.slice(0, 30).to_pylist()
    found = explain(model, rows, data.at[:30])
    assert {value for one in found for value in one.contributions.values()} == {(0.0,)}
    assert_equal_raw("binary", sums(found), model.predict_rows(rows, data.at[:30]))


@pytest.mark.parametrize(
    "learner",
    [WeightedAverage(members="linear, majority"), Voting(members=MEMBERS), Voting(members=MEMBERS, votes="hard")],
    ids=["weighted-average", "soft", "hard"],
)
def test_scores_that_are_no_sum_are_refused_with_a_way_out(
    learner: Learner,
    make_task: Callable[..., Task],
    make_data: Callable[..., Dataset],
    fit_learner: Callable[..., Model],
) -> None:
    model = fit_learner(learner, make_task("binary"), make_data("binary"))
    with pytest.raises(InvalidInput, match="cannot be explained") as caught:
        explain(model, [{}])
    assert caught.value.faults[0].field == "explain"
    assert "stacking" in caught.value.faults[0].fix


class Opaque(Estimator):
    format: ClassVar[str] = "opaque"

    def predict(self, matrix: Floats, at: Times | None = None) -> Floats:
        return matrix[:, :1]

    def export(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def load(cls, files: Mapping[str, bytes], shape: Shape) -> Any:
        raise AssertionError


def test_a_format_without_contributions_is_named(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    task, data = make_task("regression"), make_data("regression")
    encoding = Encoding.fit(task.features, data.features, "codes")
    model = Model(Signature("shop", "regression"), Origin("mystery", {}, 0, 1, {}), encoding, Opaque())
    with pytest.raises(InvalidInput, match="'mystery' cannot be explained: the format opaque"):
        explain(model, [{}])


def test_trees_without_the_counts_that_contributions_need_are_refused(
    make_task: Callable[..., Task], make_data: Callable[..., Dataset]
) -> None:
    model = fit_model(make_task("binary"), "lightgbm", make_data("binary"), parameters={"num_trees": 2})
    lines = model.estimator.export()["model.txt"].decode().split("\n")
    zeros = [
        "=".join([head, " ".join("0" for _ in tail.split())]) if head.endswith("_count") else line
        for line in lines
        for head, _, tail in [line.partition("=")]
    ]
    sizes = [len(block) for block in "\n".join(zeros).split("\n\n", 1)[1].removesuffix("end of trees\n").split("Tree=")]
    text = "\n".join(
        f"tree_sizes={' '.join(str(size + len('Tree=')) for size in sizes[1:])}"
        if line.startswith("tree_sizes")
        else line
        for line in zeros
    )
    broken = Model(model.signature, model.origin, model.encoding, TreeEnsemble(text.encode(), model.shape))
    assert np.all(np.isfinite(broken.predict_rows([{"x": 1.0}])))
    with pytest.raises(InvalidInput, match="counts of rows"):
        explain(broken, [{"x": 1.0}])


def test_an_explanation_is_json_and_ranks_by_size() -> None:
    found = Explanation("log-probability", (0.1, 0.2), {"a": (1.0, 0.0), "b": (-3.0, 0.5), "c": (2.0, -0.1)})
    assert [one["feature"] for one in found.ranked()] == ["b", "c", "a"]
    assert found.ranked(2, output=1) == [
        {"feature": "b", "contribution": 0.5},
        {"feature": "c", "contribution": -0.1},
    ]
    assert msgspec.json.decode(msgspec.json.encode(found)) == {
        "space": "log-probability",
        "baseline": [0.1, 0.2],
        "contributions": {"a": [1.0, 0.0], "b": [-3.0, 0.5], "c": [2.0, -0.1]},
        "calibrated": True,
    }

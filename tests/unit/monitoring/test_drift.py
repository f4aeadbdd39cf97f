from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.core.task import Feature
from tropism.monitoring.drift import PREDICTION, DriftReport, FeatureDrift, drift

FEATURES = (
    Feature("level"),
    Feature("holes"),
    Feature("steps"),
    Feature("constant"),
    Feature("colour", type="category"),
    Feature("street", type="category"),
    Feature("flag", type="boolean"),
)


def _table(rng: np.random.Generator, n: int) -> pa.Table:
    holes = rng.normal(size=n)
    holes[rng.random(n) < 0.1] = np.nan
    return pa.table(
        {
            "f_level": rng.normal(size=n),
            "f_holes": pa.array(holes, from_pandas=True),
            "f_steps": rng.integers(0, 4, n).astype(float),
            "f_constant": np.full(n, 3.0),
            "f_colour": rng.choice(["red", "green", "blue"], n, p=[0.7, 0.25, 0.05]),
            "f_street": np.char.add("s", (2_000 * rng.random(n) ** 4).astype(int).astype(str)),
            "f_flag": rng.random(n) < 0.3,
            "scores": pa.array([[score] for score in rng.random(n).tolist()]),
        }
    )


def _with(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def _of(report: DriftReport, name: str) -> FeatureDrift:
    return next(feature for feature in report.features if feature.name == name)


@pytest.mark.parametrize(("before", "now"), [(100, 100), (1_000, 100), (300, 1_000)])
def test_reports_without_a_change_are_as_quiet_as_stated(before: int, now: int) -> None:
    """Eight columns, no floor: at most 5% of reports may name any; the limit allows for 200 reports."""
    rng = np.random.default_rng(0)
    loud = sum(
        drift(_table(rng, before), _table(rng, now), FEATURES, false_alarms=0.05, floor=0.0).triggered
        for _ in range(200)
    )
    assert loud / 200 <= 0.075


def test_neighbours_that_resemble_one_another_are_not_drift() -> None:
    rng = np.random.default_rng(1)
    loud = 0
    for _ in range(100):
        walk = rng.normal(size=1_400)
        for step in range(1, len(walk)):
            walk[step] += 0.95 * walk[step - 1]
        old, new = pa.table({"f_level": walk[:1_000]}), pa.table({"f_level": walk[1_000:]})
        loud += drift(old, new, FEATURES[:1], false_alarms=0.05, floor=0.0).triggered
    assert loud / 100 <= 0.05


def test_what_changed_is_named_the_worst_first() -> None:
    rng = np.random.default_rng(2)
    old, new = _table(rng, 1_000), _table(rng, 500)
    new = _with(new, "f_level", rng.normal(1.0, 1.0, 500))
    new = _with(new, "f_flag", rng.random(500) < 0.6)
    new = _with(new, "f_colour", ["violet"] * 500)
    report = drift(old, new, FEATURES)
    assert report.triggered
    assert report.causes == ("colour", "level", "flag")
    assert report.score == _of(report, "colour").score > _of(report, "level").score > 0.1
    assert _of(report, "colour").unseen == 1.0
    assert _of(report, "street").score == 0.0
    assert _of(report, "level").ks == pytest.approx(0.38, abs=0.08)
    assert _of(report, "flag").ks is None
    assert msgspec.json.decode(msgspec.json.encode(report), type=DriftReport) == report


def test_the_score_is_no_scale_of_its_own_and_psi_does_not_reach_it() -> None:
    rng = np.random.default_rng(3)
    report = drift(_table(rng, 500), _with(_table(rng, 500), "f_level", np.full(500, 9.0)), FEATURES)
    level = _of(report, "level")
    assert level.psi > 1 >= report.score == level.effect < level.jensen_shannon


def test_a_change_that_is_sure_but_small_stays_below_the_floor() -> None:
    rng = np.random.default_rng(4)
    old, new = pa.table({"f_level": rng.normal(size=50_000)}), pa.table({"f_level": rng.normal(0.1, 1, 50_000)})
    report = drift(old, new, FEATURES[:1])
    assert report.features[0].p_value < 1e-6
    assert not report.triggered
    assert drift(old, new, FEATURES[:1], floor=0.01).triggered


def test_missing_values_are_a_bin_of_their_own() -> None:
    rng = np.random.default_rng(5)
    old = _table(rng, 400)
    report = drift(old, _with(_table(rng, 400), "f_level", pa.nulls(400, pa.float64())), FEATURES)
    assert report.causes == ("level",)
    assert _of(report, "level").missing == (0.0, 1.0)
    colours = _with(_table(rng, 400), "f_colour", [None] * 200 + ["red"] * 200)
    assert "colour" in drift(old, colours, FEATURES).causes


def test_predictions_drift_too() -> None:
    rng = np.random.default_rng(6)
    old, new = _table(rng, 400), _with(_table(rng, 400), "scores", [[1.0 - s**3] for s in rng.random(400).tolist()])
    assert drift(old, new, FEATURES).causes == (PREDICTION,)
    three = pa.array(rng.dirichlet([1, 1, 1], 400).tolist())
    other = pa.array(rng.dirichlet([5, 1, 1], 400).tolist())
    report = drift(pa.table({"scores": three}), pa.table({"scores": other}), ())
    assert (report.causes, report.features[0].type) == ((PREDICTION,), "category")
    mixed = drift(old, pa.table({"scores": three}), ())
    assert mixed.features[0].problem == "another number of classes"


def test_a_bad_column_is_reported_and_harms_no_other() -> None:
    rng = np.random.default_rng(7)
    old, new = _table(rng, 400), _table(rng, 400)
    new = _with(new, "f_holes", ["a"] * 400).drop_columns(["f_steps"])
    new = _with(new, "f_level", rng.normal(2, 1, 400))
    new = _with(new, "scores", pa.array([[]] * 400, pa.list_(pa.float64())))
    old, new = _with(old, "f_street", pa.nulls(400)), _with(new, "f_street", pa.nulls(400))
    report = drift(old, new, FEATURES)
    assert report.causes == ("level",)
    assert _of(report, "holes").problem == "'f_holes' does not hold numbers"
    assert _of(report, "steps").problem == "there is no column 'f_steps'"
    assert _of(report, PREDICTION).problem == "no predictions to compare"
    assert _of(report, "street").problem == ""
    assert _of(report, "street").missing == (1.0, 1.0)
    assert _of(report, "constant").psi == pytest.approx(0.0)


def test_no_rows_and_one_row() -> None:
    rng = np.random.default_rng(8)
    table = _table(rng, 50)
    empty = drift(table, table.slice(0, 0), FEATURES)
    assert not empty.triggered
    assert {feature.problem for feature in empty.features} == {"no rows to compare", "no predictions to compare"}
    assert not drift(table, table.slice(0, 1), FEATURES).triggered


def test_columns_without_a_prefix() -> None:
    report = drift(pa.table({"level": [1.0] * 40}), pa.table({"level": [2.0] * 40}), FEATURES[:1], prefix="")
    assert report.causes == ("level",)

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from tropism.core.errors import DataInvalid, InvalidInput, NotWritable, ProjectInvalid
from tropism.features import OnDemand, pipeline_features
from tropism.features.pipelines import fitting, output_name
from tropism.features.transformations import FittedPipeline, Log, OneHot, Pipeline, TargetEncoding, TimeParts, ZScore
from tropism.project import load_features, load_pipelines, load_project
from tropism.registry.feature_plan import Registered, plan_features

STEPS = (Log("amount", offset=1.0), ZScore("mean"), OneHot("card"), TargetEncoding("card"), TimeParts("at"))
PIPELINE = Pipeline({"amount": "decimal(2)", "mean": float, "card": str, "at": datetime}, STEPS)
TRAINING = pa.table(
    {
        "amount": pa.array([Decimal("1.50"), Decimal("20.00"), Decimal("0.10")]),
        "mean": [1.0, 2.0, 4.0],
        "card": ["debit", "credit", "debit"],
        "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
    }
)
FITTED = PIPELINE.fit(TRAINING, [1, 0, 1])
INPUTS = {"mean": "spend.mean_amount_30d"}
ROW: dict[str, Any] = {"amount": 12.3, "card": "debit", "at": "2026-07-01T07:00:00Z"}


def computed(features: tuple[OnDemand, ...], stored: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    return {one.name: one.compute(stored, request) for one in features}


def test_there_is_a_feature_for_each_output_with_its_type() -> None:
    features = pipeline_features(FITTED, INPUTS, prefix="p_")
    assert {one.name: one.type for one in features} == {f"p_{name}": kind for name, kind in FITTED.outputs.items()}
    assert {one.texts for one in features} == {("spend.mean_amount_30d",)}
    assert features[0].description == "log_amount of a pipeline"


def test_values_are_those_of_the_pipeline_for_rows_and_for_columns() -> None:
    features = pipeline_features(FITTED, INPUTS)
    found = computed(features, {"spend.mean_amount_30d": 3.0}, ROW)
    at = datetime(2026, 7, 1, 7, tzinfo=UTC)
    assert found == FITTED.apply_row({"amount": Decimal("12.30"), "mean": 3.0, "card": "debit", "at": at})
    stored = pa.table({"spend.mean_amount_30d": [3.0, None]})
    requests = pa.table(
        {
            "amount": pa.array([Decimal("12.30"), None]),
            "card": ["debit", None],
            "at": pa.array([at, None], pa.timestamp("ms")),
        }
    )
    made: dict[object, Any] = {}
    columns = {one.name: one.compute_column(stored, requests, made).to_pylist() for one in features}
    nothing = computed(features, {"spend.mean_amount_30d": None}, dict.fromkeys(ROW))
    assert columns == {name: [value, nothing[name]] for name, value in found.items()}
    assert len(made) == 1


def test_what_is_missing_is_null_to_the_pipeline_and_ends_nothing() -> None:
    found = computed(pipeline_features(FITTED, INPUTS), {"spend.mean_amount_30d": None}, ROW | {"card": None})
    assert found["zscore_mean"] is None
    assert found["card=debit"] == found["card_other"] == 0
    assert (
        found["log_amount"] == FITTED.apply_row({"amount": 12.3, "mean": None, "card": None, "at": None})["log_amount"]
    )


def test_one_row_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Any] = []
    apply_row = FittedPipeline.apply_row

    def counted(fitted: FittedPipeline, row: Any) -> Any:
        rows.append(row)
        return apply_row(fitted, row)

    monkeypatch.setattr(FittedPipeline, "apply_row", counted)
    features = pipeline_features(FITTED, INPUTS)
    computed(features, {"spend.mean_amount_30d": 3.0}, ROW)
    assert len(rows) == 1
    zeros = [computed(features, {"spend.mean_amount_30d": value}, ROW)["zscore_mean"] for value in (0.0, 1.0)]
    assert len(rows) == 3
    assert zeros[0] != zeros[1]


def test_values_that_are_equal_but_not_the_same_are_told_apart() -> None:
    (feature,) = pipeline_features(Pipeline({"x": float}, (ZScore("x"),)).fit(pa.table({"x": [-1.0, 1.0]})))
    assert [repr(feature.compute({}, {"x": value})) for value in (0.0, -0.0, 1.0)] == ["0.0", "-0.0", "1.0"]
    with pytest.raises(InvalidInput):
        feature.compute({}, {"x": True})


def test_threads_get_the_values_of_their_own_rows() -> None:
    features = pipeline_features(FITTED, INPUTS)

    def differing(first: int) -> list[Any]:
        rows = [{"spend.mean_amount_30d": float(first + place)} for place in range(500)]
        found = [computed(features, row, ROW)["zscore_mean"] for row in rows]
        alone = [
            FITTED.apply_row({"amount": None, "card": None, "at": None, "mean": float(first + place)})
            for place in range(500)
        ]
        return [one for one, row in zip(found, alone, strict=True) if one != row["zscore_mean"]]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(differing, [0, 1_000, 2_000, 3_000])) == [[]] * 4


@pytest.mark.parametrize(
    ("stored", "request_", "field"),
    [
        ({}, ROW, "inputs"),
        ({"spend.mean_amount_30d": 1.0}, {"amount": 1.0}, "inputs"),
        ({"spend.mean_amount_30d": "x"}, ROW, "spend.mean_amount_30d"),
        ({"spend.mean_amount_30d": 1.0}, ROW | {"at": "noon"}, "at"),
    ],
)
def test_what_does_not_fit_is_named(stored: Any, request_: Any, field: str) -> None:
    feature = pipeline_features(FITTED, INPUTS)[0]
    with pytest.raises(InvalidInput) as refused:
        feature.compute(stored, request_)
    assert refused.value.faults[0].field == field
    with pytest.raises(InvalidInput) as refused:
        feature.compute_column(pa.Table.from_pylist([stored]), pa.Table.from_pylist([request_]))
    assert refused.value.faults[0].field == field


def test_a_version_tells_what_was_learned_what_fills_it_and_which_output_it_is() -> None:
    def versions(fitted: FittedPipeline, **inputs: str) -> set[str]:
        return {one.version for one in pipeline_features(fitted, INPUTS | inputs)}

    same = versions(FittedPipeline.from_json(FITTED.to_json()))
    assert same == versions(FITTED)
    assert len(same) == len(FITTED.outputs)
    assert same.isdisjoint(versions(FITTED, amount="price"))
    assert same.isdisjoint(versions(PIPELINE.fit(TRAINING, [0, 0, 1])))


def test_a_refitted_pipeline_is_a_change() -> None:
    before = plan_features([], pipeline_features(FITTED, INPUTS))
    stored = [
        Registered(one.kind, one.name, one.version, one.fingerprint, one.spec, "live", 0, "ann")
        for one in before.changes
    ]
    assert plan_features(stored, pipeline_features(FITTED, INPUTS)).empty
    again = plan_features(stored, pipeline_features(PIPELINE.fit(TRAINING, [0, 0, 1]), INPUTS))
    assert {(one.action, one.version) for one in again.changes} == {("version", 2)}


def test_names_keep_what_means_something_elsewhere_out() -> None:
    assert output_name("p_", "city=a@b.c,d/é\n%") == "p_city=a%40b%2Ec%2Cd%2Fé%0A%25"


@pytest.mark.parametrize(
    ("fitted", "inputs", "prefix", "field"),
    [
        (PIPELINE, {}, "", "fitted"),
        (FITTED, {"maen": "a"}, "", "inputs"),
        (FITTED, {"mean": ""}, "", "inputs.mean"),
        (FITTED, {"mean": 5}, "", "inputs.mean"),
        (FITTED, {"mean": "spend@1.count_7d"}, "", "inputs.mean"),
        (FITTED, {}, "P.", "prefix"),
        (OneHot("c", categories=("x" * 300,)), {}, "", "fitted"),
    ],
)
def test_what_cannot_be_served_is_named(fitted: Any, inputs: Any, prefix: str, field: str) -> None:
    if isinstance(fitted, OneHot):
        fitted = Pipeline({"c": str}, (fitted,)).fit(pa.table({"c": ["x"]}))
    with pytest.raises(InvalidInput) as refused:
        pipeline_features(fitted, inputs, prefix=prefix)
    assert {fault.field for fault in refused.value.faults} == {field}
    assert all(fault.fix for fault in refused.value.faults)


PROJECT = """\
from tropism import Task
from tropism.features import pipeline_features
from tropism.features.transformations import Log, Pipeline
scaling = Pipeline({"amount": float}, (Log("amount"),))
scaled = pipeline_features("fitted/scaling.json", prefix="scaled_")
fraud = Task(name="fraud", kind="binary", target="y", views=tuple(one.name for one in scaled))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop" / "fitted").mkdir(parents=True)
    path = tmp_path / "shop" / "project.py"
    path.write_text(PROJECT)
    return path


def test_a_path_begins_at_the_folder_of_the_project(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = Pipeline({"amount": float}, (Log("amount"),)).fit(pa.table({"amount": [1.0]}))
    fitted.save(project.parent / "fitted" / "scaling.json")
    for folder in (tmp_path, project.parent, project.parent / "fitted"):
        monkeypatch.chdir(folder)
        assert [one.name for one in load_features(project)] == ["scaled_log_amount"]
    monkeypatch.chdir(tmp_path)
    (found,) = load_features(Path("shop/project.py"))
    assert found.description == "log_amount of scaling.json"  # type: ignore[union-attr]
    assert load_project(project)[0].views == ("scaled_log_amount",)


def test_a_file_that_is_not_there_stops_all_but_fitting(project: Path) -> None:
    with pytest.raises(ProjectInvalid, match="tropism features fit") as refused:
        load_features(project)
    assert refused.value.faults[0].field == "project.py:5 path"
    assert list(load_pipelines(project)) == ["scaling"]
    with fitting():
        assert [one.name for one in load_features(project)] == ["unfitted"]
    with pytest.raises(ProjectInvalid):
        load_features(project)


def test_what_is_written_is_read_again_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "fitted.json"
    FITTED.save(path)
    assert FittedPipeline.load(path) == FITTED
    assert list(tmp_path.iterdir()) == [path]
    PIPELINE.save(path)
    with pytest.raises(InvalidInput, match="holds no pipeline-fitted"):
        FittedPipeline.load(path)
    with pytest.raises(DataInvalid):
        FittedPipeline.load(tmp_path)
    with pytest.raises(NotWritable):
        FITTED.save(tmp_path / "no" / "fitted.json")


def test_two_pipelines_with_one_prefix_are_refused(project: Path) -> None:
    fitted = Pipeline({"amount": float}, (Log("amount"),)).fit(pa.table({"amount": [1.0]}))
    fitted.save(project.parent / "fitted" / "scaling.json")
    project.write_text(PROJECT + 'more = pipeline_features("fitted/scaling.json", {"amount": "x"}, prefix="scaled_")\n')
    with pytest.raises(ProjectInvalid, match="two on-demand features have one name"):
        load_features(project)


def test_an_encoder_that_fails_is_named() -> None:
    class Failing(msgspec.Struct, frozen=True):
        inputs: dict[str, str]
        outputs: dict[str, str]
        fingerprint: str = "x"

        def apply_row(self, row: Any) -> Any:
            raise RuntimeError("no room")

    from tropism.features.pipelines import PipelineFeature, ServedPipeline

    fitted: Any = Failing({"text": "text"}, {"vector": "vector(2)"})
    with pytest.raises(InvalidInput, match="no room"):
        PipelineFeature(ServedPipeline(fitted, {}), "vector").compute({}, {"text": "a"})


def test_a_fitted_pipeline_holds_no_code(tmp_path: Path) -> None:
    FITTED.save(tmp_path / "fitted.json")
    assert json.loads((tmp_path / "fitted.json").read_text())["of"] == "pipeline-fitted"

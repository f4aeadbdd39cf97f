"""Runs and what they log."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.errors import Conflict, InvalidInput, NotFound
from tropism.registry.tracking import DatasetInput, Metric

if TYPE_CHECKING:
    from tropism.registry.tracking import Tracking


def _metric(value: float, step: int = 0, at: int = 1_000) -> Metric:
    return Metric(key="m", value=value, at=at, step=step)


def _latest(tracking: Tracking, run_id: str) -> float:
    return tracking.runs.get(run_id).metrics[0].value


@pytest.fixture
def run_id(tracking: Tracking) -> str:
    return tracking.runs.create("0", 1).info.id


def test_the_greatest_step_is_the_latest_however_late_it_comes(tracking: Tracking, run_id: str) -> None:
    tracking.batches.log(run_id, metrics=[_metric(3.0, step=3), _metric(1.0, step=1)])
    tracking.batches.log(run_id, metrics=[_metric(2.0, step=2)])
    assert _latest(tracking, run_id) == 3.0
    tracking.batches.log(run_id, metrics=[_metric(4.0, step=3, at=2_000)])
    assert _latest(tracking, run_id) == 4.0


def test_a_batch_that_is_sent_twice_is_in_the_history_once(tracking: Tracking, run_id: str) -> None:
    for _ in range(2):
        tracking.batches.log(run_id, metrics=[_metric(1.0), _metric(2.0), _metric(math.nan)])
    assert len(tracking.metrics.history(run_id, "m", limit=10)) == 3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308])
def test_any_double_comes_back(tracking: Tracking, run_id: str, value: float) -> None:
    tracking.batches.log(run_id, metrics=[_metric(value)])
    found = tracking.metrics.history(run_id, "m", limit=1)[0].value
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_a_history_comes_in_pages(tracking: Tracking, run_id: str) -> None:
    tracking.batches.log(run_id, metrics=[_metric(float(step), step, at=step) for step in range(10)])
    pages = [tracking.metrics.history(run_id, "m", limit=4, start=start) for start in (0, 4, 8)]
    assert [one.step for page in pages for one in page] == list(range(10))


def test_a_param_is_written_once(tracking: Tracking, run_id: str) -> None:
    tracking.batches.log(run_id, params=[("a", "1")])
    tracking.batches.log(run_id, params=[("a", "1")])
    with pytest.raises(InvalidInput, match="another value"):
        tracking.batches.log(run_id, params=[("b", "2"), ("a", "2")])
    assert tracking.runs.get(run_id).params == {"a": "1"}


def test_the_name_and_its_tag_are_one(tracking: Tracking, run_id: str) -> None:
    tracking.batches.log(run_id, tags={"mlflow.runName": "x"})
    assert tracking.runs.get(run_id).info.name == "x"
    tracking.runs.update(run_id, name="y")
    assert tracking.runs.get(run_id).tags["mlflow.runName"] == "y"


def test_a_deleted_run_takes_nothing(tracking: Tracking, run_id: str) -> None:
    tracking.runs.delete(run_id, 2)
    with pytest.raises(InvalidInput, match="run_id"):
        tracking.batches.log(run_id, tags={"a": "1"})
    tracking.runs.restore(run_id, 3)
    tracking.batches.log(run_id, tags={"a": "1"})


def test_a_data_set_is_listed_under_its_experiment(tracking: Tracking, run_id: str) -> None:
    one = DatasetInput(name="d", digest="1", tags={"mlflow.data.context": "training"})
    tracking.batches.log_inputs(run_id, [one, one])
    assert tracking.runs.get(run_id).inputs == (one,)
    assert [(found.name, found.context) for found in tracking.inputs.summaries(["0"])] == [("d", "training")]


def test_the_default_experiment_is_there_and_stays(tracking: Tracking) -> None:
    assert tracking.experiments.get("0", 1).name == "Default"
    with pytest.raises(InvalidInput):
        tracking.experiments.delete("0", 1)


def test_the_name_of_a_deleted_experiment_is_taken(tracking: Tracking) -> None:
    tracking.experiments.delete(tracking.experiments.create("a", 1), 2)
    with pytest.raises(Conflict, match="restore"):
        tracking.experiments.create("a", 3)


def test_a_run_of_no_experiment_is_refused(tracking: Tracking) -> None:
    with pytest.raises(NotFound):
        tracking.runs.create("99", 1)


def test_a_run_of_a_given_id_is_made_once_and_taken_up_again(tracking: Tracking) -> None:
    given: dict[str, Any] = {"run_id": "ab" * 16, "name": "mine"}
    made = tracking.runs.create("0", 5, tags={"a": "1"}, **given)
    assert (made.info.id, made.info.started_at) == ("ab" * 16, 5)
    tracking.batches.log(made.info.id, params=[("trees", "2")])
    again = tracking.runs.create("0", 9, tags={"b": "2"}, **given)
    assert (again.info, again.params) == (made.info, {"trees": "2"})
    assert {"a", "b"} < again.tags.keys()
    tracking.runs.delete(made.info.id, 10)
    with pytest.raises(InvalidInput, match="deleted"):
        tracking.runs.create("0", 11, **given)
    with pytest.raises(InvalidInput, match="32 hexadecimal"):
        tracking.runs.create("0", 11, run_id="../x")


def test_histories_are_those_of_each_metric_up_to_a_limit(tracking: Tracking, run_id: str) -> None:
    logged = [Metric(key=key, value=float(step), at=step + 1, step=step) for key in "ba" for step in (2, 0, 1)]
    tracking.batches.log(run_id, metrics=logged)
    found = tracking.metrics.histories(run_id, limit=2)
    assert found == {key: tracking.metrics.history(run_id, key, limit=2) for key in "ab"}
    with pytest.raises(NotFound):
        tracking.metrics.histories("0" * 32, limit=2)


def test_runs_are_found_by_name_or_by_the_beginning_of_an_id_but_not_when_deleted(tracking: Tracking) -> None:
    made = [tracking.runs.create("0", now, name=name).info for now, name in enumerate(("a", "b", "a", "A%"), start=1)]
    assert [one.id for one in tracking.search.named("a")] == [made[2].id, made[0].id]
    assert [one.id for one in tracking.search.named("nix", made[1].id[:20])] == [made[1].id]
    assert tracking.search.named("%", "%") == tracking.search.named("", "_") == ()
    tracking.runs.delete(made[0].id, 9)
    assert [one.id for one in tracking.search.named("a")] == [made[2].id]

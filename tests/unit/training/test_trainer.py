from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from tropism.core.errors import TrainingFailed
from tropism.learners.artifact import load
from tropism.training.request import Span, TrainingRequest, TrainingResult
from tropism.training.split import time_split
from tropism.training.trainer import train

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.storage.blobs import Blobs

MakeRequest = Callable[..., TrainingRequest]
MakeTask = Callable[..., "Task"]
MakeRows = Callable[..., dict[str, Any]]
SECOND = 1_000_000


def run(request: TrainingRequest, blobs: Blobs) -> TrainingResult:
    return train(request, blobs, lambda share, text: None)


def test_a_model_is_made_that_can_be_loaded_and_predicts(request_of: MakeRequest, blobs: Blobs) -> None:
    result = run(request_of(), blobs)
    model = load(result.artifact, blobs)
    scores = model.predict_rows([{"a": 2.0, "c": "x"}, {"a": -2.0, "c": "never seen"}, {"a": None, "c": None}])
    assert scores.shape == (3, 1)
    assert scores[0, 0] > 0.8 > 0.2 > scores[1, 0]


def test_what_is_known_about_a_model_is_recorded(request_of: MakeRequest, blobs: Blobs) -> None:
    request = request_of()
    result = run(request, blobs)
    assert (result.learner, result.span, result.rows, result.fits) == ("linear", "all", 300, 2)
    assert result.trained_until == 301 * SECOND
    assert result.data["lake"] == {"predictions": 3}
    assert (result.data["rows"], result.data["from"], len(result.data["sha256"])) == (300, 0, 64)
    assert result.signature == {
        "kind": "binary",
        "inputs": [{"name": "a", "type": "number"}, {"name": "c", "type": "category"}],
        "classes": [],
    }
    assert {"python", "tropism", "lightgbm", "numpy"} <= result.environment.keys()
    assert result.loss < min(result.baselines.values())
    assert result.metrics["brier"]["value"] == pytest.approx(result.loss)
    assert result.metrics["brier"]["low"] < result.loss < result.metrics["brier"]["high"]
    assert msgspec.json.decode(msgspec.json.encode(result), type=TrainingResult) == result


@pytest.mark.parametrize("learners", [("linear",), ("lightgbm",)])
def test_the_same_request_makes_the_same_artifact(
    request_of: MakeRequest, blobs: Blobs, learners: tuple[str, ...], task_of: MakeTask
) -> None:
    request = request_of(task_of(learners=learners))
    first, second = run(request, blobs), run(request, blobs)
    assert first.artifact == second.artifact
    assert first.data == second.data
    assert first.candidates == second.candidates


def test_other_data_is_another_artifact_and_another_hash(
    request_of: MakeRequest, blobs: Blobs, rows_of: MakeRows
) -> None:
    rows = rows_of()
    first = run(request_of(rows=rows), blobs)
    rows["label"] = np.concatenate([rows["label"][:-1], 1 - rows["label"][-1:]])
    second = run(request_of(rows=rows), blobs)
    assert first.artifact != second.artifact
    assert first.data["sha256"] != second.data["sha256"]


def test_the_best_candidate_wins(request_of: MakeRequest, blobs: Blobs, task_of: MakeTask) -> None:
    spans = (Span("all"), Span("recent", rows=60))
    result = run(request_of(task_of(learners=("majority", "linear")), spans=spans), blobs)
    assert [(one.learner, one.span) for one in result.candidates] == [
        ("majority", "all"),
        ("majority", "recent"),
        ("linear", "all"),
        ("linear", "recent"),
    ]
    best = min(result.candidates, key=lambda one: one.loss)
    assert (result.learner, result.span, result.loss) == (best.learner, best.span, best.loss)
    assert result.learner == "linear"
    assert result.rows == (300 if result.span == "all" else 60)


def test_a_span_since_a_change_is_refitted_on_the_rows_since_then(request_of: MakeRequest, blobs: Blobs) -> None:
    result = run(request_of(spans=(Span("since-change", since=100 * SECOND),)), blobs)
    assert (result.rows, result.data["from"]) == (200, 100 * SECOND)
    assert result.candidates[0].rows == 98  # rows 100 to 199, of which the last two were not known in time


def test_labels_not_known_at_the_split_are_never_learnt_from(
    request_of: MakeRequest, blobs: Blobs, rows_of: MakeRows
) -> None:
    rows = rows_of(delay=40)
    split = time_split(rows["at"], rows["label_at"], 1_000)
    late = np.arange(split.fit[-1] + 1, split.validation[0])
    assert len(late) == 40
    poisoned = dict(rows) | {"label": rows["label"].copy()}
    poisoned["label"][late] = 1 - poisoned["label"][late]
    honest, after = run(request_of(rows=rows), blobs), run(request_of(rows=poisoned), blobs)
    assert honest.candidates == after.candidates
    assert honest.candidates[0].rows == len(split.fit)
    assert honest.artifact != after.artifact, "by now they are known, so the refit does use them"


def test_progress_goes_forward_and_says_what_is_done(request_of: MakeRequest, blobs: Blobs, task_of: MakeTask) -> None:
    said: list[tuple[float, str]] = []
    train(request_of(task_of(learners=("majority", "linear"))), blobs, lambda share, text: said.append((share, text)))
    shares = [share for share, _ in said]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert [text for _, text in said][:2] == ["fitting majority on all", "fitting linear on all"]


@pytest.mark.parametrize(
    ("kind", "fields", "width"),
    [("regression", {}, 1), ("multiclass", {"classes": ("low", "middle", "high")}, 3)],
)
def test_every_kind_of_task(
    request_of: MakeRequest,
    blobs: Blobs,
    kind: str,
    fields: dict[str, Any],
    width: int,
    rows_of: MakeRows,
    task_of: MakeTask,
) -> None:
    result = run(request_of(task_of(kind=kind, **fields), rows_of(kind=kind)), blobs)
    assert result.loss < min(result.baselines.values())
    assert load(result.artifact, blobs).predict_rows([{"a": 1.0, "c": "x"}]).shape == (1, width)
    assert not result.calibrated


def test_calibration_is_kept_only_where_it_helps(
    request_of: MakeRequest, blobs: Blobs, rows_of: MakeRows, task_of: MakeTask
) -> None:
    request = request_of(task_of(learners=("lightgbm",), calibrate=True), rows_of(600))
    result = run(request, blobs)
    plain = run(request_of(task_of(learners=("lightgbm",)), rows_of(600)), blobs)
    assert not plain.calibrated
    assert result.calibrated == (result.artifact != plain.artifact)


def test_a_first_model_is_compared_with_the_baseline(request_of: MakeRequest, blobs: Blobs, rows_of: MakeRows) -> None:
    useful = run(request_of(first=True), blobs).against_baseline
    assert useful is not None
    assert (useful["verdict"], useful["n"]) == ("better", 180)
    rows = rows_of()
    rows["label"] = np.random.default_rng(1).integers(2, size=300) * 1.0
    useless = run(request_of(rows=rows, first=True), blobs).against_baseline
    assert useless is not None
    assert useless["verdict"] != "better"
    assert run(request_of(), blobs).against_baseline is None


@pytest.mark.parametrize("count", [0, 1, 39])
def test_too_few_rows(request_of: MakeRequest, blobs: Blobs, count: int, rows_of: MakeRows) -> None:
    with pytest.raises(TrainingFailed, match=f"there are {count} labelled rows") as refused:
        run(request_of(rows={name: values[:count] for name, values in rows_of().items()}), blobs)
    assert "--data" in refused.value.faults[0].fix


def test_labels_of_one_class_say_so_for_each_candidate(
    request_of: MakeRequest, blobs: Blobs, rows_of: MakeRows
) -> None:
    rows = rows_of() | {"label": np.ones(300)}
    spans = (Span("all"), Span("recent", rows=100))
    with pytest.raises(TrainingFailed, match="no candidate could be fitted") as refused:
        run(request_of(rows=rows, spans=spans), blobs)
    assert [fault.field for fault in refused.value.faults] == ["linear on all", "linear on recent"]
    assert all(fault.fix for fault in refused.value.faults)


def test_a_candidate_that_cannot_be_fitted_does_not_stop_the_others(
    request_of: MakeRequest, blobs: Blobs, rows_of: MakeRows
) -> None:
    rows = rows_of()
    rows["label"][150:200] = 1.0  # the last rows before the validation slice have one class
    result = run(request_of(rows=rows, spans=(Span("recent", rows=30), Span("all"))), blobs)
    assert [one.span for one in result.candidates] == ["all"]

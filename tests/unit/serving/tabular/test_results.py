from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import ArtifactRefused
from tropism.core.task import Feature, Task
from tropism.serving.scores import checked, prediction, probabilities
from tropism.serving.tabular.results import result_schema, result_table, settled

FEATURES = (Feature("a"),)
BINARY = Task(name="b", kind="binary", target="y", features=FEATURES)
NUMBER = Task(name="n", kind="regression", target="y", features=FEATURES)
CLASSES = Task(name="m", kind="multiclass", target="y", features=FEATURES, classes=("red", "blue", "teal"))


@pytest.mark.parametrize(
    ("task", "scores"),
    [
        (BINARY, [[0.5], [0.49999], [1 + 1e-7], [-1e-7]]),
        (NUMBER, [[1e300], [-3.5], [0.0]]),
        (CLASSES, [[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.0, 0.0, 1.0]]),
        (CLASSES, [[0.2, 0.8], [0.5, 0.5]]),
    ],
)
def test_a_table_says_what_single_replies_say(task: Task, scores: list[list[float]]) -> None:
    matrix = np.array(scores)
    told = checked(task, matrix, len(scores))
    table = result_table(task, settled(task, matrix, len(scores)), version=3, variant="champion")
    assert table.column("prediction").to_pylist() == [prediction(task, one) for one in told]
    for row, one in zip(table.to_pylist(), told, strict=True):
        chances = probabilities(task, one)
        if task.kind == "binary":
            assert chances is not None
            assert row["probability"] == chances["true"]
        elif chances is not None:
            assert {name: row[f"probability_{name}"] for name in chances} == chances
        else:
            assert not any(name.startswith("probability") for name in row)


@pytest.mark.parametrize(
    ("task", "scores"),
    [
        (BINARY, [[0.5], [1.1]]),
        (BINARY, [[float("nan")]]),
        (BINARY, [[0.5, 0.5]]),
        (BINARY, [0.5]),
        (NUMBER, [[float("inf")]]),
        (CLASSES, [[1.0]]),
        (CLASSES, [[0.25] * 4]),
    ],
)
def test_scores_that_single_rows_are_refused_are_refused(task: Task, scores: list[list[float]]) -> None:
    with pytest.raises(ArtifactRefused) as single:
        checked(task, np.array(scores), len(scores))
    with pytest.raises(ArtifactRefused) as many:
        settled(task, np.array(scores), len(scores))
    assert many.value.message == single.value.message
    assert many.value.faults == single.value.faults


def test_what_stands_beside_a_prediction_stands_before_it() -> None:
    beside = pa.table({"entity": ["a", "b"]})
    table = result_table(
        BINARY,
        np.array([[0.2], [0.8]]),
        version=0,
        variant="baseline",
        degraded=["x", "y"],
        ids=["1", "2"],
        beside=beside,
    )
    assert table.to_pylist()[1] == {
        "prediction_id": "2",
        "entity": "b",
        "prediction": True,
        "probability": 0.8,
        "version": 0,
        "variant": "baseline",
        "degraded": "x,y",
    }
    assert table.schema == result_schema(BINARY, ids=True, beside=beside.schema)


@pytest.mark.parametrize("task", [BINARY, NUMBER, CLASSES])
def test_the_columns_are_known_without_rows(task: Task) -> None:
    width = len(task.classes) or 1
    table = result_table(task, np.full((1, width), 1 / width), version=1, variant="champion")
    assert table.schema == result_schema(task, ids=False)

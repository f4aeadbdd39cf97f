"""Metrics that a task cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from tropism.core.metric import Metric, metric_faults, misfits
from tropism.core.task import Feature, Task

PLAIN: dict[str, Any] = {"target": "y", "features": (Feature("x"),)}
CLASSES = Task(name="tag", kind="multiclass", classes=("a", "b", "c"), **PLAIN)
AMOUNT = Task(name="amount", kind="regression", **PLAIN)
YES_NO = Task(name="up", kind="binary", **PLAIN)
RIGHT = Task(name="right", kind="binary", metric="accuracy", **PLAIN)


@pytest.mark.parametrize(
    ("task", "metric", "fields"),
    [
        (CLASSES, {"of": "outcome"}, ["m.of"]),
        (CLASSES, {"of": "revenue", "kind": "ratio", "over": "outcome"}, ["m.over"]),
        (CLASSES, {"of": "loss"}, []),
        (AMOUNT, {"of": "outcome", "kind": "proportion"}, ["m.kind"]),
        (AMOUNT, {"of": "outcome"}, []),
        (YES_NO, {"of": "outcome", "kind": "proportion"}, []),
        (AMOUNT, {"of": "converted", "kind": "proportion"}, []),
        (YES_NO, {"of": "loss", "kind": "proportion"}, ["m.kind"]),
        (RIGHT, {"of": "loss", "kind": "proportion"}, []),
        (AMOUNT, {"of": "predictions", "kind": "proportion"}, ["m.kind"]),
        (YES_NO, {"of": "outcome", "kind": "quantile"}, ["m.kind"]),
        (AMOUNT, {"of": "outcome", "kind": "quantile"}, []),
    ],
)
def test_what_can_be_known_before_any_outcome_is_said(task: Task, metric: dict[str, Any], fields: list[str]) -> None:
    assert [fault.field for fault in misfits(Metric(name="m", **metric), task, "m")] == fields


@pytest.mark.parametrize(
    ("metric", "field"),
    [
        ({"of": "Re venue"}, "m.of"),
        ({"of": "a", "kind": "ratio", "over": "B"}, "m.over"),
        ({"cuped": "soon"}, "m.cuped"),
        ({"cuped": "0"}, "m.cuped"),
        ({"kind": "quantile", "cuped": "7d"}, "m.cuped"),
    ],
)
def test_a_metric_that_makes_no_sense_is_named(metric: dict[str, Any], field: str) -> None:
    assert [fault.field for fault in metric_faults(Metric(name="m", **metric), "m")] == [field]

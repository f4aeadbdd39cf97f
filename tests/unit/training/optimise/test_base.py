from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from tropism.learners.calibration import Platt
from tropism.learners.model import Model
from tropism.training.optimise.base import derived


def test_a_derived_model_says_what_was_done_and_by_what(trees_of: Callable[..., Model]) -> None:
    model = trees_of("binary").with_calibration(Platt(0.9, 0.1))
    made = derived(derived(model, model.estimator, "onnx"), model.estimator, "onnx+int8", packages=("onnx",))
    assert made.origin.learner == "lightgbm+onnx+int8"
    assert made.origin.libraries["onnx"] == version("onnx")
    assert made.origin.parameters == model.origin.parameters
    assert made.calibration == Platt(0.9, 0.1)
    assert model.origin.learner == "lightgbm" and "onnx" not in model.origin.libraries


def test_rows_are_cut_together(rows_of: Callable[..., Any]) -> None:
    rows = rows_of("binary", 300)
    part = rows.slice(100, 250)
    assert part.features.num_rows == len(part.labels) == len(part.at) == 150
    assert part.features.slice(0, 1).to_pylist() == rows.features.slice(100, 1).to_pylist()
    assert part.at[0] == rows.at[100]

"""Grows trees with XGBoost. The only module that imports its Python package, and only when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.core.errors import ArtifactRefused, Fault, TrainingFailed
from tropism.core.plugins import require
from tropism.learners.base import Shape
from tropism.learners.tree_growing import check_target
from tropism.learners.xgboost_json import canonical
from tropism.learners.xgboost_trees import XGBoostTrees, logit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task
    from tropism.learners.base import Encoded, Floats, Parameter

_NOTHING = np.float32(1e-35)
"""Numbers up to this size count as 0, as the served trees will have it."""
_LARGEST_NUMBER = 1e38
"""The last condition of a column is twice its largest number, and has to stay finite in single precision."""


def grow(rounds: int, parameters: Mapping[str, Parameter], data: Encoded, task: Task, seed: int) -> XGBoostTrees:
    """An ensemble of so many rounds with XGBoost's `parameters` over the objective that fits the task.

    Raises:
        MissingExtra: XGBoost is not installed.
        DataInvalid: targets beyond `tree_growing.LARGEST_TARGET`.
        TrainingFailed: XGBoost gave up.
    """
    xgboost = require("xgboost", "xgboost")
    check_target(data, task)
    categorical = [index for index, feature in enumerate(task.features) if feature.type == "category"]
    width = data.matrix.shape[1]
    settings = {
        **parameters,
        **_objective(task),
        "tree_method": "hist",
        "nthread": 1,
        "seed": seed % 2**31,
        "verbosity": 0,
    }
    types = ["c" if index in categorical else "q" for index in range(width)]

    def rows(matrix: Floats, **facts: Any) -> Any:
        numbers = as_xgboost_takes_it(matrix, categorical)
        return xgboost.DMatrix(numbers, feature_types=types, enable_categorical=True, nthread=1, **facts)

    try:
        with xgboost.config_context(verbosity=0):
            train = rows(data.matrix, label=data.labels, weight=data.weights)
            if task.kind == "binary":
                settings["base_score"] = _base_score(xgboost, data)
            booster = xgboost.train(settings, train, num_boost_round=rounds)
            text = canonical(booster.save_raw("json"))
        found = XGBoostTrees(text, Shape.of(task, width))
    except (xgboost.core.XGBoostError, ArtifactRefused) as error:
        raise TrainingFailed(
            f"XGBoost could not fit '{task.name}': {error}", Fault(task.target, "", "look at the data and parameters")
        ) from error
    found.framework = lambda matrix: _scores(xgboost.Booster(model_file=bytearray(text)), rows(matrix))
    return found


def as_xgboost_takes_it(matrix: Floats, categorical: list[int]) -> Floats:
    """Codes with no number beyond single precision, and no category below 0: one never seen is a category too."""
    numbers = np.clip(matrix, -_LARGEST_NUMBER, _LARGEST_NUMBER)
    numbers[np.abs(numbers.astype(np.float32)) <= _NOTHING] = 0.0
    numbers[:, categorical] += 1.0
    return numbers


def _scores(booster: Any, rows: Any) -> Floats:
    booster.set_param({"nthread": 1})
    scores = np.asarray(booster.predict(rows), np.float64)
    return scores.reshape(len(scores), -1)


def _objective(task: Task) -> dict[str, Parameter]:
    """The loss that the task is judged by, where XGBoost has it."""
    if task.kind == "binary":
        return {"objective": "binary:logistic"}
    if task.kind == "multiclass":
        return {"objective": "multi:softprob", "num_class": len(task.classes)}
    return {"objective": "reg:absoluteerror" if task.metric_name == "mae" else "reg:squarederror"}


def _base_score(xgboost: Any, data: Encoded) -> float:
    """The share of positives, or the next number to it whose logit we compute to the bits that XGBoost does.

    It uses the C library's logarithm in single precision, which may be wrong in the last bit.
    """
    base = np.clip(np.average(data.labels, weights=data.weights), 1e-6, 1.0 - 1e-6).astype(np.float32)
    probe = xgboost.DMatrix(np.zeros((2, 1)), label=np.array([0.0, 1.0]), nthread=1)
    for _ in range(100):
        settings = {"objective": "binary:logistic", "base_score": float(base), "nthread": 1}
        margin = xgboost.train(settings, probe, num_boost_round=0).predict(probe, output_margin=True)[0]
        if margin == logit(np.array([base]))[0]:
            break
        base = np.nextafter(base, np.float32(0.5))
    return float(base)

"""Grows trees with LightGBM. The only module that imports its Python package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightgbm
import numpy as np

from tropism.core.errors import ArtifactRefused, DataInvalid, Fault, TrainingFailed
from tropism.learners.base import Shape
from tropism.learners.lightgbm_text import canonical, column_names, with_constants
from tropism.learners.links import LEAST, logit
from tropism.learners.trees import TreeEnsemble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task
    from tropism.learners.base import Encoded, Floats, Parameter

LARGEST_TARGET = 1e15
"""LightGBM keeps targets and gains in single precision; the square of a larger one leaves its range."""


def grow(num_trees: int, parameters: Mapping[str, Parameter], data: Encoded, task: Task, seed: int) -> TreeEnsemble:
    """An ensemble of at most `num_trees` rounds with LightGBM's `parameters` over the objective that fits the task.

    One thread and row-wise histograms: LightGBM's documented conditions for equal models from equal data.

    Raises:
        DataInvalid: targets beyond `LARGEST_TARGET`.
        TrainingFailed: LightGBM gave up.
    """
    check_target(data, task)
    settings = {
        # LightGBM warns when the number of rounds comes both ways.
        **{name: value for name, value in parameters.items() if name != "num_trees"},
        **_objective(task),
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    names = column_names(data.matrix.shape[1])
    categorical = [names[i] for i, feature in enumerate(task.features) if feature.type == "category"]
    try:
        rows = lightgbm.Dataset(
            data.matrix,
            label=data.labels,
            weight=data.weights,
            feature_name=names,
            categorical_feature=categorical,
            params=settings,
            free_raw_data=True,
        )
        text = lightgbm.train(settings, rows, num_boost_round=num_trees).model_to_string()
        if parameters.get("boosting") == "rf":
            text = with_constants(text, _initial_scores(data, task))
        found = TreeEnsemble(canonical(text), Shape.of(task, len(names)))
    except (lightgbm.basic.LightGBMError, ArtifactRefused) as error:
        raise TrainingFailed(
            f"LightGBM could not fit '{task.name}': {error}", Fault(task.target, "", "look at the data and parameters")
        ) from error
    found.framework = lambda matrix: _scores(text, matrix)
    return found


def _scores(text: str, matrix: Floats) -> Floats:
    """What LightGBM's own package says of a matrix, from the text that it wrote."""
    booster = lightgbm.Booster(model_str=text)
    scores = np.asarray(booster.predict(matrix, num_threads=1), np.float64)
    return scores.reshape(len(scores), -1)


def check_target(data: Encoded, task: Task) -> None:
    """Raises `DataInvalid` for labels that trees, which count in single precision, could not tell apart."""
    largest = float(np.max(np.abs(data.labels)))
    if largest > LARGEST_TARGET:
        fix = "rescale the target, for example to millions"
        raise DataInvalid("the target is too large for single precision", Fault(task.target, f"{largest:g}", fix))


def _objective(task: Task) -> dict[str, Parameter]:
    """The loss that the task is judged by, where LightGBM has it."""
    if task.kind == "binary":
        return {"objective": "binary"}
    if task.kind == "multiclass":
        return {"objective": "multiclass", "num_class": len(task.classes)}
    return {"objective": "regression_l1" if task.metric_name == "mae" else "regression"}


def _initial_scores(data: Encoded, task: Task) -> list[float]:
    """What a tree says that learnt nothing (outputs,), before the link: the best constant for the objective."""
    weights = np.ones(len(data.labels)) if data.weights is None else data.weights
    if task.kind == "regression" and task.metric_name == "mae":
        order = np.argsort(data.labels, kind="stable")
        below = np.cumsum(weights[order])
        return [float(data.labels[order[np.searchsorted(below, below[-1] / 2)]])]
    if task.kind == "regression":
        return [float(np.average(data.labels, weights=weights))]
    shares = np.bincount(data.labels.astype(np.int64), weights, max(2, len(task.classes))) / weights.sum()
    if task.kind == "binary":
        return [float(logit(shares)[1])]
    return [float(score) for score in np.log(np.maximum(shares, LEAST))]

"""ONNX models, as MLflow keeps them or as a conversion made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropism.core.errors import Fault, InvalidInput
from tropism.learners.base import Shape
from tropism.learners.encoding import Column
from tropism.learners.onnx_model import OnnxModel
from tropism.training.mlmodels.columns import features_of
from tropism.training.mlmodels.folder import refused
from tropism.training.mlmodels.found import Found
from tropism.training.mlmodels.onnx_graph import ForeignGraph

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.training.mlmodels.folder import Described, ModelFolder

_PROBES = 64
_SLACK = 1e-3


def read_onnx(folder: ModelFolder, task: Task) -> Found:
    """The graph of the flavour `onnx`.

    Raises:
        NotFound: the file is not there.
        ArtifactRefused: it is no sound graph, or has an operator that is not served.
        InvalidInput: its columns do not fit the task.
        MissingExtra: the package `onnx` or ONNX Runtime is not installed.
    """
    settings = folder.described.flavors["onnx"]
    return graph_found(folder.file(settings.get("data"), "flavors.onnx.data"), folder.described, task)


def graph_found(data: bytes, described: Described, task: Task) -> Found:
    """A graph in the form that is served. Raises as `read_onnx`."""
    graph = ForeignGraph(data)
    features = features_of(task, described, graph.names, graph.width)
    text = [Fault(one.name, one.type, "numbers only: encode it before the model") for one in features
            if one.type == "category"]  # fmt: skip
    if text:
        raise InvalidInput(f"the model takes numbers, the task '{task.name}' has categories", *text)
    estimator = OnnxModel(graph.lowered(Shape.of(task, len(features))), Shape.of(task, len(features)))
    _require_scores(estimator, task, len(features))
    return Found(estimator, tuple(Column(one.name, one.type) for one in features))


def _require_scores(estimator: OnnxModel, task: Task, width: int) -> None:
    """Raises `ArtifactRefused` unless rows have probabilities where the task wants them.

    Those of several classes are scaled to sum to 1, which leaves what was negative negative.
    """
    if task.kind == "regression":
        return
    scores = estimator.predict(np.random.default_rng(0).normal(size=(_PROBES, width)))
    if np.min(scores) < -_SLACK or np.max(scores) > 1.0 + _SLACK:
        value = f"{np.min(scores):.4g} to {np.max(scores):.4g}"
        raise refused("scores", value, "export probabilities, from 0 to 1, not their log-odds")

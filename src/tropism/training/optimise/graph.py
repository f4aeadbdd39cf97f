"""ONNX Runtime's own optimisation of a graph, done once and stored, instead of each time the model is loaded."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tropism.core.plugins import require
from tropism.learners.onnx_model import OnnxModel
from tropism.training.optimise.base import EXTRA, Technique
from tropism.training.optimise.graphs import graph_of, with_graph

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.learners.onnx_model import OnnxModel
from tropism.training.optimise.base import Sample


class Graph(Technique):
    """Says the model in ONNX if it is not yet, folds constants and drops what is not needed.

    Only the basic level, whose results are standard operators; what is made for one processor is left to the machine
    that loads the model. https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
    """

    name = "onnx"

    def apply(self, model: Model, calibration: Sample) -> Model:  # noqa: ARG002 - the graph alone counts
        proto = graph_of(model)
        if proto is None:
            raise self.refuse(model, "it cannot be said in ONNX", "use it on trees, linear models and networks")
        onnx, runtime = require("onnx", EXTRA), require("onnxruntime", EXTRA)
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "optimised.onnx"
            options.optimized_model_filepath = str(path)
            runtime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
            optimised = onnx.load_from_string(path.read_bytes())
        return with_graph(model, optimised, "graph" if isinstance(model.estimator, OnnxModel) else "")

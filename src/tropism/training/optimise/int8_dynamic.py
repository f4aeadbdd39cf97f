"""Eight-bit layers whose inputs are scaled row by row, when they are scored: no calibration rows are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tropism.training.optimise.int8 import Int8

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample
    from tropism.training.optimise.graphs import Dense
    from tropism.training.optimise.int8 import Layer

_MOST = 12.0
"""Inputs are told apart up to so many times the root mean square of their row; 255 steps lead there."""
_LEAST = 1e-12


class Int8Dynamic(Int8):
    """A row's own root mean square says how long a step is: it comes from sums alone, as the layer itself does."""

    name = "int8-dynamic"

    def steps(self, model: Model, proto: Any, layers: list[Dense], calibration: Sample) -> dict[str, float]:  # noqa: ARG002 - rows bring their own scale
        return {layer.result: _MOST / 255 for layer in layers}

    def multiply(self, layer: Layer, step: float) -> None:
        source, width = layer.dense.source, len(layer.dense.weights)
        squares = layer.node("Mul", [source, source], "squares")
        mean = layer.node("MatMul", [squares, layer.constant("mean", np.full((width, 1), 1.0 / width))], "square")
        size = layer.node("Max", [layer.node("Sqrt", [mean], "root"), layer.constant("least", _LEAST)], "size")
        layer.integers(layer.node("Div", [source, size], "share"), step, times=size)

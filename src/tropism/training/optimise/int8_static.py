"""Eight-bit layers whose inputs have fixed scales, found on calibration rows: faster than the dynamic form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.training.optimise.graphs import inner_values
from tropism.training.optimise.int8 import FULL, Int8

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample
    from tropism.training.optimise.graphs import Dense
    from tropism.training.optimise.int8 import Layer

MOST_ROWS = 1_000


class Int8Static(Int8):
    """The largest input seen on the last rows becomes 127; up to twice as much can be told apart, more is cut off."""

    name = "int8-static"

    def steps(self, model: Model, proto: Any, layers: list[Dense], calibration: Sample) -> dict[str, float]:
        features = calibration.last(MOST_ROWS).features
        sources = sorted({layer.source for layer in layers})
        if not sources:
            return {}
        seen = inner_values(proto, sources, model.encoding.matrix(features))
        largest = {name: float(values.max(initial=0.0)) for name, values in zip(sources, seen, strict=True)}
        return {layer.result: (largest[layer.source] or 1.0) / FULL for layer in layers}

    def multiply(self, layer: Layer, step: float) -> None:
        layer.integers(layer.dense.source, step)

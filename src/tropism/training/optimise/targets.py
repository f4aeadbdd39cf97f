"""Which techniques are tried for which kind of machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from tropism.training.optimise.base import Technique
from tropism.training.optimise.distillation import Distillation
from tropism.training.optimise.exiting import EarlyExit
from tropism.training.optimise.fp16 import Half
from tropism.training.optimise.graph import Graph
from tropism.training.optimise.int8_dynamic import Int8Dynamic
from tropism.training.optimise.int8_static import Int8Static
from tropism.training.optimise.pruning import Pruning

if TYPE_CHECKING:
    from tropism.learners.model import Model
    from tropism.training.optimise.base import Sample
    from tropism.training.optimise.quality import Judge

Target = Literal["cpu", "gpu", "mobile"]
TARGETS: tuple[str, ...] = get_args(Target)


class Chain(Technique):
    """One technique after the other."""

    def __init__(self, *techniques: Technique) -> None:
        self.techniques = techniques
        self.name = "+".join(one.name for one in techniques)

    def apply(self, model: Model, calibration: Sample) -> Model:
        for one in self.techniques:
            model = one.apply(model, calibration)
        return model


def techniques(target: Target, judge: Judge) -> tuple[Technique, ...]:
    """Those for a kind of machine, in the order in which they are tried.

    `cpu`: everything that makes a processor's work less. `gpu`: half precision. `mobile`: what is small and needs
    ONNX Runtime alone.
    """
    pruning = Pruning(judge=judge)
    if target == "gpu":
        return (Half(),)
    if target == "mobile":
        return (Graph(), Int8Dynamic(), Int8Static(), Chain(pruning, Graph()), Chain(pruning, Int8Static()))
    distillation = Distillation(metric=judge.metric)
    return (Graph(), Int8Dynamic(), Int8Static(), pruning, distillation, EarlyExit(judge=judge))

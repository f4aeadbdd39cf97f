"""How well a model does before its labels come, with the uncertainty of that and what it takes for granted."""

from tropism.monitoring.estimation.calibrating import Calibrated
from tropism.monitoring.estimation.confidence import CBPE, calibrated
from tropism.monitoring.estimation.estimate import Chunk, Estimate
from tropism.monitoring.estimation.loss import DLE, direct_loss

__all__ = ["CBPE", "Calibrated", "Chunk", "DLE", "Estimate", "calibrated", "direct_loss"]

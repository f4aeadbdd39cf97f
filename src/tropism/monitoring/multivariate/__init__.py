"""Drift of many columns together, on demand and on schedule; see each method for what it finds and what it costs."""

from __future__ import annotations

from tropism.monitoring.multivariate.adversarial import adversarial_drift
from tropism.monitoring.multivariate.embedding import embedding_drift
from tropism.monitoring.multivariate.reconstruction import reconstruction_drift
from tropism.monitoring.multivariate.report import Cause, JointDrift, LeftOut

__all__ = ["Cause", "JointDrift", "LeftOut", "adversarial_drift", "embedding_drift", "reconstruction_drift"]

"""Bandits: policies that learn from delayed rewards, their logged propensities, and off-policy estimates. No I/O."""

from __future__ import annotations

from tropism.experiments.bandits.base import Choice, FloatArray, Policy
from tropism.experiments.bandits.best_per_context import BestPerContext, Selected, Selection
from tropism.experiments.bandits.cross_fitting import cross_fit
from tropism.experiments.bandits.off_policy import Estimate, Interval, dr, gain, ips, snips
from tropism.experiments.bandits.opening import from_state, open_policy
from tropism.experiments.bandits.settings import (
    AnySettings,
    BetaThompsonSettings,
    EpsilonGreedySettings,
    GaussianThompsonSettings,
    LinearThompsonSettings,
    LinUCBSettings,
    SoftmaxSettings,
)
from tropism.experiments.bandits.statistics import State, Statistics, merge
from tropism.experiments.bandits.weights import Logged, effective_sample_size

__all__ = [
    "AnySettings",
    "BestPerContext",
    "BetaThompsonSettings",
    "Choice",
    "EpsilonGreedySettings",
    "Estimate",
    "FloatArray",
    "GaussianThompsonSettings",
    "Interval",
    "LinUCBSettings",
    "LinearThompsonSettings",
    "Logged",
    "Policy",
    "Selected",
    "Selection",
    "SoftmaxSettings",
    "State",
    "Statistics",
    "cross_fit",
    "dr",
    "effective_sample_size",
    "from_state",
    "gain",
    "ips",
    "merge",
    "open_policy",
    "snips",
]

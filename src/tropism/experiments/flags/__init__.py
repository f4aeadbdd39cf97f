"""Feature flags: what a flag comes to for a context. Pure; servers and clients evaluate by the same code."""

from tropism.experiments.flags.evaluation import Evaluation, Flagset

__all__ = ["Evaluation", "Flagset"]

"""Statistics of features per day, drift between them, and whether what was served is what a replay gives."""

from __future__ import annotations

from tropism.features.statistics.drift import Drift, drift
from tropism.features.statistics.skew import SkewReport, compare
from tropism.features.statistics.summaries import Summary, by_day, summarise

__all__ = ["Drift", "SkewReport", "Summary", "by_day", "compare", "drift", "summarise"]

"""Detectors of concept drift for losses that have no known baseline; river's, by choice."""

from __future__ import annotations

from tropism.monitoring.concept.base import ConceptDetector
from tropism.monitoring.concept.choosing import NAMES, alarms, fresh

__all__ = ["ConceptDetector", "NAMES", "alarms", "fresh"]

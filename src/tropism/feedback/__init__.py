"""Brings events from the journal into the lake, and joins outcomes to the predictions they belong to."""

from __future__ import annotations

from tropism.feedback.cohorts import Cohorts, LakeVersions, Matured
from tropism.feedback.counts import OutcomeCounts
from tropism.feedback.ingestion import Cursors, Ingested, Ingestion, Journal, Streams

__all__ = [
    "Cohorts",
    "Cursors",
    "Ingested",
    "Ingestion",
    "Journal",
    "LakeVersions",
    "Matured",
    "OutcomeCounts",
    "Streams",
]

"""Counts of a column in bins frozen from the reference: they merge by addition, and every measure comes from them."""

from __future__ import annotations

from tropism.monitoring.counts.binning import Binning
from tropism.monitoring.counts.counting import count, count_columns, places
from tropism.monitoring.counts.freezing import freeze
from tropism.monitoring.counts.measures import Measures, beyond_chance, measures
from tropism.monitoring.counts.packing import merge, pack, pack_binnings, unpack, unpack_binnings

__all__ = [
    "Binning",
    "Measures",
    "beyond_chance",
    "count",
    "count_columns",
    "freeze",
    "measures",
    "merge",
    "pack",
    "pack_binnings",
    "places",
    "unpack",
    "unpack_binnings",
]

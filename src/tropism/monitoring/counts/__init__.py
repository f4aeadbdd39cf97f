"""Counts of a column in bins frozen from the reference: they merge by addition, and every measure comes from them."""

from __future__ import annotations

from tropism.monitoring.counts.binning import Binning
from tropism.monitoring.counts.counting import count, count_columns, places
from tropism.monitoring.counts.freezing import freeze
from tropism.monitoring.counts.measures import (
    beyond_chance,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
    wasserstein,
)
from tropism.monitoring.counts.packing import merge, pack, pack_binnings, unpack, unpack_binnings

__all__ = [
    "Binning",
    "beyond_chance",
    "chi_square",
    "count",
    "count_columns",
    "freeze",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "merge",
    "pack",
    "pack_binnings",
    "places",
    "population_stability",
    "unpack",
    "unpack_binnings",
    "wasserstein",
]

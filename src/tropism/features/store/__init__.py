"""The feature store: definitions with their stores, read for requests, filled from sources and streams, replayed."""

from __future__ import annotations

from tropism.features.store.binding import bind
from tropism.features.store.definitions import Definitions, StoredView
from tropism.features.store.reading import FeatureReader, Read

__all__ = ["Definitions", "FeatureReader", "Read", "StoredView", "bind"]

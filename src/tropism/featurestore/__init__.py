"""The feature store of a project: what is registered, with what keeps its values."""

from __future__ import annotations

from tropism.featurestore.store import FeatureStore

__all__ = ["FeatureStore"]

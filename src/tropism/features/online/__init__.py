"""The online store: the newest features of each entity, one packed row per view."""

from __future__ import annotations

from tropism.features.online.materialising import materialise
from tropism.features.online.packing import Packing
from tropism.features.online.reader import Features, OnlineReader, OnlineView, Status
from tropism.features.online.store import OnlineStore

__all__ = ["Features", "OnlineReader", "OnlineStore", "OnlineView", "Packing", "Status", "materialise"]

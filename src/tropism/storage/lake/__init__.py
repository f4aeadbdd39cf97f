"""Facts, append-only and columnar: Delta tables on disk, written exactly once and pruned when read."""

from __future__ import annotations

from tropism.storage.lake.lake import Lake
from tropism.storage.lake.settings import LakeSettings
from tropism.storage.lake.versions import Appended, Maintained, TableVersion

__all__ = ["Appended", "Lake", "LakeSettings", "Maintained", "TableVersion"]

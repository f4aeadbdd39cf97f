"""Feast: its definitions taken over, and its feature server as a source, so that a team can move view by view."""

from __future__ import annotations

from tropism.features.feast.definitions import Converted, definitions
from tropism.features.feast.importing import Imported, import_feast
from tropism.features.feast.naming import Declared, Remark
from tropism.features.feast.repository import FeastRepository, read_repository
from tropism.features.feast.server import FeastFeatures, FeastServer
from tropism.features.feast.writing import as_python

__all__ = [
    "Converted",
    "Declared",
    "FeastFeatures",
    "FeastRepository",
    "FeastServer",
    "Imported",
    "Remark",
    "as_python",
    "definitions",
    "import_feast",
    "read_repository",
]

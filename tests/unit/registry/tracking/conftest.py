"""Run tracking over an empty SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.registry.tracking import Tracking
from tropism.storage.blobs import Blobs
from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[Tracking]:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    yield Tracking(database, Blobs(str(tmp_path / "blobs")))
    database.dispose()

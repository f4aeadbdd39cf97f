from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.features.store.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.online.close()
    made.windows.close()

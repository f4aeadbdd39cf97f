"""A project with the stream `payments`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tropism.config import load_settings
from tropism.features import Decimal, Entity, FeatureView, StreamSource, agg
from tropism.wiring import Platform, open_platform


@pytest.fixture
def payments() -> StreamSource:
    return StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": Decimal(2)})


@pytest.fixture
def platform(tmp_path: Path, payments: StreamSource) -> Iterator[Platform]:
    made = open_platform(load_settings(tmp_path, {"journal": {"fsync": "os"}}, {}))
    spend = FeatureView(
        "spend", entity=Entity("account", key="account_id"), source=payments, fields=(agg.sum("amount", "24h"),)
    )
    made.registry.features.apply([spend], made.clock.now(), actor="test")
    yield made
    made.database.dispose()

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tropism.monitoring.watch.store import MonitorStore
from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MonitorStore]:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    yield MonitorStore(database)
    database.dispose()


def test_a_state_is_replaced_only_by_who_has_seen_it(store: MonitorStore) -> None:
    assert store.get("price", "features/1") == (0, b"")
    assert store.put("price", "features/1", b"one", after=0, now=1)
    assert not store.put("price", "features/1", b"other", after=0, now=2)
    assert store.put("price", "features/1", b"two", after=1, now=3)
    assert not store.put("price", "features/1", b"late", after=1, now=4)
    assert store.get("price", "features/1") == (2, b"two")
    assert store.get("fraud", "features/1") == (0, b"")


def test_states_are_forgotten_by_name(store: MonitorStore) -> None:
    for subject in ("features/1", "loss/1", "rules"):
        store.put("price", subject, b"x", after=0, now=7)
    assert store.forget("price", ["features/1", "loss/1", "never"]) == 2
    assert store.subjects("price") == {"rules": 7}
    assert store.forget("price", []) == 0
    assert not store.put("price", "loss/1", b"y", after=1, now=8)

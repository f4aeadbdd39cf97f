from __future__ import annotations

from collections.abc import Iterator

import pytest

from tropism.features.online.marks import begin, lost, mark, marked
from tropism.features.online.sqlite import SQLiteOnlineStore


@pytest.fixture
def store() -> Iterator[SQLiteOnlineStore]:
    made = SQLiteOnlineStore(":memory:")
    yield made
    made.close()


def test_a_view_that_was_never_filled_has_come_nowhere(store: SQLiteOnlineStore) -> None:
    assert marked(store, ["spend@1", "spend@2"]) == [0, 0]


def test_a_mark_moves_forward_and_never_back(store: SQLiteOnlineStore) -> None:
    mark(store, "spend@1", 20)
    mark(store, "spend@1", 10)
    assert marked(store, ["spend@2", "spend@1"]) == [0, 20]


def test_a_store_that_was_emptied_meanwhile_is_noticed(store: SQLiteOnlineStore) -> None:
    begin(store, "spend@1", 20)
    assert not lost(store, "spend@1", 20)
    store.clear()
    assert lost(store, "spend@1", 20)


def test_another_that_began_later_is_no_loss(store: SQLiteOnlineStore) -> None:
    begin(store, "spend@1", 20)
    begin(store, "spend@1", 30)
    assert not lost(store, "spend@1", 20)
    assert marked(store, ["spend@1"]) == [0]

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tropism.core.errors import NotReady
from tropism.registry import generation
from tropism.registry.announcing import AnnouncingDatabase


class Published:
    def __init__(self) -> None:
        self.look: Callable[[], int] = lambda: 0
        self.seen: list[int] = []
        self.fails = False

    def __call__(self) -> None:
        if self.fails:
            raise NotReady("no notices: the server is down")
        self.seen.append(self.look())


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def database(tmp_path: Path, published: Published) -> AnnouncingDatabase:
    made = AnnouncingDatabase(f"sqlite:///{tmp_path / 'tables.sqlite'}", None, published)
    made.migrate()

    def look() -> int:
        with made.read() as connection:
            return generation.current(connection)

    published.look = look
    return made


def test_a_moved_generation_is_told_once_it_is_committed(database: AnnouncingDatabase, published: Published) -> None:
    assert published.seen == [], "a new schema is no news"
    with database.exclusive() as connection:
        generation.advance(connection, 1)
        generation.advance(connection, 2)
        assert published.seen == []
    assert published.seen == [2], "once, and whoever looks then sees it"


def test_what_did_not_move_it_is_not_told(database: AnnouncingDatabase, published: Published) -> None:
    with database.exclusive():
        pass
    with pytest.raises(KeyError), database.exclusive() as connection:
        generation.advance(connection, 1)
        raise KeyError
    with database.exclusive():  # on the same connection of the pool
        pass
    assert published.seen == []


def test_a_notice_that_cannot_be_sent_does_not_undo_the_change(
    database: AnnouncingDatabase, published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    published.fails = True
    with caplog.at_level(logging.WARNING), database.exclusive() as connection:
        generation.advance(connection, 1)
    assert published.look() == 1
    assert [record.getMessage() for record in caplog.records] == [
        "no notices: the server is down; data planes see the change at their next look"
    ]

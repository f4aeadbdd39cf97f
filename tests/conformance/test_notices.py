"""The contract of notices, over PostgreSQL and Redis, and what the registry makes of it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from tests.conformance.redis_server import redis_url

from tropism.core.errors import NotReady
from tropism.registry import generation
from tropism.storage.notices import Notices
from tropism.storage.notices.postgres import PostgresNotices
from tropism.storage.notices.redis import RedisNotices
from tropism.storage.tables import Database

LONG, SHORT = 20.0, 0.05
Open = Callable[[], Notices]


@pytest.fixture(params=["postgres", "redis"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opener(server: str, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Connects again and again, as other processes would."""
    made: list[Notices] = []
    url = f"{redis_url()}?channel={uuid.uuid4().hex}" if server == "redis" else request.getfixturevalue("schema_url")

    def connect() -> Notices:
        made.append(RedisNotices(url) if server == "redis" else PostgresNotices(url))
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def schema_url(request: pytest.FixtureRequest) -> str:
    """A schema of its own in PostgreSQL."""
    return str(request.getfixturevalue("tables_url"))


# `tables_url` is given by the conftest for both databases; here only PostgreSQL is meant.
pytestmark = [
    pytest.mark.parametrize("tables_url", ["postgres"], indirect=True),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.usefixtures("tables_url"),
]


def test_everybody_who_listens_hears_a_notice(opener: Open) -> None:
    hearers = [opener(), opener(), opener()]
    for one in hearers:
        one.listen()
    opener().publish()
    assert [one.heard(LONG) for one in hearers] == [True, True, True]


def test_silence_is_no_notice(opener: Open) -> None:
    hearer = opener()
    hearer.listen()
    assert not hearer.heard(SHORT)


def test_a_notice_that_came_between_two_waits_is_heard(opener: Open) -> None:
    hearer, sender = opener(), opener()
    hearer.listen()
    assert not hearer.heard(SHORT)
    sender.publish()
    sender.publish()
    assert hearer.heard(LONG)


def test_one_who_publishes_may_listen_too(opener: Open) -> None:
    both = opener()
    both.listen()
    both.publish()
    assert both.heard(LONG)


def test_any_thread_may_publish_while_another_waits(opener: Open) -> None:
    both = opener()
    both.listen()
    thread = threading.Thread(target=both.publish)
    thread.start()
    assert both.heard(LONG)
    thread.join()


def test_listening_again_and_closing_twice_are_fine(opener: Open) -> None:
    hearer = opener()
    hearer.listen()
    hearer.listen()
    opener().publish()
    assert hearer.heard(LONG)
    hearer.close()
    hearer.close()


@pytest.mark.parametrize("make", [PostgresNotices, RedisNotices])
def test_a_server_that_is_away_is_said_without_its_password(make: Callable[[str], Notices]) -> None:
    scheme = "redis" if make is RedisNotices else "postgresql"
    away = make(f"{scheme}://me:secret@127.0.0.1:1/0")
    for attempt in (away.listen, away.publish):
        with pytest.raises(NotReady) as caught:
            attempt()
        assert "secret" not in str(caught.value)
        assert caught.value.faults[0].value.startswith(f"{scheme}://127.0.0.1:1")
    away.close()


@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_a_connection_that_was_cut_is_said_and_can_be_made_again(opener: Open, schema_url: str) -> None:
    hearer = opener()
    hearer.listen()
    address = schema_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query = 'LISTEN tropism_generation' AND pid <> pg_backend_pid()"
        )
    with pytest.raises(NotReady, match="no notices from PostgreSQL"):
        while True:
            hearer.heard(LONG)
    hearer.listen()
    opener().publish()
    assert hearer.heard(LONG)


@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_a_moved_generation_is_told_when_it_is_committed(opener: Open, schema_url: str) -> None:
    database = Database(schema_url)
    database.migrate()
    hearer = opener()
    hearer.listen()
    with database.exclusive() as connection:
        generation.advance(connection, 1)
        assert not hearer.heard(SHORT), "others do not see the change yet"
    assert hearer.heard(LONG)
    with database.read() as connection:
        assert generation.current(connection) == 1
    database.dispose()


@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_a_change_that_failed_and_one_of_another_schema_are_not_told(opener: Open, schema_url: str) -> None:
    database = Database(schema_url)
    database.migrate()
    hearer = opener()
    hearer.listen()
    with pytest.raises(KeyError), database.exclusive() as connection:
        generation.advance(connection, 1)
        raise KeyError
    database.dispose()
    elsewhere = PostgresNotices(schema_url.partition("?")[0])
    elsewhere.publish()
    assert not hearer.heard(SHORT)

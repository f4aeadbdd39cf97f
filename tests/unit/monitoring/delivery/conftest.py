"""An outbox in an empty file, a clock that stands still, and receivers that do as they are told."""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.monitoring.delivery.base import Answer, Notice
from tropism.storage.tables import Database
from tropism.storage.tables.schema import notices_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = 1_700_000_000 * SECOND
Post = tuple[dict[str, str], bytes]


class Receiver:
    """A web server that notes what it is sent, and answers with `status` and `headers`."""

    def __init__(self) -> None:
        receiver = self
        self.status = 200
        self.headers: dict[str, str] = {}
        self.posts: list[Post] = []
        self.hang = threading.Event()
        self.hang.set()

        class Answering(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
                receiver.hang.wait(20)
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:  # the sender did not wait for the answer
                    self.close_connection = True

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Scripted:
    """A channel that answers as it was told, one answer for each notice by id, then with receipts."""

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers = answers
        self.sent: list[str] = []

    def send(self, notice: Notice) -> Answer:
        self.sent.append(notice.id)
        waiting = self.answers.get(notice.id) or self.answers.get("all")
        return waiting.pop(0) if waiting else Answer("delivered")

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.sent)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def add(database: Database) -> Callable[..., None]:
    """Puts a notice into the outbox."""

    def one(identifier: str, **values: Any) -> None:
        row = {
            "alert_id": identifier,
            "event": "fired",
            "channel": "ops",
            "created_at": NOW,
            "attempts": 0,
            "error": "",
        }
        row |= {"id": identifier, "body": {"type": "alert.fired", "alert": {"id": identifier}}} | values
        with database.begin() as connection:
            connection.execute(notices_out.insert().values(**{"next_at": row["created_at"], **row}))

    return one


@pytest.fixture
def row(database: Database) -> Callable[[str], Any]:
    """A notice as the outbox has it."""

    def one(identifier: str) -> Any:
        with database.read() as connection:
            return connection.execute(notices_out.select().where(notices_out.c.id == identifier)).one()

    return one

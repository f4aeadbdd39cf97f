"""What a receiver of webhooks sees, and what its answers mean."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.core.errors import InvalidInput
from tropism.monitoring.delivery.base import Answer, Notice
from tropism.monitoring.delivery.signature import format_secret, verify
from tropism.monitoring.delivery.webhook import Webhook

from .conftest import NOW

if TYPE_CHECKING:
    from .conftest import Receiver

KEY = bytes(range(32))
NOTICE = Notice(id="n1", channel="ops", event="fired", body={"type": "alert.fired", "what": "naïve"}, created_at=NOW)


def send(url: str, timeout: int = 10 * SECOND) -> Answer:
    return Webhook(url, KEY, timeout, ManualClock(NOW)).send(NOTICE)


def test_a_receiver_can_check_it_and_know_it_again(receiver: Receiver) -> None:
    assert send(receiver.url) == send(receiver.url) == Answer("delivered")
    for headers, body in receiver.posts:
        assert verify(headers, body, format_secret(KEY), now=NOW / SECOND) == "n1"
        assert json.loads(body) == {"type": "alert.fired", "what": "naïve"}
        with pytest.raises(InvalidInput):
            verify(headers, body, format_secret(bytes(32)), now=NOW / SECOND)


def test_a_login_in_the_address_is_sent_as_one(receiver: Receiver) -> None:
    send(receiver.url.replace("http://", "http://me:pass@"))
    assert receiver.posts[0][0]["authorization"] == "Basic bWU6cGFzcw=="


@pytest.mark.parametrize(
    ("status", "kind"),
    [(204, "delivered"), (410, "gone"), (404, "refused"), (302, "refused"), (429, "away"), (500, "away")],
)
def test_a_status_says_what_became_of_it(receiver: Receiver, status: int, kind: str) -> None:
    receiver.status = status
    receiver.headers = {"Location": "/elsewhere"}
    assert send(receiver.url).kind == kind
    assert len(receiver.posts) == 1


@pytest.mark.parametrize(
    ("after", "seconds"),
    [("7", 7), ("Tue, 14 Nov 2023 22:13:40 GMT", 20), ("Tue, 14 Nov 2000 22:13:40 GMT", 0), ("99999999999", 3_600)],
)
def test_a_receiver_may_say_how_long_to_wait(receiver: Receiver, after: str, seconds: int) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": after}
    assert send(receiver.url) == Answer("away", "it answered 503", seconds * SECOND)


def test_a_receiver_that_hangs_is_left_after_the_timeout(receiver: Receiver) -> None:
    receiver.hang.clear()
    started = time.monotonic()
    assert send(receiver.url, SECOND // 5) == Answer("away", "no answer within 200ms")
    assert time.monotonic() - started < 5


def test_a_receiver_that_answers_letter_by_letter_is_left_after_the_timeout() -> None:
    """Each letter comes in time; the answer does not."""
    done = threading.Event()

    class Dripping(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not done.wait(0.02):
                    self.request.sendall(b"x")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        answer = send(f"http://127.0.0.1:{server.server_address[1]}/", SECOND // 4)
        done.set()
        server.shutdown()
        thread.join()
    assert answer == Answer("away", "no answer within 250ms")


def test_a_receiver_that_is_down_is_away_and_its_address_is_not_told(receiver: Receiver) -> None:
    receiver.close()
    answer = send(receiver.url.replace("http://", "http://me:secret@"))
    assert answer == Answer("away", "no connection, or one that broke: ConnectError")

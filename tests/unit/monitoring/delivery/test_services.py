"""E-mail goes through Apprise to a real server."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from typing import TYPE_CHECKING

import pytest

from tropism.core.clock import SECOND
from tropism.monitoring.delivery.base import Notice
from tropism.monitoring.delivery.services import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

pytest.importorskip("apprise")

ALERT = {
    "id": "a1",
    "task": "price",
    "rule": "accuracy < 0.85",
    "severity": "high",
    "message": "accuracy < 0.85 & falls",
}


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server (RFC 5321) that keeps what it is sent, or refuses it with `refusal`."""

    daemon_threads = True
    allow_reuse_address = True
    refusal = b""
    silent = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.letters: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.done = threading.Event()


class Conversation(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        if self.server.silent:
            self.server.done.wait(20)
            return
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                self.server.recipients.append(line.decode())
            self.wfile.write(self.server.refusal or self._answer(verb))
            if verb == b"QUIT":
                return

    def _answer(self, verb: bytes) -> bytes:
        if verb != b"DATA":
            return b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"
        self.wfile.write(b"354 go on\r\n")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.server.letters.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
        return b"250 kept\r\n"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as mailbox:
        thread = threading.Thread(target=mailbox.serve_forever, args=(0.01,))
        thread.start()
        yield mailbox
        mailbox.done.set()
        mailbox.shutdown()
        thread.join()


def service(mailbox: Mailbox, timeout: int = 10 * SECOND) -> Service:
    port = mailbox.server_address[1]
    address = f"mailto://127.0.0.1:{port}/?smtp=127.0.0.1&from=tropism@example.org&to=you@example.org&mode=insecure"
    return Service(address, timeout, "https://ml.example.org")


def notice(**body: object) -> Notice:
    return Notice(id="n1", channel="mail", event="fired", body=body, created_at=0)


def test_an_alert_arrives_as_a_letter(mailbox: Mailbox) -> None:
    assert service(mailbox).send(notice(type="alert.fired", alert=ALERT)).delivered
    letter = mailbox.letters[0]
    assert letter["subject"] == "High: price: accuracy < 0.85"
    assert "tropism@example.org" in letter["from"]
    assert "you@example.org" in mailbox.recipients[0]
    body = letter.get_body(("plain",))
    assert body is not None
    lines = body.get_content().splitlines()
    assert lines[:2] == ["accuracy < 0.85 & falls", "Task: price"]
    assert lines[-1] == "https://ml.example.org/v1/alerts/a1"


def test_a_report_arrives_with_its_page(mailbox: Mailbox) -> None:
    sent = notice(type="report", title="Health of price", text="plain", html="<h1>Health</h1><p>42</p>")
    assert service(mailbox).send(sent).delivered
    letter = mailbox.letters[0]
    assert letter["subject"] == "Health of price"
    body = letter.get_body(("html",))
    assert body is not None
    assert "<h1>Health</h1>" in body.get_content()


def test_a_server_that_refuses_is_tried_again_later(mailbox: Mailbox) -> None:
    mailbox.refusal = b"550 no\r\n"
    answer = service(mailbox).send(notice(type="test"))
    assert answer.kind == "away"
    assert answer.reason
    assert "example.org" not in answer.reason
    assert mailbox.letters == []


def test_a_server_that_hangs_is_left_after_the_timeout(mailbox: Mailbox) -> None:
    mailbox.silent = True
    answer = service(mailbox, SECOND // 2).send(notice(type="test"))
    assert answer.kind == "away"
    assert "did not finish" in answer.reason

from __future__ import annotations

from collections.abc import Callable

import httpx
import msgspec
import pytest

from tropism.core.errors import InvalidInput, NotReady
from tropism.entrypoints.sending import send

URL = "http://marquez:5000/api/v1/lineage"
EVENTS = [{"eventType": "COMPLETE", "n": number} for number in range(2)]
Answer = Callable[[int], httpx.Response]


class Marquez(httpx.MockTransport):
    """Answers the nth request as it is told; keeps what it was sent."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(self._answer)
        self.requests: list[httpx.Request] = []
        self.paused: list[float] = []
        self._told = answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._told(len(self.requests))

    def send(self, url: str = URL) -> None:
        send(EVENTS, url, transport=self, pause=self.paused.append)

    @property
    def numbers(self) -> list[int]:
        return [msgspec.json.decode(request.content)["n"] for request in self.requests]


def refused(number: int) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def test_events_are_posted_in_order() -> None:
    there = Marquez(lambda _: httpx.Response(201))
    there.send("http://ann:secret@marquez:5000/api/v1/lineage")
    assert there.numbers == [0, 1]
    assert str(there.requests[0].url) == "http://ann:secret@marquez:5000/api/v1/lineage"
    assert there.requests[0].headers["content-type"] == "application/json"
    assert there.requests[0].headers["authorization"].startswith("Basic ")
    assert there.paused == []


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_one_that_is_busy_is_asked_again(status: int) -> None:
    there = Marquez(lambda number: httpx.Response(status if number <= 3 else 200))
    there.send()
    assert there.numbers == [0, 0, 0, 0, 1]
    assert there.paused == [0.5, 1.0, 2.0]


def test_one_that_stays_away_is_given_up() -> None:
    there = Marquez(refused)
    with pytest.raises(NotReady) as caught:
        there.send("http://ann:secret@marquez:5000/api/v1/lineage")
    assert len(there.requests) == 4
    assert "event 1 could not be sent: connection refused" in str(caught.value)
    assert "http://ann:***@marquez:5000" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_one_that_stays_busy_says_what_it_answered() -> None:
    there = Marquez(lambda _: httpx.Response(503, text="full\n\x1b[31m"))
    with pytest.raises(NotReady, match=r"HTTP 503 full \[31m$|HTTP 503 full \[31m\n"):
        there.send()


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_refusal_is_final(status: int) -> None:
    there = Marquez(lambda number: httpx.Response(201 if number == 1 else status, text="no"))
    with pytest.raises(InvalidInput, match=f"event 2 was refused: HTTP {status} no"):
        there.send()
    assert len(there.requests) == 2


@pytest.mark.parametrize(
    "url", ["", "marquez:5000", "ftp://marquez/x", "http://", "http://marquez:port", "/api/v1/lineage"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    there = Marquez(lambda _: httpx.Response(201))
    with pytest.raises(InvalidInput, match="such as http://localhost:5000/api/v1/lineage"):
        there.send(url)
    assert there.requests == []

"""A client against a real HTTP server that speaks what Feast's server was recorded to say."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.unit.features.feast.recorded import NO_ENTITIES, NO_FEATURE, NO_VIEW, ROWS, TWO_VIEWS

from tropism.core.clock import SECOND, ManualClock, from_datetime
from tropism.core.errors import InvalidInput, NotReady, SettingInvalid
from tropism.features.feast import Declared, FeastServer
from tropism.features.online.reader import Status

DAY = 86_400 * SECOND
NOW = from_datetime(datetime(2026, 11, 21, 18, 30, tzinfo=UTC))
PRESENT, MISSING, EXPIRED = Status.PRESENT, Status.MISSING, Status.EXPIRED
NAMES = ["profile:segment", "profile:limit", "profile:since"]
KEYS = {"account_id": [1, 2, 3, 9]}
DECLARED = {
    "profile:segment": Declared("profile.segment", "text", 30 * DAY),
    "profile:limit": Declared("profile.limit", "number", 30 * DAY),
    "profile:since": Declared("profile.since", "time", 30 * DAY),
}


class Spoken(ThreadingHTTPServer):
    """Says `replies` one after the other, the last for ever; a status of 0 hangs up, one below 0 never answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.replies: list[tuple[int, str]] = []
        self.heard: list[dict[str, Any]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    server: Spoken
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert self.path == "/get-online-features"
        assert self.headers["content-type"] == "application/json"
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        replies = self.server.replies
        status, text = replies.pop(0) if len(replies) > 1 else replies[0]
        if status < 0:
            self.server.over.wait(30)
        if status <= 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def feast() -> Iterator[Spoken]:
    server = Spoken()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def said(values: list[Any], statuses: list[str], name: str = "profile__limit") -> tuple[int, str]:
    vector = {"values": values, "statuses": statuses}
    return 200, json.dumps({"results": [vector], "metadata": {"feature_names": [name]}})


def test_values_of_declared_types_no_older_than_the_ttl(feast: Spoken) -> None:
    feast.replies = [(200, ROWS)]
    with FeastServer(feast.url, 10, DECLARED, ManualClock(NOW)) as server:
        found = server.read(NAMES, KEYS)
    first, second, expired, nobody = found.rows
    assert first == {
        "profile:segment": "a",
        "profile:limit": 1.5,
        "profile:since": datetime(2026, 11, 20, 18, 25, 20, tzinfo=UTC),
    }
    assert second["profile:limit"] is None
    assert set(expired.values()) == set(nobody.values()) == {None}
    assert found.statuses == {name: [PRESENT, PRESENT, EXPIRED, MISSING] for name in NAMES}
    assert feast.heard == [{"features": NAMES, "entities": KEYS, "full_feature_names": True}]


def test_a_row_expires_when_it_is_as_old_as_the_ttl(feast: Spoken) -> None:
    feast.replies = [(200, ROWS)]
    clock = ManualClock(from_datetime(datetime(2026, 12, 20, 18, 25, 20, tzinfo=UTC)) - 1)
    with FeastServer(feast.url, 10, DECLARED, clock) as server:
        assert server.read(NAMES, KEYS).statuses["profile:limit"][0] is PRESENT
        clock.advance(1)
        assert server.read(NAMES, KEYS).statuses["profile:limit"][0] is EXPIRED


def test_what_is_not_declared_is_as_the_server_has_it(feast: Spoken) -> None:
    feast.replies = [(200, ROWS)]
    with FeastServer(feast.url, 10, clock=ManualClock(NOW)) as server:
        found = server.read(NAMES, KEYS)
    assert found.rows[2] == {"profile:segment": None, "profile:limit": 3.0, "profile:since": 1791829520}
    assert found.statuses["profile:limit"] == [PRESENT, PRESENT, PRESENT, MISSING]


def test_features_of_several_views_in_the_order_asked(feast: Spoken) -> None:
    feast.replies = [(200, TWO_VIEWS)]
    with FeastServer(feast.url, 10) as server:
        found = server.read(
            ["profile:limit", "Pair_View:orders"], {"account_id": ["1", "2"], "merchant_id": ["m", "z"]}
        )
    assert [list(row.items()) for row in found.rows] == [
        [("profile:limit", 1.5), ("Pair_View:orders", 5)],
        [("profile:limit", None), ("Pair_View:orders", None)],
    ]
    assert found.statuses["Pair_View:orders"] == [PRESENT, MISSING]


def test_every_status_of_feast(feast: Spoken) -> None:
    feast.replies = [said([1, None, 2, 3, 4], ["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE", "INVALID"])]
    with FeastServer(feast.url, 10) as server:
        found = server.read(["profile:limit"], {"account_id": [1, 2, 3, 4, 5]})
    assert found.statuses == {"profile:limit": [PRESENT, PRESENT, MISSING, EXPIRED, MISSING]}
    assert [row["profile:limit"] for row in found.rows] == [1, None, None, None, None]


def test_numbers_that_json_has_not(feast: Spoken) -> None:
    feast.replies = [said(["Infinity", "-Infinity", "NaN"], ["PRESENT"] * 3)]
    keys = {"account_id": [1, 2, 3]}
    with FeastServer(feast.url, 10, {"profile:limit": Declared("profile.limit", "number")}) as server:
        up, down, none = (row["profile:limit"] for row in server.read(["profile:limit"], keys).rows)
    assert (up, down, math.isnan(none)) == (math.inf, -math.inf, True)
    with FeastServer(feast.url, 10, {"profile:limit": Declared("profile.limit", "text")}) as server:
        assert server.read(["profile:limit"], keys).rows[2] == {"profile:limit": "NaN"}


def test_a_connection_closed_after_an_error_is_not_the_servers_absence(feast: Spoken) -> None:
    feast.replies = [(0, ""), said([1], ["PRESENT"])]
    with FeastServer(feast.url, 10) as server:
        assert server.read(["profile:limit"], {"account_id": [1]}).rows == [{"profile:limit": 1}]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(NO_VIEW, "404: Feature view nope does not exist in project shop"), (NO_ENTITIES, "422: Field required")],
)
def test_a_request_that_feast_refuses(feast: Spoken, reply: tuple[int, str], reason: str) -> None:
    feast.replies = [reply]
    with FeastServer(feast.url, 10) as server, pytest.raises(InvalidInput) as caught:
        server.read(["nope:nope"], {"account_id": [1]})
    assert caught.value.faults[0].value == reason


def test_a_server_that_fails_is_quoted(feast: Spoken) -> None:
    feast.replies = [NO_FEATURE]
    with FeastServer(feast.url, 10) as server, pytest.raises(NotReady, match="Feature nope not found"):
        server.read(["profile:nope"], {"account_id": [1]})


@pytest.mark.parametrize(
    "reply",
    [
        (200, "<html>"),
        (200, '{"results": []}'),
        (200, '{"results": [], "metadata": {"feature_names": []}}'),
        said([1, 2], ["PRESENT", "PRESENT"]),
        (302, ""),
    ],
)
def test_what_is_no_feature_server(feast: Spoken, reply: tuple[int, str]) -> None:
    feast.replies = [reply]
    with FeastServer(feast.url, 10) as server, pytest.raises(NotReady, match="no feature server of Feast") as caught:
        server.read(["profile:limit"], {"account_id": [1]})
    assert "feast serve" in caught.value.faults[0].fix


def test_values_of_another_type_are_refused(feast: Spoken) -> None:
    feast.replies = [said(["soon"], ["PRESENT"])]
    declared = {"profile:limit": Declared("profile.limit", "time")}
    with FeastServer(feast.url, 10, declared) as server, pytest.raises(NotReady, match="not of type time"):
        server.read(["profile:limit"], {"account_id": [1]})


def test_a_server_that_is_away_or_too_slow(feast: Spoken) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = FeastServer(f"http://127.0.0.1:{free.getsockname()[1]}", 10)
        with away, pytest.raises(NotReady) as caught:
            away.read(["profile:limit"], {"account_id": [1]})
    assert "feast serve" in caught.value.faults[0].fix
    feast.replies = [(-1, "")]
    with FeastServer(feast.url, 0.2) as slow, pytest.raises(NotReady, match="in time"):
        slow.read(["profile:limit"], {"account_id": [1]})


@pytest.mark.parametrize(
    ("features", "keys", "field"),
    [
        ([], {"account_id": [1]}, "features"),
        (["limit"], {"account_id": [1]}, "features"),
        (["profile:limit"], {}, "keys"),
        (["profile:limit"], {"account_id": [1], "merchant_id": []}, "keys"),
        (["profile:limit"], {"account_id": [None]}, "keys.account_id"),
        (["profile:limit"], {"account_id": [object()]}, "keys"),
    ],
)
def test_what_cannot_be_asked_is_not(feast: Spoken, features: list[str], keys: dict[str, Any], field: str) -> None:
    with FeastServer(feast.url, 10) as server, pytest.raises(InvalidInput) as caught:
        server.read(features, keys)
    assert caught.value.faults[0].field == field
    assert not feast.heard


def test_nobody_is_read_without_asking(feast: Spoken) -> None:
    with FeastServer(feast.url, 10) as server:
        found = server.read(["profile:limit"], {"account_id": []})
    assert (found.rows, found.statuses, feast.heard) == ([], {"profile:limit": []}, [])


@pytest.mark.parametrize("url", ["", "127.0.0.1:6566", "http://[", "redis://127.0.0.1", "http://", "http://a:port"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(SettingInvalid):
        FeastServer(url)

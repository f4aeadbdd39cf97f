from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from tropism.core.task import Task
from tropism.registry.lineage import link_training
from tropism.wiring import Platform

Command = Callable[..., Any]
SET = "payments/1111111111111111"


@pytest.fixture
def trained(platform: Platform, payments: Task, register: Callable[..., int]) -> Platform:
    """Version 1 of `payments`, with its training linked."""
    version = register(1)
    data = platform.registry.versions.get("payments", version).data | {"lake": {"predictions": {}, "outcomes": {}}}
    link_training(platform.registry, payments, version, data, platform.clock.now())
    return platform


class Received(HTTPServer):
    """A place that events are sent to."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Receiving)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/v1/lineage"


class _Receiving(BaseHTTPRequestHandler):
    server: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.events.append({"path": self.path} | msgspec.json.decode(body))
        self.send_response(201)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def received() -> Iterator[Received]:
    server = Received()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_is_drawn_both_ways(shop: Command, trained: Platform, live: Callable[..., list[str]]) -> None:
    live(12, version=1)
    lines = shop("lineage", "model", "payments").out.splitlines()
    assert lines[0].startswith("model payments/1 (linear, candidate, 20")
    assert lines[1:5] == [
        "came of:",
        f"  training-set {SET} (201 rows)",
        "    lake payments/outcomes",
        "    lake payments/predictions",
    ]
    assert lines[5:7] == ["became:", "  predictions payments/1 (12 made)"]
    assert lines[7].split()[1] == "12"


def test_one_way_only(shop: Command, trained: Platform) -> None:
    up = shop("lineage", "training-set", SET, "--up").out
    assert "came of:" in up
    assert "became" not in up
    down = shop("lineage", "training-set", SET, "--down").out.splitlines()
    assert down[1] == "became:"
    assert down[2].startswith("  model payments/1 ")
    assert "came of: nothing that is noted" in shop("lineage", "lake", "payments/outcomes").out


def test_a_prediction_leads_to_its_model(shop: Command, trained: Platform, live: Callable[..., list[str]]) -> None:
    (made,) = live(1, version=1)
    lines = shop("lineage", "prediction", made).out.splitlines()
    assert lines[0].startswith(f"prediction {made} (payments, champion, 20")
    assert lines[2].startswith("  model payments/1 (linear")
    assert lines[3] == f"    training-set {SET} (201 rows)"
    (alone,) = live(1, version=0)
    assert "no model made it" in shop("lineage", "prediction", alone).out


def test_many_days_are_cut_short(shop: Command, trained: Platform, live: Callable[..., list[str]]) -> None:
    for day in range(9):
        live(1, version=1, days_ago=20 + day)
    lines = shop("lineage", "model", "payments/1", "--down").out.splitlines()
    assert len(lines) == 3 + 7 + 1
    assert lines[-1].strip().startswith("and 2 earlier days since 20")
    assert lines[3] > lines[4]


def test_what_was_drawn_is_not_drawn_again(shop: Command, platform: Platform, register: Callable[..., int]) -> None:
    register(1)
    for above in ("b", "c"):
        platform.registry.features.link("lake", "a", "lake", above, 1)
        platform.registry.features.link("lake", above, "lake", "d\n", 1)
    platform.registry.features.link("lake", "d\n", "lake", "e", 1)
    assert shop("lineage", "lake", "a", "--down").out.splitlines()[2:] == [
        "  lake b",
        "    lake d ",
        "      lake e",
        "  lake c",
        "    lake d  (see above)",
    ]


def test_json_has_nodes_and_edges(shop: Command, trained: Platform) -> None:
    found = msgspec.json.decode(shop("lineage", "model", "payments/1", "--json").out)
    assert (found["kind"], found["id"]) == ("model", "payments/1")
    assert {node["kind"] for node in found["nodes"]} == {"lake", "training-set", "model"}
    assert {edge["to_id"] for edge in found["edges"]} == {SET, "payments/1"}


def test_events_are_printed_one_a_line(shop: Command, trained: Platform) -> None:
    lines = shop("lineage", "model", "payments/1", "--open-lineage", "--namespace", "here").out.splitlines()
    events = [msgspec.json.decode(line) for line in lines]
    assert [event["job"]["name"] for event in events] == ["training-set/payments", "training/payments"]
    assert {event["job"]["namespace"] for event in events} == {"here"}


def test_events_are_sent_and_sent_again_as_the_same_runs(shop: Command, trained: Platform, received: Received) -> None:
    for _ in range(2):
        assert shop("lineage", "model", "payments", "--send", received.url).out == f"sent 2 events to {received.url}\n"
    assert [event["path"] for event in received.events] == ["/api/v1/lineage"] * 4
    assert received.events[:2] == received.events[2:]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("model", "nix"), "unknown-model", "use one of: payments"),
        (("model", "payments/9"), "unknown-version", "it has version 1 only"),
        (("view", "spend"), "not-found", "there is no feature view 'spend'"),
        (("lake", "nix"), "not-found", "use one of: payments/outcomes, payments/predictions"),
        (("prediction", "42"), "invalid-input", "prediction_id of a reply"),
        (("model", "payments", "--send", "marquez"), "invalid-input", "http://localhost:5000/api/v1/lineage"),
    ],
)
def test_errors_say_what_to_do(
    shop: Command, trained: Platform, arguments: tuple[str, ...], code: str, words: str
) -> None:
    said = shop("lineage", *arguments)
    assert said.code == 1
    assert f"[{code}]" in said.err
    assert words in said.err


def test_another_kind_is_a_wrong_call(shop: Command, trained: Platform) -> None:
    said = shop("lineage", "cake", "x")
    assert said.code == 2
    assert "'training-set'" in said.err

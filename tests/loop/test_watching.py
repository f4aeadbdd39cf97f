"""A project whose features shift: the alert fires, its webhook comes once, and `/metrics` tells of it."""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from tests.loop.test_up import Shop, wait

from tropism.sdk import Client, verify_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PROJECT = """
from tropism import Feature, Monitoring, Policy, Task, Triggers

payments = Task(
    name="payments",
    kind="binary",
    target="is_fraud",
    features=(Feature("amount"), Feature("country", type="category")),
    outcome_window="1s",
    learners=("linear",),
    policy=Policy(triggers=Triggers(new_outcomes=None, decay=None), min_training=100, recent=200),
    monitoring=Monitoring(window="1s", period="1m"),
)
"""


class Receiver:
    """A webhook's other end: what came, by the id that its signature holds for."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, dict[str, Any]]] = []
        receiver = self

        class Receiving(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.arrived.append((verify_webhook(self.headers, body, SECRET), json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Receiving)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fired(self, rule: str) -> list[dict[str, Any]]:
        bodies = [body for _, body in self.arrived if body["type"] == "alert.fired"]
        return [body["alert"] for body in bodies if body["alert"]["rule"] == rule]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def shop(tmp_path: Path, receiver: Receiver) -> Iterator[Shop]:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Shop(folder)
    made.do("init")
    (folder / "project.py").write_text(PROJECT)
    (folder / "tropism.toml").write_text(
        f"[http]\nport = {made.port}\ncontrol_port = {made.control}\n"
        '[loop]\nwatch_every = "500ms"\ningest_every = "200ms"\n'
        f'[alerts]\nsecret = "{SECRET}"\nevery = "200ms"\n'
        f'[alerts.channels]\nops = "http://127.0.0.1:{receiver.port}/hook"\n'
    )
    yield made
    made.run("down")


def send(client: Client, random: np.random.Generator, *, shift: float, told: bool = False) -> None:
    """Fifty predictions of amounts around `shift`, and their outcomes."""
    amounts = random.normal(size=50) + shift
    rows = [{"amount": float(amount), "country": "NL" if k % 2 else "BE"} for k, amount in enumerate(amounts)]
    made = client.predict_many("payments", rows)
    if told:
        truths = amounts + 0.3 * random.normal(size=50) > 0
        pairs = zip(made, truths, strict=True)
        client.outcomes([{"prediction_id": one.prediction_id, "outcome": bool(truth)} for one, truth in pairs])


def drift_score(shop: Shop) -> float | None:
    """What `/metrics` tells of all features together."""
    text = httpx.get(f"{shop.address}/metrics").text
    found = re.search(r'^ml_model_drift_score\{(?=.*drift_type="features")(?=.*feature="").*\} (\S+)$', text, re.M)
    return None if found is None else float(found[1])


def alerts_told(shop: Shop) -> list[dict[str, Any]] | None:
    """The alerts by the API; None where it has no such route."""
    answer = httpx.get(f"{shop.address}/api/v1/ml/monitoring/alerts")
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    body = answer.json()
    return list(body["alerts"] if isinstance(body, dict) else body)


def test_a_shift_is_told_once_signed_and_shown(shop: Shop, receiver: Receiver) -> None:
    shop.do("up", "--detach")
    random, begun = np.random.default_rng(3), time.monotonic()
    with shop.client() as client:
        client.wait_ready(60)
        for _ in range(20):
            send(client, random, shift=0.0, told=True)
        shop.do("train", "payments")

        def calm() -> bool:
            send(client, random, shift=0.0)
            return drift_score(shop) is not None

        wait(calm)
        assert (drift_score(shop) or 0.0) < 0.8
        assert receiver.fired("drift") == []

        def fired() -> bool:
            send(client, random, shift=3.0)
            return bool(receiver.fired("drift"))

        wait(fired)
        wait(lambda: (drift_score(shop) or 0.0) >= 0.8)
        for _ in range(20):
            send(client, random, shift=3.0)
    (alert,) = receiver.fired("drift")
    assert alert["evidence"]["context"]["causes"][0]["feature"] == "amount"
    ids = [identifier for identifier, _ in receiver.arrived]
    assert len(ids) == len(set(ids))
    told = alerts_told(shop)
    assert told is None or alert["id"] in [one["id"] for one in told]
    assert "drift" in shop.do("alerts")
    assert time.monotonic() - begun < 60

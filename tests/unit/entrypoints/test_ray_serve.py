"""The data plane as an ASGI application with a life of its own, and on Ray Serve where Ray is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from tropism.core.errors import MissingExtra
from tropism.core.events import Prediction, decode
from tropism.entrypoints.ray_serve import Replica, deployment
from tropism.storage.journal import JournalReader
from tropism.wiring import Platform

FEATURES = {"amount": 40.0, "country": "NL", "hour": 3.0, "new_device": True}
REQUESTS = 40
SERVE = """
import json, sys
import httpx, ray
from ray import serve
from tropism.config import load_settings
from tropism.entrypoints.ray_serve import deployment

settings = load_settings(sys.argv[1], environment={})
ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
serve.run(deployment(settings, num_replicas=2, ray_actor_options={"num_cpus": 0.5}))
body = {"features": json.loads(sys.argv[3])}
answers = []
with httpx.Client(base_url=f"http://127.0.0.1:{sys.argv[2]}", timeout=30, trust_env=False) as client:
    for _ in range(int(sys.argv[4])):
        reply = client.post("/v1/tasks/payments/predict", json=body)
        answers.append([reply.status_code, reply.json()])
    wrong = client.post("/v1/tasks/payments/predict", content=b"{").status_code
serve.shutdown()
ray.shutdown()
print(json.dumps({"answers": answers, "wrong": wrong}))
"""


def journaled(platform: Platform) -> list[tuple[str, Prediction]]:
    """Predictions in the journal, each with the slot that it is in."""
    found = []
    for record in JournalReader(platform.journal_folder).read({}):
        found += [(record.writer, event) for event in decode(record.payload) if isinstance(event, Prediction)]
    return found


async def test_a_replica_lives_as_long_as_its_server_says(
    platform: Platform, register: Callable[..., int], promote: Callable[..., str]
) -> None:
    promote(register())
    replica = Replica(platform.settings)
    told: asyncio.Queue[Any] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    life = asyncio.create_task(replica({"type": "lifespan"}, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    assert (await asyncio.wait_for(said.get(), 60))["type"] == "lifespan.startup.complete"

    body = json.dumps({"features": FEATURES}).encode()
    replies: list[Any] = []

    async def request() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def reply(message: MutableMapping[str, Any]) -> None:
        replies.append(message)

    path = "/v1/tasks/payments/predict"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope: Any = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    await replica({**scope, "headers": headers, "client": None}, request, reply)
    assert replies[0]["status"] == 200, "the first snapshot is there when the server is told to go ahead"
    answer = json.loads(replies[1]["body"])

    await told.put({"type": "lifespan.shutdown"})
    assert (await asyncio.wait_for(said.get(), 60))["type"] == "lifespan.shutdown.complete"
    await life
    assert [event.id for _, event in journaled(platform)] == [answer["prediction_id"]]
    slot = platform.journal()
    assert slot.name == "w0", "its slot is free again"
    slot.close()


def test_without_ray_the_extra_is_named(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.serve", None)
    with pytest.raises(MissingExtra, match=r"tropism\[ray\]"):
        deployment(platform.settings)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'ray[serve]'")
def test_replicas_on_ray_serve_answer_and_journal(
    platform: Platform, project: Path, register: Callable[..., int], promote: Callable[..., str]
) -> None:
    promote(register())
    port = platform.settings.http.port
    command = [sys.executable, "-c", SERVE, str(project), str(port), json.dumps(FEATURES), str(REQUESTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4_000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert Counter(status for status, _ in report["answers"]) == {200: REQUESTS}
    assert report["wrong"] == 400
    assert {answer["version"] for _, answer in report["answers"]} == {1}
    kept = journaled(platform)
    assert Counter(event.id for _, event in kept) == Counter(answer["prediction_id"] for _, answer in report["answers"])
    assert len({slot for slot, _ in kept}) == 2, "each replica has a slot of its own"

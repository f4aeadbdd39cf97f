"""Three data planes behind one socket, over one state folder: all of them follow a swap, while requests come in.

With SQLite they look every 200 ms. With PostgreSQL they would look once an hour, so what makes them follow is the
notice that the promotion sends. How long it took is printed; on a busy machine it decides nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.events import Prediction, decode
from tropism.core.identity import derived_id
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.api.server import bind
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.storage.journal import JournalReader
from tropism.wiring import Platform, open_platform

PLANES, SWAPS, RATE, SECONDS, CONNECTIONS = 3, 10, 200, 6, 24
PATIENCE = 120.0
LOAD = Path(__file__).parents[2] / "bench" / "load.py"
FEATURES = {f"f{n}": float(n) for n in range(4)}
TASK = Task(name="shared", kind="regression", target="y", features=tuple(Feature(name) for name in FEATURES))
LEVELS = {1: -1_000.0, 2: 1_000.0}
"""About what each version predicts."""
RUN = """
import socket, sys
from tropism.config import load_settings
from tropism.entrypoints.api.assembly import assembled
from tropism.entrypoints.api.server import serve
with assembled(load_settings(sys.argv[1], environment={})) as app:
    serve(app, socket.socket(fileno=int(sys.argv[2])))
"""


class Shared(NamedTuple):
    """A project whose data planes are up: where they listen, and how they learn of a swap."""

    platform: Platform
    port: int
    how: str


def register(platform: Platform, version: int) -> None:
    """A linear model that predicts numbers around its level."""
    random = np.random.default_rng(version)
    columns = {name: random.normal(size=400) for name in FEATURES}
    labels = LEVELS[version] + columns["f0"] + random.normal(size=400)
    data = Dataset(pa.table(columns), labels, np.arange(400, dtype=np.int64))
    digest = store(fit_model(TASK, "linear", data, seed=version), platform.blobs)
    new = NewVersion(model=TASK.name, artifact=digest, learner="linear", window="all", job_id=f"train-{version}")
    assert platform.registry.versions.register(new, now=platform.clock.now()) == version


def promote(platform: Platform, version: int, expected: int | None, number: int) -> None:
    platform.registry.promotion.promote(
        TASK.name,
        version,
        expected=expected,
        actor="test",
        decision_id=derived_id(number, f"swap-{number}"),
        policy=Policy(),
        now=platform.clock.now(),
    )


@pytest.fixture(params=["polling SQLite", pytest.param("PostgreSQL's notices", marks=pytest.mark.postgres)])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    notices = request.param != "polling SQLite"
    settings = f'[tables]\nurl = "{request.getfixturevalue("schema")}"\n' if notices else ""
    poll = "1h" if notices else "200ms"
    (tmp_path / "tropism.toml").write_text(f'{settings}[http]\npoll = "{poll}"\n[lake]\ndurability = "os"\n')
    platform = open_platform(load_settings(tmp_path, environment={}))
    platform.registry.tasks.apply(TASK, platform.clock.now())
    for version in LEVELS:
        register(platform, version)
    promote(platform, 1, None, 0)
    with bind("127.0.0.1", 0) as listener:
        number = listener.fileno()
        command = [sys.executable, "-c", RUN, str(tmp_path), str(number)]
        planes = [subprocess.Popen(command, pass_fds=(number,)) for _ in range(PLANES)]
        try:
            yield Shared(platform, listener.getsockname()[1], request.param)
        finally:
            for plane in planes:
                plane.terminate()
            assert [plane.wait(60) in (0, -15) for plane in planes] == [True] * PLANES
            platform.database.dispose()


def connect_to_each(shared: Shared, open_clients: ExitStack) -> tuple[list[httpx.Client], list[str]]:
    """A kept connection to each of the planes, and the predictions that were made to tell them apart.

    Whoever accepts a connection is chance, so there are tries; each plane writes its own slot of the journal.
    """
    found: dict[str, httpx.Client] = {}
    made: list[str] = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < PLANES:
        assert time.monotonic() < deadline, f"only {sorted(found)} accept connections"
        url = f"http://127.0.0.1:{shared.port}"
        client = open_clients.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE))
        reply = client.post(f"/v1/tasks/{TASK.name}/predict", json={"features": FEATURES}).raise_for_status()
        made.append(reply.json()["prediction_id"])
        found.setdefault(journaled(shared.platform)[made[-1]], client)
    return list(found.values()), made


def journaled(platform: Platform) -> dict[str, str]:
    """The slot that each prediction is in. None is there twice."""
    slots: dict[str, str] = {}
    for record in JournalReader(platform.journal_folder).read({}, limit=2 * RATE * SECONDS):
        for event in decode(record.payload):
            if isinstance(event, Prediction):
                assert event.id not in slots
                slots[event.id] = record.writer
    return slots


def version_of(client: httpx.Client) -> Any:
    return client.get("/readyz").json()["models"][TASK.name]["version"]


def converge(clients: list[httpx.Client], version: int) -> float:
    """Seconds until every plane serves a version."""
    begun = time.monotonic()
    behind = list(clients)
    while behind:
        behind = [client for client in behind if version_of(client) != version]
        assert time.monotonic() < begun + PATIENCE, f"{len(behind)} of {PLANES} planes do not serve version {version}"
    return time.monotonic() - begun


def swap_while(load: subprocess.Popen[str], shared: Shared, clients: list[httpx.Client]) -> list[float]:
    """Swaps the champion, spread over the load; how long each swap took to reach every plane."""
    begun, current, took = time.monotonic(), 1, []
    for swap in range(1, SWAPS + 1):
        following = 3 - current
        promote(shared.platform, following, current, swap)
        took.append(converge(clients, following))
        assert {version_of(client) for client in clients} == {following}, "a plane went back"
        current = following
        pause = begun + swap * 0.9 * SECONDS / SWAPS - time.monotonic()
        if pause > 0 and load.poll() is None:
            try:
                load.wait(pause)
            except subprocess.TimeoutExpired:
                continue
    return took


def test_every_data_plane_follows_every_swap(
    shared: Shared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replies, count = tmp_path / "replies", RATE * SECONDS
    options = {
        "--port": shared.port,
        "--task": TASK.name,
        "--features": json.dumps(FEATURES),
        "--rate": RATE,
        "--seconds": SECONDS,
        "--connections": CONNECTIONS,
        "--replies": replies,
    }
    command = [sys.executable, str(LOAD), *(str(part) for option in options.items() for part in option)]
    with ExitStack() as open_clients:
        clients, made = connect_to_each(shared, open_clients)
        converge(clients, 1)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            took = swap_while(load, shared, clients)
            printed, _ = load.communicate(timeout=PATIENCE)
    median, worst = (1e3 * float(one) for one in (np.median(took), max(took)))
    with capsys.disabled():
        figures = f"{median:.0f} ms (median), {worst:.0f} ms (worst)"
        sys.stdout.write(f"\n{shared.how}: {SWAPS} swaps reached {PLANES} planes in {figures}\n")

    assert json.loads(printed)["statuses"] == {"200": count}
    answers = [json.loads(line) for line in replies.read_bytes().splitlines()]
    assert all(abs(one["prediction"] - LEVELS[one["version"]]) < 100 for one in answers), "the wrong version is named"
    assert {one["version"] for one in answers} == set(LEVELS)
    assert all(one["degraded"] == [] for one in answers)
    check_nothing_is_lost(shared.platform, made + [one["prediction_id"] for one in answers])


def check_nothing_is_lost(platform: Platform, acknowledged: list[str]) -> None:
    """Every acknowledged prediction is in the journal once, and once in the lake."""
    slots = journaled(platform)
    assert slots.keys() == set(acknowledged)
    assert len(set(slots.values())) == PLANES, "each plane writes a slot of its own"
    platform.ingest()
    kept = platform.lake.read(f"{TASK.name}/predictions", columns=["id"])
    assert Counter(kept["id"].to_pylist()) == Counter(acknowledged)

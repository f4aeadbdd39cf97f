"""The champion is replaced fifty times while a real data plane answers two thousand requests a second."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.errors import NotReady
from tropism.core.events import Prediction, decode
from tropism.core.identity import derived_id
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.api.server import bind
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.sdk import Client
from tropism.storage.journal import JournalReader
from tropism.wiring import Platform, open_platform

SWAPS, RATE, SECONDS, CONNECTIONS = 50, 2_000, 8, 32
DEADLINE = 120.0
LOAD = Path(__file__).parents[2] / "bench" / "load.py"
FEATURES = {f"f{n}": float(n) for n in range(8)}
TASK = Task(name="swap", kind="regression", target="y", features=tuple(Feature(name) for name in FEATURES))
LEVELS = {1: -1_000.0, 2: 1_000.0}
"""About what each version predicts."""
RUN = """
import sys
from tropism.config import load_settings
from tropism.entrypoints.api.run import run_data_plane
run_data_plane(load_settings(sys.argv[1]))
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    (tmp_path / "tropism.toml").write_text(f'[http]\nport = {port}\npoll = "20ms"\n')
    made = open_platform(load_settings(tmp_path, environment={}))
    yield made
    made.database.dispose()


def register(platform: Platform, version: int) -> None:
    """A real LightGBM model that predicts numbers around its level."""
    random = np.random.default_rng(version)
    columns = {name: random.normal(size=400) for name in FEATURES}
    labels = LEVELS[version] + 10 * columns["f0"] + random.normal(size=400)
    data = Dataset(pa.table(columns), labels, np.arange(400, dtype=np.int64))
    model = fit_model(TASK, "lightgbm", data, seed=version)
    digest = store(model, platform.blobs)
    new = NewVersion(model="swap", artifact=digest, learner="lightgbm", window="all", job_id=f"train-{version}")
    assert platform.registry.versions.register(new, now=platform.clock.now()) == version


def promote(platform: Platform, version: int, expected: int | None, number: int) -> None:
    platform.registry.promotion.promote(
        "swap",
        version,
        expected=expected,
        actor="test",
        decision_id=derived_id(number, f"swap-{number}"),
        policy=Policy(),
        now=platform.clock.now(),
    )


@pytest.fixture
def server(platform: Platform) -> Iterator[str]:
    platform.registry.tasks.apply(TASK, platform.clock.now())
    for version in LEVELS:
        register(platform, version)
    promote(platform, 1, None, 0)
    url = f"http://127.0.0.1:{platform.settings.http.port}"
    process = subprocess.Popen([sys.executable, "-c", RUN, platform.settings.project])
    try:
        with Client(url, retries=0) as client:
            client.wait_ready(DEADLINE)
        yield url
    finally:
        process.terminate()
        assert process.wait(30) in (0, -15)


def follow(http: httpx.Client, version: int, deadline: float) -> None:
    """Returns when the data plane serves a version."""
    while time.monotonic() < deadline:
        if http.get("/readyz").json()["models"]["swap"]["version"] == version:
            return
    raise NotReady(f"version {version} was not served in time")


def swap_while(load: subprocess.Popen[str], platform: Platform, http: httpx.Client) -> None:
    """Swaps the champion, each time once the last swap is live, spread over the load."""
    begun = time.monotonic()
    current = 1
    for swap in range(1, SWAPS + 1):
        following = 3 - current
        promote(platform, following, current, swap)
        follow(http, following, begun + DEADLINE)
        current = following
        pause = begun + swap * 0.8 * SECONDS / SWAPS - time.monotonic()
        if pause > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                load.wait(pause)


def test_no_request_notices_that_the_champion_is_swapped(
    server: str, platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count, replies = RATE * SECONDS, tmp_path / "replies"
    options = {
        "--port": platform.settings.http.port,
        "--task": "swap",
        "--features": json.dumps(FEATURES),
        "--rate": RATE,
        "--seconds": SECONDS,
        "--connections": CONNECTIONS,
        "--replies": replies,
    }
    arguments = [str(part) for option in options.items() for part in option]
    command = [sys.executable, str(LOAD), *arguments]
    with (
        httpx.Client(base_url=server, trust_env=False) as http,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load,
    ):
        swap_while(load, platform, http)
        printed, _ = load.communicate(timeout=DEADLINE)
    with capsys.disabled():
        sys.stdout.write(f"\n{SWAPS} swaps: {printed}")

    report: dict[str, Any] = json.loads(printed)
    assert report["statuses"] == {"200": count}
    answers = [json.loads(line) for line in replies.read_bytes().splitlines()]
    assert len(answers) == count
    assert all(abs(one["prediction"] - LEVELS[one["version"]]) < 100 for one in answers), "the wrong version is named"
    assert all(one["degraded"] == [] for one in answers)
    assert min(Counter(one["version"] for one in answers).values()) > count / 20

    journaled = read_journal(platform)
    assert Counter(event.id for event in journaled) == Counter(one["prediction_id"] for one in answers)
    served = {one["prediction_id"]: one["version"] for one in answers}
    assert all(event.version == served[event.id] for event in journaled)


def read_journal(platform: Platform) -> list[Prediction]:
    records = JournalReader(platform.journal_folder).read({}, limit=2 * RATE * SECONDS)
    events = [event for record in records for event in decode(record.payload)]
    return [event for event in events if isinstance(event, Prediction)]

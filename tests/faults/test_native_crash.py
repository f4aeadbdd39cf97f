"""A model's native code ends the process that serves it: its version is put away, and the others go on."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.identity import derived_id
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.cli.main import main
from tropism.entrypoints.supervisor import Supervisor
from tropism.learners.artifact import store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.sdk import Client
from tropism.wiring import Platform

pytestmark = pytest.mark.fault

DEADLINE = 120.0
TASK = Task(name="price", kind="regression", target="y", features=(Feature("demand"),), learners=("linear",))
LEVELS = {1: -1_000.0, 2: 1_000.0}
"""About what each version predicts."""
CRASH, KILL = 666.0, 999.0
"""What the fragile version does not survive: by its own fault, and by somebody else's."""
PROCESS = f"""#!{sys.executable}
import ctypes, os, signal, sys
from tropism.learners import artifact

load = artifact.load

class Fragile:
    def __init__(self, model):
        self.encoding, self.model = model.encoding, model

    def predict_rows(self, rows, at=None):
        if rows[0]["demand"] == {CRASH}:
            ctypes.string_at(0)
        if rows[0]["demand"] == {KILL}:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.model.predict_rows(rows, at)

def fragile(digest, *given, **more):
    model = load(digest, *given, **more)
    if digest != open(os.path.join(os.path.dirname(__file__), "fragile")).read():
        return model
    if os.path.exists(os.path.join(os.path.dirname(__file__), "at-once")):
        ctypes.string_at(0)
    return Fragile(model)

artifact.load = fragile
from tropism.entrypoints.process import main
sys.exit(main(sys.argv[3], sys.argv[4], *map(int, sys.argv[5:])))
"""
"""A process of a project in which one model's code is at fault."""


class Site:
    """A project that is up. Its champion is version 2, the fragile one; version 1 was champion before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port, control = free_ports(2)
        (folder / "project.py").touch()
        ports = f'[http]\nport = {port}\ncontrol_port = {control}\npoll = "20ms"\n'
        (folder / "tropism.toml").write_text(f"{ports}[loop]\nautomatic = false\n")
        self.platform = Platform(load_settings(folder, environment={}))
        self.platform.registry.tasks.apply(TASK, 0)
        self.address = f"http://127.0.0.1:{port}"
        self.said: list[str] = []
        for version in LEVELS:
            (folder / "fragile").write_text(self._register(version))
            self._promote(version)
        self._supervisor = Supervisor(
            self.platform.settings, (("127.0.0.1", port), ("127.0.0.1", control)), self.said.append
        )
        self._thread = threading.Thread(target=self._supervisor.run)

    def _register(self, version: int) -> str:
        random = np.random.default_rng(version)
        features = random.normal(size=200)
        labels = LEVELS[version] + random.normal(size=200)
        data = Dataset(pa.table({"demand": features}), labels, np.arange(200, dtype=np.int64), None)
        digest = store(fit_model(TASK, "linear", data, seed=0), self.platform.blobs)
        new = NewVersion(model="price", artifact=digest, learner="linear", window="all", job_id=f"job-{version}")
        assert self.platform.registry.versions.register(new, now=version) == version
        return digest

    def _promote(self, version: int) -> None:
        self.platform.registry.promotion.promote(
            "price",
            version,
            expected=version - 1 or None,
            actor="test",
            decision_id=derived_id(version, f"promote {version}"),
            policy=Policy(),
            now=10 + version,
        )

    def start(self) -> None:
        self._thread.start()
        with Client(self.address, retries=0) as client:
            client.wait_ready(DEADLINE)

    def end(self) -> None:
        if self._thread.is_alive():
            self._supervisor.stop()
            self._thread.join(DEADLINE)
        self.platform.database.dispose()

    def pid(self) -> int:
        return self._supervisor.children["data-plane"]

    def ask(self, demand: float) -> dict[str, Any]:
        """The reply; an empty one if the connection was cut."""
        body = {"features": {"demand": demand}}
        try:
            reply = httpx.post(f"{self.address}/v1/tasks/price/predict", json=body, timeout=DEADLINE, trust_env=False)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return {}
        found: dict[str, Any] = reply.json()
        return found

    def served(self, version: int, *degraded: str) -> bool:
        reply = self.ask(1.0)
        return (reply.get("version"), reply.get("degraded")) == (version, list(degraded))

    def metrics(self) -> dict[str, float]:
        text = httpx.get(f"{self.address}/metrics", timeout=DEADLINE, trust_env=False).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    @property
    def states(self) -> list[str]:
        return [one.state for one in self.platform.registry.versions.list("price")]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    process = tmp_path / "process"
    process.write_text(PROCESS)
    process.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(process))
    made = Site(tmp_path)
    yield made
    made.end()


def wait(done: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + DEADLINE, threading.Event()
    while not done():
        assert time.monotonic() < deadline
        pause.wait(0.05)


def test_a_version_that_crashes_is_put_away_and_the_previous_one_answers(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.start()
    assert site.served(2)
    before = site.metrics()
    dead = site.pid()
    assert site.ask(CRASH) == {}, "no answer is better than none that is known to be right"
    wait(lambda: site.served(1, "champion-quarantined"))
    assert site.pid() != dead
    assert site.said[0].startswith("data-plane was killed by signal 11; starting it again")
    assert site.ask(CRASH)["version"] == 1, "what crashed the champion does not crash the one that stands in"
    assert site.states == ["promoted", "quarantined"]

    after = site.metrics()
    asked = 'ml_model_predictions_total{model="price",version="2",variant="champion"}'
    assert after[asked] >= before[asked] == 1, "counts go on where the dead process left them"
    assert after["tropism_quarantined_versions"] == 1
    assert after['tropism_worker_restarts_total{process="data-plane"}'] == 1

    log = (site.platform.settings.folder / "logs" / "data-plane.log").read_text()
    assert "ERROR" in log
    assert "price/2 crashed the data plane while scoring: Segmentation fault; it is in quarantine" in log
    entry = next(one for one in site.platform.registry.audit.list() if one.action == "version.quarantined")
    assert (entry.subject, entry.actor) == ("price/2", "data-plane")
    assert json.loads(entry.detail)["reason"] == "crashed a data plane while scoring: Segmentation fault"
    assert main(["-C", str(site.folder), "decisions"]) == 0
    assert "quarantine price version 2" in capsys.readouterr().out
    assert main(["-C", str(site.folder), "models", "price"]) == 0
    assert "champion, quarantined" in capsys.readouterr().out


def test_a_version_that_crashes_while_it_is_loaded_is_put_away(site: Site) -> None:
    (site.folder / "at-once").touch()
    site.start()
    wait(lambda: site.served(1, "champion-quarantined"))
    assert site.states == ["promoted", "quarantined"]
    assert len(site.said) == 1, "once is enough"


def test_being_killed_while_scoring_is_not_the_models_fault(site: Site) -> None:
    site.start()
    assert site.ask(KILL) == {}
    wait(lambda: site.served(2))
    assert "killed by signal 9" in site.said[0]
    assert site.states == ["promoted", "promoted"]
    assert site.metrics()["tropism_quarantined_versions"] == 0


def test_an_artifact_that_is_deleted_while_live_is_served_until_the_restart(site: Site) -> None:
    site.start()
    artifact = site.platform.registry.versions.get("price", 2).artifact
    for path in site.platform.settings.folder.glob(f"blobs/*/{artifact}"):
        path.unlink()
    assert site.served(2), "what is in memory goes on"
    assert site.ask(KILL) == {}
    wait(lambda: site.served(1, "champion-unavailable"))
    assert site.metrics()["tropism_snapshot_failing"] == 1
    assert "cannot be served" in (site.platform.settings.folder / "logs" / "data-plane.log").read_text()
    assert site.states == ["promoted", "promoted"], "it may come back"

"""Everything at once: callers of every kind, bad input, slow clients, swaps, deaths, a storm of reloads.

Afterwards: what was acknowledged is in the lake exactly once, with the version and the score that the reply told,
and those are what that version computes; nobody met an error but those whose process died; one version is the
champion. `TROPISM_FAULTS=full` does it for ten minutes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pytest

from tropism.config import load_settings
from tropism.core.identity import derived_id
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.supervisor import Supervisor
from tropism.feedback.schemas import predictions_name
from tropism.learners.artifact import load, store
from tropism.learners.base import Dataset
from tropism.learners.fitting import fit_model
from tropism.registry import NewVersion
from tropism.sdk import Client
from tropism.verification import verify
from tropism.wiring import open_platform

pytestmark = pytest.mark.fault

FULL = os.environ.get("TROPISM_FAULTS") == "full"
SECONDS, SLOW = (600.0, 400) if FULL else (14.0, 120)
EACH_SWAP, EACH_DEATH, EACH_STORM = 2.0, 5.0 if FULL else 3.0, 60.0 if FULL else 8.0
STORM_RATE, STORM_SECONDS = 50, 1.0
WORKERS = 2
DEADLINE = 120.0
MOST_MB = 400
"""Memory that a data plane may take, whoever attacks it."""
HERE = Path(__file__).parent
COLOURS = ("red", "green", "blue")
NUMBERS = ("f0", "f1", "f2")
FEATURES = (*map(Feature, NUMBERS), Feature("colour", "category"), Feature("flag", "boolean"))
TASK = Task(name="load", kind="regression", target="y", features=FEATURES)
VERSIONS = (1, 2, 3)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Program:
    """One of the scripts beside this file, while a block runs."""

    def __init__(self, script: str, *given: str) -> None:
        command = [sys.executable, str(HERE / script), *given]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def report(self) -> dict[str, Any]:
        """Ends it; what it found."""
        printed, _ = self._process.communicate("\n", timeout=DEADLINE)
        found: dict[str, Any] = json.loads(printed)
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class Site:
    """A project with several data planes and three versions of a model, up."""

    def __init__(self, folder: Path) -> None:
        self.port, control = free_ports(2)
        http = f'[http]\nport = {self.port}\ncontrol_port = {control}\nworkers = {WORKERS}\npoll = "50ms"\n'
        (folder / "tropism.toml").write_text(http + '[loop]\nautomatic = false\ningest_every = "2s"\n')
        self.platform = open_platform(load_settings(folder, environment={}))
        self.platform.registry.tasks.apply(TASK, self.platform.clock.now())
        for version in VERSIONS:
            self._register(version)
        self.champion: int | None = None
        self.swaps = 0
        self.deaths: Counter[str] = Counter()
        self.most_mb = 0.0
        self.promote(1)
        addresses = (("127.0.0.1", self.port), ("127.0.0.1", control))
        self.supervisor = Supervisor(self.platform.settings, addresses, lambda _: None)
        self._running = threading.Thread(target=self.supervisor.run)

    def _register(self, version: int) -> None:
        chance = np.random.default_rng(version)
        columns: dict[str, Any] = {name: chance.normal(size=600) for name in NUMBERS}
        columns |= {"colour": chance.choice(COLOURS, 600), "flag": chance.random(600) < 0.5}
        labels = 1_000.0 * version + 10 * columns["f0"] + 5 * columns["flag"] + chance.normal(size=600)
        data = Dataset(pa.table(columns), labels, np.arange(600, dtype=np.int64))
        digest = store(fit_model(TASK, "lightgbm", data, seed=version), self.platform.blobs)
        new = NewVersion(model=TASK.name, artifact=digest, learner="lightgbm", window="all", job_id=f"train-{version}")
        assert self.platform.registry.versions.register(new, now=self.platform.clock.now()) == version

    def start(self) -> None:
        self._running.start()
        with Client(f"http://127.0.0.1:{self.port}", retries=0) as client:
            client.wait_ready(DEADLINE)

    def stop(self) -> None:
        self.supervisor.stop()
        if self._running.is_alive():
            self._running.join(DEADLINE)

    def promote(self, version: int) -> None:
        self.platform.registry.promotion.promote(
            TASK.name,
            version,
            expected=self.champion,
            actor="test",
            decision_id=derived_id(self.swaps, f"swap-{self.swaps}"),
            policy=Policy(),
            now=self.platform.clock.now(),
        )
        self.champion = version
        self.swaps += 1

    def kill(self, name: str) -> None:
        pid = self.supervisor.children.get(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.deaths[name] += 1

    def weigh(self) -> float:
        """Megabytes of the largest data plane now."""
        sizes = [0]
        for name, pid in self.supervisor.children.items():
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except (OSError, IndexError):  # it has just ended
                continue
            if name.startswith("data-plane"):
                sizes.append(pages * _PAGE)
        now = max(sizes) / 1e6
        self.most_mb = max(self.most_mb, now)
        return now

    def settled(self) -> bool:
        """Whether whoever answers serves the newest generation."""
        newest = self.platform.registry.aliases.generation()
        for _ in range(10 * WORKERS):
            answer = httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=DEADLINE, trust_env=False)
            if answer.json().get("generation") != newest:
                return False
        return True


class Trouble:
    """Swaps, deaths and storms, each when it is due."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._chance = random.Random(seed)
        self._pause = threading.Event()
        self.storms = 0

    def make(self, seconds: float) -> None:
        begun = time.monotonic()
        plan = {self._swap: EACH_SWAP, self._kill: EACH_DEATH, self._storm: EACH_STORM, self._site.weigh: 0.2}
        due: dict[Callable[[], object], float] = {act: begun + each for act, each in plan.items()}
        while (now := time.monotonic()) < begun + seconds:
            for act, each in plan.items():
                if due[act] <= now:
                    act()
                    due[act] = now + each
            self._pause.wait(0.02)

    def _swap(self) -> None:
        self._site.promote(self._chance.choice([one for one in VERSIONS if one != self._site.champion]))

    def _kill(self) -> None:
        planes = [f"data-plane-{number + 1}" for number in range(WORKERS)]
        self._site.kill(self._chance.choice(planes))
        if self._chance.random() < 0.4:
            self._site.kill(self._chance.choice(("control-plane", "worker", *planes)))

    def _storm(self) -> None:
        """What is served changes all the time, by a new champion or by the task itself."""
        begun, tasks = time.monotonic(), self._site.platform.registry.tasks
        for turn in range(round(STORM_RATE * STORM_SECONDS)):
            if turn % 2:
                self._swap()
            else:
                window = f"{1 + turn % 3}h"
                tasks.apply(msgspec.structs.replace(TASK, outcome_window=window), self._site.platform.clock.now())
            self._pause.wait(max(0.0, begun + (turn + 1) / STORM_RATE - time.monotonic()))
        self.storms += 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.stop()
    made.platform.database.dispose()


def read_told(path: Path) -> dict[str, tuple[int, float]]:
    """Version and score of each acknowledged prediction."""
    lines = [line.split() for line in path.read_text().splitlines()]
    told = {name: (int(version), float(score)) for name, version, score in lines}
    assert len(told) == len(lines), "an id was given twice"
    return told


def check_lake(site: Site, told: dict[str, tuple[int, float]]) -> int:
    """Everything acknowledged is there once, as it was told and as its version computes it. How many rows there are."""
    table = site.platform.lake.read(predictions_name(TASK.name))
    ids, versions = table["id"].to_pylist(), table["version"].to_pylist()
    scores = [row[0] for row in table["scores"].to_pylist()]
    assert len(set(ids)) == len(ids), "a prediction is in the lake twice"
    kept = dict(zip(ids, zip(versions, scores, strict=True), strict=True))
    missing = [name for name in told if name not in kept]
    assert not missing, f"{len(missing)} acknowledged predictions are missing, such as {missing[0]}"
    other = [name for name, one in told.items() if kept[name] != one]
    assert not other, f"{len(other)} predictions are not as they were told: {told[other[0]]}, {kept[other[0]]}"
    assert set(versions) <= {*VERSIONS}
    features = table.select([f"f_{one.name}" for one in FEATURES]).rename_columns([one.name for one in FEATURES])
    for version in {*versions}:
        mine = np.flatnonzero(np.array(versions) == version)[:: 1 + len(ids) // 20_000]
        artifact = site.platform.registry.versions.get(TASK.name, version).artifact
        again = load(artifact, site.platform.blobs).predict_rows(features.take(mine).to_pylist())[:, 0]
        assert np.array_equal(again, np.array(scores)[mine]), f"version {version} computes otherwise"
    return len(ids)


def check_callers(site: Site, found: dict[str, Any]) -> None:
    """Nobody met an error, but those whose connection ended with its process."""
    assert found["wrong"] == []
    deaths = sum(count for name, count in site.deaths.items() if name.startswith("data-plane"))
    cut = {name: count for name, count in found["cuts"].items() if count > deaths}
    assert not cut, f"more connections broke than processes died ({deaths}): {cut}"


def test_nothing_acknowledged_is_lost_whatever_happens_at_once(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("TROPISM_FAULTS_SEED", "20262"))
    site.start()
    before, told = site.weigh(), tmp_path / "told"
    plan = {"port": site.port, "task": TASK.name, "told": str(told), "seed": seed}
    callers, attack = Program("mixed_load.py", json.dumps(plan)), None
    try:
        assert callers.line() == "ready\n"
        attack = Program("slow_clients.py", str(site.port), TASK.name, str(SLOW))
        trouble = Trouble(site, seed)
        trouble.make(SECONDS)
        suffered, found = attack.report(), callers.report()
    finally:
        for program in (callers, attack):
            if program is not None:
                program.end()
    wait(site.settled)
    after = site.weigh()
    site.stop()
    site.platform.ingest()

    check_callers(site, found)
    acknowledged = read_told(told)
    assert len(acknowledged) == found["predictions"] > 0
    rows = check_lake(site, acknowledged)
    (live,) = site.platform.registry.aliases.snapshot()
    assert live.champion == site.champion
    assert site.platform.registry.quarantine.all() == {}, "a killed process is not a model's crash"
    assert [check.findings for check in verify(site.platform) if check.name != "disk"] == [()] * 4
    assert site.most_mb < MOST_MB
    assert trouble.storms > 0
    assert site.deaths.total() > 0
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(acknowledged)} acknowledged of {rows} recorded; {site.swaps} swaps, {trouble.storms} storms, "
            f"deaths {dict(site.deaths)}; data plane {before:.0f} MB before, {site.most_mb:.0f} at most, {after:.0f} "
            f"after\ncallers: {found}\nslow clients: {suffered}\n"
        )


def wait(done: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + DEADLINE, threading.Event()
    while not done():
        assert time.monotonic() < deadline
        pause.wait(0.05)

"""The disk under a running project fills up: it says so, loses nothing, and goes on when there is room again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pytest

from tropism.core.clock import SECOND
from tropism.core.identity import derived_id, task_tag
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.replay.driver import Project
from tropism.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.fault

TASK = Task(
    name="price",
    kind="binary",
    target="up",
    features=(Feature("demand"),),
    outcome_window="5s",
    learners=("linear",),
    policy=Policy(windows=("all",), min_training=100),
)
START = 1_000_000_000 * SECOND
DEADLINE = 120.0
SIZE = 96
"""MiB of the disk. The journal leaves 16 of them free."""


def until(true: Callable[[], bool], what: str) -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + DEADLINE
    pause = time.sleep
    while not true():
        assert time.monotonic() < deadline, what
        pause(0.05)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(folder)]
    mounted = False
    with suppress(FileNotFoundError):
        mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("needs root and the right to mount a tmpfs: the full disk was NOT tested")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # this process still maps the clock's file


class Site:
    """A project on the small disk, its processes running, and everything that was acknowledged."""

    def __init__(self, disk: Path, project: Project, said: list[str]) -> None:
        self.project = project
        self.said = said
        self.predictions: set[str] = set()
        self.outcomes: set[str] = set()
        self.refused: list[tuple[str, dict[str, Any]]] = []
        self._ballast = disk / "ballast"
        self.http = httpx.Client(base_url=project.address, timeout=60, trust_env=False)
        project.clock.set(START)

    def fill(self, leave: int) -> None:
        """Take up the disk until `leave` MiB are free; 0: until not a byte more can be written."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while self.free() > leave << 20 or leave == 0:
                file.write(b"\0" * 4_096)

    def free(self) -> int:
        space = os.statvfs(self._ballast.parent)
        return space.f_bavail * space.f_frsize

    def make_room(self) -> None:
        self._ballast.unlink()

    def predict(self, number: int) -> httpx.Response:
        """One prediction, and its outcome if it was acknowledged."""
        at = START + number * SECOND
        self.project.clock.set(at)
        key = derived_id(at, f"p{number}", task_tag("price"))
        row = {"prediction_id": key, "features": {"demand": float(number % 7)}}
        reply = self.http.post("/v1/tasks/price/predict", json=row)
        if reply.status_code == 200:
            self.predictions.add(key)
            answer = derived_id(at, f"o{number}")
            outcome = {"id": answer, "prediction_id": key, "outcome": number % 7 > 3}
            if self.http.post("/v1/outcomes", json=outcome).status_code == 202:
                self.outcomes.add(answer)
        return reply

    def serve(self, numbers: range) -> None:
        """Predictions that must all be acknowledged."""
        for number in numbers:
            reply = self.predict(number)
            assert reply.status_code == 200, reply.text

    def standing(self) -> dict[str, Any]:
        reply = self.http.get("/v1/tasks/price")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def ask_for_cycle(self, number: int) -> str:
        """Ask for a turn of the loop until it is taken; its job."""
        key = derived_id(self.project.clock.now(), f"cycle {number}", task_tag("price"))
        order = {"id": key, "train": True}
        until(lambda: self.http.post("/v1/tasks/price/cycles", json=order).status_code == 202, "no cycle was taken")
        return key

    def cycle(self, number: int) -> dict[str, Any]:
        """A turn of the loop, waited for."""
        key = self.ask_for_cycle(number)
        until(lambda: self.job(key)["status"] not in ("queued", "running"), "the cycle does not end")
        return self.job(key)

    def job(self, key: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/jobs/{key}").json())

    def check(self) -> None:
        """What was acknowledged is in the lake once, what was refused is not, and everything is sound."""
        platform = self.project.platform
        until(lambda: len(self.stored("predictions")) >= len(self.predictions), "predictions are missing")
        until(lambda: len(self.stored("outcomes")) >= len(self.outcomes), "outcomes are missing")
        assert Counter(self.stored("predictions")) == Counter(self.predictions)
        assert Counter(self.stored("outcomes")) == Counter(self.outcomes)
        assert [check.findings for check in verify(platform) if check.name != "disk"] == [()] * 4

    def stored(self, kind: str) -> list[str]:
        schema = pa.schema([("id", pa.string())])
        ids: list[str] = self.project.platform.lake.read(f"price/{kind}", schema=schema)["id"].to_pylist()
        return ids


@pytest.fixture
def site(disk: Path) -> Iterator[Site]:
    said: list[str] = []
    with Project(disk / "project", TASK, said.append) as project:
        made = Site(disk, project, said)
        yield made
        made.http.close()
    project.platform.database.dispose()


def refused(reply: httpx.Response) -> None:
    """A caller is told that the disk is full, and what to do."""
    assert reply.status_code == 507, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["code"] == "disk-full"
    assert any(re.search("free (some )?space", fault["fix"]) for fault in problem["faults"])


@pytest.mark.parametrize("leave", [8, 0], ids=["reserve", "full"])
def test_a_full_disk_is_said_and_nothing_is_lost(site: Site, leave: int) -> None:
    site.serve(range(150))
    until(lambda: len(site.stored("outcomes")) > 0, "the worker does not begin")
    before = site.project.supervisor.children
    site.fill(leave)
    for number in range(150, 160):
        refused(site.predict(number))
    refused(site.http.post("/v1/outcomes", json={"prediction_id": min(site.predictions), "outcome": True}))
    assert site.http.get("/readyz").json()["journal"] != "ok"
    assert site.standing()["task"]["name"] == "price"

    site.make_room()
    site.serve(range(150, 250))
    assert site.http.get("/readyz").json()["journal"] == "ok"
    site.check()
    job = site.cycle(1)
    assert (job["status"], job["result"]["trained"]) == ("done", 1), job
    assert site.project.supervisor.children == before, site.said


def test_a_project_that_is_killed_on_a_full_disk_goes_on_when_there_is_room(site: Site) -> None:
    site.serve(range(150))
    assert site.cycle(1)["status"] == "done"
    site.fill(0)
    refused(site.predict(150))
    for pid in site.project.supervisor.children.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(site.said) >= 3, "the deaths were not noticed")
    until(lambda: answered(site, 151), "the data plane does not come back on a full disk")
    refused(site.predict(152))

    site.make_room()
    site.serve(range(150, 250))
    site.check()
    job = site.cycle(2)
    assert (job["status"], job["result"]["trained"]) == ("done", 2), job


@pytest.mark.parametrize("begun", ["started_at", "message"], ids=["at its start", "in training"])
def test_a_cycle_that_meets_a_full_disk_does_not_end_the_loop(site: Site, begun: str) -> None:
    site.serve(range(150))
    pids = site.project.supervisor.children
    key = site.ask_for_cycle(1)
    until(lambda: bool(site.job(key)[begun]), "the cycle is not begun")
    site.fill(0)
    refused(site.http.post("/v1/tasks/price/cycles", json={"train": True}))
    enough = time.monotonic() + 10
    until(lambda: time.monotonic() > enough, "time stands still")

    site.make_room()
    until(lambda: site.job(key)["status"] not in ("queued", "running"), "the cycle does not end")
    job = site.job(key)
    assert (job["status"], job["result"]["trained"]) == ("done", 1), job
    assert site.cycle(2)["result"]["trained"] == 2
    assert site.project.supervisor.children == pids, site.said
    site.check()


def answered(site: Site, number: int) -> bool:
    try:
        return site.predict(number).status_code == 507
    except httpx.TransportError:
        return False

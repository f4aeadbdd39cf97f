"""A project's whole life in real processes: init, up, predictions and outcomes, models, rollback, down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tropism.sdk import Client, Prediction

DEADLINE = 120.0
PROJECT = """
from tropism import Feature, Policy, Task

payments = Task(
    name="payments",
    kind="binary",
    target="is_fraud",
    features=(Feature("amount"), Feature("country", type="category")),
    outcome_window="1s",
    learners=("linear",),
    policy=Policy(min_training=100, recent=200),
)
"""


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Shop:
    """A project in a folder, and its commands as a user types them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        sockets = [socket.socket() for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        self.port, self.control = (one.getsockname()[1] for one in sockets)
        for one in sockets:
            one.close()
        self.address = f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: object) -> Said:
        """`tropism -C FOLDER ARGUMENTS`."""
        words = [sys.executable, "-m", "tropism", "-C", str(self.folder), *map(str, arguments)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)
        assert "Traceback" not in done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def do(self, *arguments: object) -> str:
        """The same, where it must succeed; what it printed."""
        said = self.run(*arguments)
        assert said.code == 0, said.err
        return said.out

    def init(self) -> None:
        self.do("init")
        (self.folder / "project.py").write_text(PROJECT)
        ports = f"[http]\nport = {self.port}\ncontrol_port = {self.control}\n"
        (self.folder / "tropism.toml").write_text(f"{ports}[loop]\nautomatic = false\n")

    def pids(self) -> list[int]:
        """The supervisor and its three processes."""
        supervisor = json.loads(self.do("status", "--json"))["pid"]
        return [supervisor, *children_of(supervisor)]

    def client(self) -> Client:
        return Client(self.address)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Shop(folder)
    made.init()
    yield made
    made.run("down")


def wait(done: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + DEADLINE, threading.Event()
    while not done():
        assert time.monotonic() < deadline
        pause.wait(0.05)


def lives(process: int) -> bool:
    """One that ended, but that nobody has looked after yet, does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def children_of(process: int) -> list[int]:
    """Without `ps` where there is `/proc`: small images do not have it."""
    if Path("/proc/self/stat").exists():
        stats = (path.read_text() for path in Path("/proc").glob("[0-9]*/stat"))
        rows = ((text.split()[0], text.rpartition(")")[2].split()[1]) for text in stats)
    else:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        rows = ((line.split()[0], line.split()[1]) for line in listed.stdout.splitlines())
    return [int(pid) for pid, parent in rows if int(parent) == process]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def send(client: Client, batches: int, seed: int) -> list[Prediction]:
    """Batches of 50 predictions, and after each its outcomes, which follow the amount."""
    random = np.random.default_rng(seed)
    return [one for _ in range(batches) for one in _send_batch(client, random, 50)]


def _send_batch(client: Client, random: np.random.Generator, count: int) -> list[Prediction]:
    amounts = random.normal(size=count)
    rows = [{"amount": float(amount), "country": "NL" if amount > 0 else "BE"} for amount in amounts]
    made = client.predict_many("payments", rows)
    truths = amounts + 0.3 * random.normal(size=count) > 0
    client.outcomes(
        [{"prediction_id": one.prediction_id, "outcome": bool(truth)} for one, truth in zip(made, truths, strict=True)]
    )
    return made


def predicted_by(client: Client, version: int) -> bool:
    made = client.predict("payments", {"amount": 3.0, "country": "NL"})
    return made.version == version


def test_from_nothing_to_a_champion_and_back(shop: Shop) -> None:
    assert f"Tropism is up on {shop.address}" in shop.do("up", "--detach")
    pids = shop.pids()
    assert len(pids) == 4
    with shop.client() as client:
        client.wait_ready(DEADLINE)
        first = send(client, 8, seed=1)
        assert {(one.version, one.variant, one.degraded) for one in first} == {(0, "baseline", ("no-model",))}
        out = shop.do("train", "payments")
        assert "version 1: linear on " in out
        assert "it is the champion since" in out
        wait(lambda: predicted_by(client, 1))
        confident = client.predict("payments", {"amount": 3.0, "country": "NL"})
        assert (confident.prediction, confident.variant, confident.degraded) == (True, "champion", ())

        send(client, 2, seed=2)
        assert "it challenges version 1" in shop.do("train", "payments")
        shop.do("promote", "payments", 2)
        wait(lambda: predicted_by(client, 2))
        assert "version 1 is the champion of payments again" in shop.do("rollback", "payments")
        wait(lambda: predicted_by(client, 1))
    look_around(shop)
    assert shop.do("down") == "stopped\n"
    wait(lambda: not any(lives(process) for process in pids))
    assert not listens(shop.port)
    assert not listens(shop.control)
    assert shop.do("status").startswith("not up")


def look_around(shop: Shop) -> None:
    """What the commands say of all that happened."""
    wait(lambda: "(500 answered" in shop.do("status"))
    status = shop.do("status")
    assert status.startswith(f"up on {shop.address} (process ")
    assert "champion: version 1 of 2" in status
    assert "before it version 2" in status
    told = [line[29:] for line in shop.do("decisions").splitlines()[::2]]
    newest = ["rollback payments to version 1", "promote payments version 2", "train payments version 2"]
    assert told[:3] == newest
    assert sorted(told[3:]) == ["promote payments version 1", "train payments version 1"]
    assert "WRONG" not in shop.do("doctor")
    assert shop.run("up").code == 1


def test_a_killed_supervisor_takes_its_processes_with_it_and_nothing_is_lost(shop: Shop) -> None:
    shop.do("up", "--detach")
    pids = shop.pids()
    with shop.client() as client:
        client.wait_ready(DEADLINE)
        send(client, 1, seed=1)
    os.kill(pids[0], signal.SIGKILL)
    wait(lambda: not any(lives(process) for process in pids))
    assert shop.do("status").startswith("not up")
    assert shop.do("down") == "it was not up\n"
    assert "WRONG" not in shop.do("doctor")

    shop.do("up", "--detach")
    again = shop.pids()
    assert len(again) == 4
    assert not set(pids) & set(again)
    wait(lambda: "predictions: 50 (50 answered" in shop.do("status"))
    assert shop.do("down") == "stopped\n"
    wait(lambda: not any(lives(process) for process in again))


def test_up_in_the_foreground_stops_at_a_signal(shop: Shop) -> None:
    words = [sys.executable, "-m", "tropism", "-C", str(shop.folder), "up"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        assert up.stdout.readline().startswith(f"Tropism is starting on {shop.address} (logs: ")
        assert up.stdout.readline().startswith(f"ready: {shop.address}/readyz")
        pids = shop.pids()
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=DEADLINE)
    assert (up.returncode, out, err) == (0, "stopped\n", "")
    wait(lambda: not any(lives(process) for process in pids))

"""Several data planes behind one socket are killed in turn: nobody is refused, nothing acknowledged is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import pytest

from tropism.config import load_settings
from tropism.core.events import Prediction, decode
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.supervisor import Supervisor
from tropism.sdk import Client
from tropism.storage.journal import JournalReader
from tropism.wiring import Platform

pytestmark = pytest.mark.fault

DEADLINE = 120.0
WORKERS = 2
KILLS = 4
TASK = Task(name="price", kind="binary", target="up", features=(Feature("demand"),))
_TOTAL = re.compile(r"^ml_model_predictions_total\{.*\} (\d+)$", re.MULTILINE)


class Site:
    """A project with several data planes, up, and callers each of whose requests is a connection of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, control = free_ports(2)
        http = f"port = {self.port}\ncontrol_port = {control}\nworkers = {WORKERS}\n"
        (folder / "tropism.toml").write_text(f"[http]\n{http}[loop]\nautomatic = false\n")
        self.platform = Platform(load_settings(folder, environment={}))
        self.platform.registry.tasks.apply(TASK, 0)
        self.address = f"http://127.0.0.1:{self.port}"
        self.acknowledged: list[str] = []
        self.cut = 0
        self.refused: list[Exception] = []
        self.enough = threading.Event()
        addresses = (("127.0.0.1", self.port), ("127.0.0.1", control))
        self.supervisor = Supervisor(self.platform.settings, addresses, lambda _: None)
        self._running = threading.Thread(target=self.supervisor.run)
        self._calling = [threading.Thread(target=self._call) for _ in range(2)]

    def start(self) -> None:
        self._running.start()
        with Client(self.address, retries=0) as client:
            client.wait_ready(DEADLINE)
        for caller in self._calling:
            caller.start()

    def quiet(self) -> None:
        self.enough.set()
        for caller in self._calling:
            caller.join(DEADLINE)

    def stop(self) -> None:
        self.supervisor.stop()
        self._running.join(DEADLINE)

    def _call(self) -> None:
        body = json.dumps({"features": {"demand": 1.0}})
        while not self.enough.is_set():
            http = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
            try:
                http.request("POST", "/v1/tasks/price/predict", body)
                self.acknowledged.append(json.loads(http.getresponse().read())["prediction_id"])
            except ConnectionRefusedError as error:
                self.refused.append(error)
            except (HTTPException, ConnectionError):
                self.cut += 1
            finally:
                http.close()

    def kill(self, *names: str) -> None:
        """Kill data planes in the midst of it, and wait for those that follow them."""
        pids, answered = self.planes(), len(self.acknowledged)
        wait(lambda: len(self.acknowledged) > answered + 20)
        for name in names:
            os.kill(pids[name], signal.SIGKILL)
        wait(lambda: all(self.planes().get(name, pids[name]) != pids[name] for name in names))

    def counted(self) -> int:
        """Predictions, as whichever data plane answers tells."""
        text = httpx.get(f"{self.address}/metrics", timeout=DEADLINE, trust_env=False).text
        return sum(map(int, _TOTAL.findall(text)))

    def planes(self) -> dict[str, int]:
        return {name: pid for name, pid in self.supervisor.children.items() if name.startswith("data-plane")}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.quiet()
    made.stop()
    made.platform.database.dispose()


def wait(done: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + DEADLINE, threading.Event()
    while not done():
        assert time.monotonic() < deadline
        pause.wait(0.02)


def test_workers_die_and_nobody_notices_but_whom_they_were_answering(site: Site) -> None:
    site.start()
    counts = [0]
    for kill in range(KILLS):
        counts.append(site.counted())
        site.kill(f"data-plane-{kill % WORKERS + 1}")
        counts.append(_or_last(site.counted, counts[-1]))
    reader = JournalReader(site.platform.journal_folder)
    # One that was killed before the next had begun may have left it its slot: wait until all run at the same time.
    wait(lambda: len(reader.heads()) >= WORKERS)
    site.quiet()
    assert site.refused == []
    assert counts == sorted(counts), "no count ever goes back"
    assert 20 < counts[-1] <= len(site.acknowledged) + site.cut

    site.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.port))
    events = [event for record in reader.read({}) for event in decode(record.payload)]
    recorded = Counter(event.id for event in events if isinstance(event, Prediction))
    assert {recorded[one] for one in site.acknowledged} == {1}


def _or_last(ask: Callable[[], int], last: int) -> int:
    try:
        return ask()
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return last

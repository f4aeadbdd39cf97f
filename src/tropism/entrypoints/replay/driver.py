"""Streams events through a real project, its own processes over HTTP, in virtual time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import numpy as np

from tropism.config import Settings, load_settings
from tropism.core.clock import FileClock
from tropism.core.errors import Conflict, Fault, NotReady, TropismError
from tropism.core.identity import derived_id, task_tag
from tropism.entrypoints.api.server import free_ports
from tropism.entrypoints.replay.policies import PolicyResult
from tropism.entrypoints.replay.record import Decision
from tropism.entrypoints.replay.timeline import steps
from tropism.entrypoints.sdk import Client
from tropism.entrypoints.supervisor import Supervisor
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.entrypoints.replay.stream import Stream
    from tropism.entrypoints.sdk import Prediction

_PATIENCE = 120.0


@dataclass(eq=False)
class LoopRun:
    """What the platform did: its scores (n - warm-up, k), the decisions, and what it acknowledged.

    `ids`, `versions`: of each prediction. `outcomes`: ids of the outcomes, those of the first events.
    """

    result: PolicyResult
    decisions: tuple[Decision, ...]
    ids: list[str]
    versions: NDArray[np.int64]
    outcomes: list[str]
    fits: int
    degraded: int
    cycles: list[dict[str, Any]] = field(default_factory=list)


class Project:
    """A project of its own for one replay: state in a folder, processes under a supervisor, a clock to move."""

    def __init__(self, folder: Path, task: Task, say: Callable[[str], None]) -> None:
        port, control = free_ports(2)
        overrides: dict[str, dict[str, Any]] = {
            "http": {"port": port, "control_port": control, "poll": "20ms"},
            "time": {"clock": "file"},
            "loop": {"automatic": False, "ingest_every": "5s", "maintain_every": "5s"},
            "journal": {"fsync": "os"},
            "lake": {"durability": "os", "compact_after": 8},
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tropism.toml").write_text('[time]\nclock = "file"  # the virtual time of a replay\n')
        self.settings: Settings = load_settings(folder, overrides, environment={})
        self.task = task
        self.platform = open_platform(self.settings)
        clock = self.platform.clock
        assert isinstance(clock, FileClock)
        self.clock = clock
        self.platform.registry.tasks.apply(task, clock.now())
        self.supervisor = Supervisor(self.settings, (("127.0.0.1", port), ("127.0.0.1", control)), say)
        self._thread = threading.Thread(target=self.supervisor.run, name="supervisor", daemon=True)
        self.address = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Project:
        self._thread.start()
        with Client(self.address) as client:
            client.wait_ready(_PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.stop()
        self._thread.join()


class Driver:
    """Drives one stream through a project."""

    def __init__(self, project: Project, stream: Stream, *, warmup: int, look_every: int) -> None:
        self._project = project
        self._stream = stream
        self._warmup = warmup
        self._looks = {warmup, *range(warmup + look_every, len(stream), look_every)}
        self._client = Client(project.address, retries=60, clock=project.clock)
        headers = {"content-type": "application/json"}
        self._http = httpx.Client(base_url=project.address, timeout=60, headers=headers, trust_env=False)
        self._ids: list[str] = []
        self._outcomes: list[str] = []
        self._cycles: list[dict[str, Any]] = []
        k = max(len(stream.task.classes), 1)
        self._scores = np.full((len(stream), k), np.nan)
        self._versions = np.zeros(len(stream), np.int64)
        self._degraded = 0

    def run(self, progress: Callable[[int], None]) -> LoopRun:
        """Send every event and outcome; look at each boundary. `progress` is told how many events are done."""
        begun = time.process_time()
        for step in steps(self._stream, self._looks):
            if step.kind == "predict" and step.first in self._looks:
                self._look(step.first)
            self._project.clock.set(max(step.now, self._project.clock.now()))
            if step.kind == "predict":
                self._predict(step.first, step.last)
                progress(step.last)
            else:
                self._answer(step.first, step.last)
        cpu = time.process_time() - begun
        self._client.close()
        self._http.close()
        return self._finish(cpu)

    def _predict(self, first: int, last: int) -> None:
        rows = self._stream.features.slice(first, last - first).to_pylist()
        at = [int(moment) for moment in self._stream.at[first:last]]
        answers = self._client.predict_many(self._project.task.name, rows, at=at)
        for index, answer in enumerate(answers, start=first):
            self._ids.append(answer.prediction_id)
            self._scores[index] = self._score(answer)
            self._versions[index] = answer.version
            self._degraded += bool(answer.degraded) and index >= self._warmup

    def _score(self, answer: Prediction) -> list[float]:
        if answer.probabilities is None:
            return [float(answer.prediction)]
        if self._stream.task.kind == "binary":
            return [answer.probabilities["true"]]
        return [answer.probabilities[name] for name in self._stream.task.classes]

    def _answer(self, first: int, last: int) -> None:
        items = [
            {
                "prediction_id": self._ids[index],
                "outcome": self._stream.outcome(index),
                "at": int(self._stream.label_at[index]),
            }
            for index in range(first, last)
        ]
        self._outcomes += self._client.outcomes(items).outcome_ids

    def _look(self, event: int) -> None:
        """One cycle of the loop, waited for, and its champion waited for in the data plane."""
        task = self._project.task.name
        key = derived_id(self._project.clock.now(), f"look:{event}", task_tag(task))
        order = {"id": key, "train": event == self._warmup, "actor": "replay"}
        self._call("POST", f"/v1/tasks/{task}/cycles", order)
        deadline = time.monotonic() + 30 * 60
        while True:
            job = self._call("GET", f"/v1/jobs/{key}?wait=20")
            if job["status"] not in ("queued", "running"):
                break
            if time.monotonic() > deadline:
                raise NotReady("a cycle of the loop does not end", Fault("job", key, "read the worker's log"))
        if job["status"] != "done":
            raise Conflict(f"a cycle of the loop failed: {job['error']}", Fault("job", key, "read the worker's log"))
        self._cycles.append(job["result"])
        self._wait_for(job["generation"])

    def _wait_for(self, generation: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self._call("GET", "/readyz").get("generation", -1) >= generation:
                return
            time.sleep(0.005)
        raise NotReady(
            "the data plane does not follow the registry", Fault("generation", str(generation), "read its log")
        )

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        """A request that outlasts the restart of a process."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                reply = self._http.request(method, path, content=None if body is None else msgspec.json.encode(body))
                if reply.status_code < 500 and reply.status_code != 429:
                    break
                problem = reply.text
            except httpx.TransportError as error:
                problem = str(error)
            if time.monotonic() > deadline:
                raise NotReady("the platform does not answer", Fault(path, problem[:500], "read the logs"))
            time.sleep(0.05)
        answer = msgspec.json.decode(reply.content)
        if reply.status_code >= 400:
            raise TropismError(f"{method} {path}: {answer.get('detail')}", Fault(path, str(answer.get("faults")), ""))
        return answer

    def _finish(self, cpu: float) -> LoopRun:
        registry = self._project.platform.registry
        name = self._project.task.name
        kept = [one for one in registry.decisions.list(name, 100_000) if one.kind != "wait"]
        decisions = tuple(
            Decision(one.id, one.at, one.kind, one.model, one.version, one.evidence) for one in reversed(kept)
        )
        models = len(registry.versions.list(name))
        result = PolicyResult("loop", self._warmup, self._scores[self._warmup :], models, cpu_seconds=cpu)
        fits = sum(cycle["fits"] for cycle in self._cycles)
        seen = (self._ids, self._versions, self._outcomes)
        return LoopRun(result, decisions, *seen, fits, self._degraded, self._cycles)

"""Lives card payments through a project in virtual time: features from streams, the loop's training, served scores.

Everything goes through the data plane's application and the loop's own cycle, in this process: requests are JSON, and
events, predictions and outcomes go through the journal into the lake and from there into windows.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import numpy as np
import pyarrow as pa
from card.payments import DELAY, HOUR, Payments, Protocol
from numpy.typing import NDArray

from tropism.config import load_settings
from tropism.core.clock import DAY, FileClock
from tropism.core.identity import derived_id, task_tag
from tropism.core.task import Task
from tropism.entrypoints.api.assembly import assembled
from tropism.features.store.replaying import Skew, skew
from tropism.features.store.streams import stream_table
from tropism.features.streams import lake_schema
from tropism.feedback.schemas import predictions_name
from tropism.loop.cycle import CycleResult, cycle
from tropism.loop.durable.inline import InlineWorkflows
from tropism.project import load_features, load_project
from tropism.wiring import Platform

PROJECT = Path(__file__).with_name("project.py")
TASK = "fraud"
_HISTORY = "history"
_SATURDAY = 2
"""Days since the epoch, a Thursday, to the first one."""


class Lived(NamedTuple):
    """What came of it, for the payments that were served.

    `first`: number of the first one. `scores`, `versions`: (m,). `degraded`: replies that were. `cpu`: seconds of this
    process by what was done.
    """

    first: int
    scores: NDArray[np.float64]
    versions: NDArray[np.int64]
    degraded: int
    cycle: CycleResult
    cpu: dict[str, float]


class Project:
    """A project of its own in a folder, in virtual time."""

    def __init__(self, folder: Path, clock: int, change: Callable[[Task], Task]) -> None:
        shutil.copy(PROJECT, folder / "project.py")
        overrides: dict[str, dict[str, Any]] = {
            "time": {"clock": "file"},
            "journal": {"fsync": "os"},
            "http": {"poll": "20ms"},
        }
        self.settings = load_settings(folder, overrides, environment={})
        self.platform = Platform(self.settings)
        assert isinstance(self.platform.clock, FileClock)
        self.clock = self.platform.clock
        self.clock.set(clock)
        self.platform.registry.features.apply(load_features(folder / "project.py"), clock)
        (task,) = load_project(folder / "project.py")
        self.platform.registry.tasks.apply(self.platform.features.bound(change(task)), clock)

    @property
    def task(self) -> Task:
        return self.platform.registry.tasks.get(TASK)

    def close(self) -> None:
        self.platform.database.dispose()

    def load(self, payments: Payments, since: int, until: int) -> int:
        """Puts the events of a time into the streams' history, as if each had been taken in when it happened."""
        lake, count = self.platform.lake, 0
        for day in range(since // DAY * DAY, until, DAY):
            for name, shift in (("payments", 0), ("labels", DELAY)):
                some = payments.within(max(day, since) - shift, min(day + DAY, until) - shift)
                if some.start < some.stop:
                    lake.append(stream_table(name), self._history(payments, some, name))
                    count += some.stop - some.start
        return count

    def _history(self, payments: Payments, some: slice, name: str) -> pa.Table:
        moments = payments.at[some] + (DELAY if name == "labels" else 0)
        numbers = np.arange(some.start, some.stop)
        columns: dict[str, Any] = {
            "at": moments,
            "writer": [_HISTORY] * len(moments),
            "seq": numbers,
            "row": np.zeros(len(moments), np.int64),
            "c_customer_id": payments.customer[some].astype(str).tolist(),
            "c_terminal_id": payments.terminal[some].astype(str).tolist(),
            "c_amount": pa.array([_amount(cents) for cents in payments.amount[some].tolist()]),
            "c_fraud": payments.fraud[some].astype(np.int64),
            "c_paid_at": moments,
            "c_known_at": moments,
            "c_arrived_at": moments,
        }
        schema = lake_schema(self.platform.features.stream(name))
        arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
        return pa.Table.from_arrays(arrays, schema=schema)

    def follow(self) -> int:
        """Brings what is new in the lake into the windows, as the worker does."""
        features = self.platform.features
        return features.follower.run(features.definitions().versions.values())

    def train(self) -> CycleResult:
        """One cycle of the loop, asked for as `tropism train` does."""
        workflows = InlineWorkflows({"cycle": cycle(self.platform.services())})
        key = derived_id(self.clock.now(), "train", task_tag(TASK))
        return msgspec.convert(workflows.run("cycle", key, {"task": TASK, "asked": "bench"}), CycleResult)

    def predictions(self, since: int, until: int) -> pa.Table:
        """As they are in the lake."""
        return self.platform.lake.read(predictions_name(TASK), since=since, until=until)

    def skew(self, rows: pa.Table) -> Skew:
        """What was served against the replay of its history."""
        features = self.platform.features
        definitions = features.definitions(dropped=True)
        return skew(self.task, rows, definitions, lambda: features.sources("skew"), self.platform.lake)


class Life:
    """Sends payments, labels and outcomes to the data plane, step by step."""

    def __init__(self, project: Project, payments: Payments, protocol: Protocol, app: Any) -> None:
        self._project, self._payments, self._protocol = project, payments, protocol
        transport = httpx.ASGITransport(app=app)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://tropism", timeout=None)
        self._served = payments.within(protocol.served_from, protocol.end)
        self._ids: list[str] = []
        self._scores: list[float] = []
        self._versions: list[int] = []
        self._degraded = 0
        self._cpu: defaultdict[str, float] = defaultdict(float)
        self._cycle: CycleResult | None = None

    async def run(self, say: Callable[[str], None]) -> Lived:
        protocol = self._protocol
        for begin in range(protocol.served_from, protocol.end, protocol.step):
            if begin == protocol.trained_at:
                await self._train(say)
            if begin % DAY == 0:
                with self._timed("upkeep of the lake"):
                    self._maintain()
                say(_day(begin, self._cpu))
            await self._step(begin, min(begin + protocol.step, protocol.end))
        await self._http.aclose()
        assert self._cycle is not None
        scores, versions = np.array(self._scores), np.array(self._versions)
        return Lived(self._served.start, scores, versions, self._degraded, self._cycle, dict(self._cpu))

    async def _step(self, begin: int, end: int) -> None:
        """Payments are scored as of their own moments, with what was known when the step began; then they, and what
        became known of earlier ones, are told."""
        self._project.clock.set(end)
        new, known = self._payments.within(begin, end), self._payments.within(begin - DELAY, end - DELAY)
        with self._timed("predictions"):
            await self._predict(new)
        with self._timed("events and outcomes"):
            await self._push("payments", [self._payment(number) for number in range(new.start, new.stop)])
            await self._push("labels", [self._label(number) for number in range(known.start, known.stop)])
            await self._answer(known)
        with self._timed("ingestion"):
            self._project.platform.ingest()
        with self._timed("windows"):
            self._project.follow()

    async def _predict(self, new: slice) -> None:
        rows = [self._request(number) for number in range(new.start, new.stop)]
        if not rows:
            return
        replies = await self._post(f"/v1/tasks/{TASK}/predict", {"instances": rows})
        for reply in replies["predictions"]:
            self._ids.append(reply["prediction_id"])
            self._scores.append(reply["probabilities"]["true"])
            self._versions.append(reply["version"])
            self._degraded += bool(set(reply["degraded"]) - {"no-model"})

    def _request(self, number: int) -> dict[str, Any]:
        payments, at = self._payments, int(self._payments.at[number])
        features = {
            "amount": int(payments.amount[number]) / 100,
            "weekend": (at // DAY - _SATURDAY) % 7 < 2,
            "night": at % DAY // HOUR <= 6,
            "customer_id": str(payments.customer[number]),
            "terminal_id": str(payments.terminal[number]),
        }
        return {"features": features, "at": at}

    def _payment(self, number: int) -> dict[str, Any]:
        payments = self._payments
        return {
            "customer_id": str(payments.customer[number]),
            "terminal_id": str(payments.terminal[number]),
            "amount": _amount(int(payments.amount[number])),
            "paid_at": int(payments.at[number]),
        }

    def _label(self, number: int) -> dict[str, Any]:
        payments = self._payments
        known_at = int(payments.at[number]) + DELAY
        terminal, fraud = str(payments.terminal[number]), int(payments.fraud[number])
        return {"terminal_id": terminal, "fraud": fraud, "known_at": known_at}

    async def _push(self, stream: str, events: list[dict[str, Any]]) -> None:
        if events:
            await self._post(f"/v1/features/{stream}/events", {"events": events})

    async def _answer(self, known: slice) -> None:
        served = range(max(known.start, self._served.start), known.stop)
        outcomes = [
            {
                "prediction_id": self._ids[number - self._served.start],
                "outcome": bool(self._payments.fraud[number]),
                "at": int(self._payments.at[number]) + DELAY,
            }
            for number in served
        ]
        if outcomes:
            await self._post("/v1/outcomes", {"outcomes": outcomes})

    async def _post(self, path: str, content: Any) -> Any:
        headers = {"content-type": "application/json"}
        reply = await self._http.post(path, content=msgspec.json.encode(content), headers=headers)
        if reply.is_error:
            raise RuntimeError(f"{path}: {reply.status_code} {reply.text[:2_000]}")
        return reply.json()

    async def _train(self, say: Callable[[str], None]) -> None:
        with self._timed("the cycle of the loop"):
            self._cycle = self._project.train()
        champion = self._project.platform.registry.aliases.get(TASK, "champion")
        say(f"trained version {self._cycle.trained}, {self._cycle.verdicts}, champion {champion}")
        if champion is None:
            raise RuntimeError(f"the loop let no model live: {self._cycle}")
        while True:
            ready = (await self._http.get("/readyz")).json()
            if ready["models"][TASK]["version"] == champion:
                return
            await asyncio.sleep(0.05)

    def _maintain(self) -> None:
        lake = self._project.platform.lake
        for name in lake.names():
            lake.maintain(name)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self._cpu[what] += time.process_time() - begun


def live_through(project: Project, payments: Payments, protocol: Protocol, say: Callable[[str], None]) -> Lived:
    """Loads the history, serves every payment of the protocol's days and trains when it says so."""
    begun = time.process_time()
    count = project.load(payments, protocol.served_from - protocol.history, protocol.served_from)
    loaded = time.process_time()
    project.follow()
    followed = time.process_time()
    say(f"history: {count:,} events, {loaded - begun:.0f} s into the lake, {followed - loaded:.0f} s into windows")
    with assembled(project.settings) as app, asyncio.Runner() as runner:
        lived = runner.run(Life(project, payments, protocol, app).run(say))
    return lived._replace(cpu={"history": followed - begun, **lived.cpu})


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _day(at: int, cpu: Mapping[str, float]) -> str:
    spent = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in cpu.items())
    return f"{np.datetime64(at, 'us').astype('datetime64[D]')}: {spent}"

"""Tasks of each kind, live behind the foreign protocols, over a real journal and real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
import uvloop

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Prediction, Value, decode
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.asgi import send_reply
from tropism.entrypoints.api.bodies import read_body
from tropism.entrypoints.api.protocols.base import Core, Request
from tropism.entrypoints.api.protocols.grpc_server import GrpcServer, start
from tropism.entrypoints.api.protocols.kserve_v1 import KServeV1
from tropism.entrypoints.api.protocols.open_inference import OpenInference
from tropism.entrypoints.api.server import bind
from tropism.learners.encoding import Encoding, EncodingFacts
from tropism.serving import Deployment, HttpSettings, ServedModel, Snapshot, SnapshotHolder
from tropism.serving.meters import Meters
from tropism.serving.parts import Parts
from tropism.serving.predictions import Predictions
from tropism.serving.recording import Recorder
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter

PRICE = Task(
    name="price",
    kind="binary",
    target="up",
    features=(Feature("demand"), Feature("zone", "category"), Feature("holiday", "boolean", default=False)),
)
COLOUR = Task(
    name="colour",
    kind="multiclass",
    target="c",
    features=(Feature("hue"), Feature("depth")),
    classes=("red", "green", "blue"),
)
AMOUNT = Task(name="amount", kind="regression", target="eur", features=(Feature("size", nullable=False),))


class Rule:
    """A model that is a function of a row."""

    encoding = Encoding(EncodingFacts("codes", ()))

    def __init__(self, score: Callable[[Mapping[str, Any]], Sequence[float]]) -> None:
        self.score = score

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Any = None) -> Any:
        return np.array([self.score(row) for row in rows], float)


def _up(row: Mapping[str, Any]) -> Sequence[float]:
    """Demand in hundredths, twice that in the north, and a tenth more on holidays; one half if it is missing."""
    demand = 0.25 if row["demand"] is None else row["demand"] / 100
    return (demand * (2 if row["zone"] == "north" else 1) + 0.1 * row["holiday"],)


def _hue(row: Mapping[str, Any]) -> Sequence[float]:
    """Red below a hue of 1, green from there, and blue by its depth."""
    rest = 1 - row["depth"]
    return (rest, 0.0, row["depth"]) if row["hue"] < 1 else (0.0, rest, row["depth"])


class Shop:
    """Three tasks: `price` with two versions of its model, `colour` with one, `amount` with none but a prior."""

    def __init__(self, root: Path, reserve: int = 0) -> None:
        self.root = root
        self.clock = ManualClock(1_700_000_000 * SECOND)
        self.identifiers = Identifiers()
        self.settings = HttpSettings(max_body_bytes=20_000, max_rows=50, max_inflight=3)
        self.journal = JournalWriter(root, JournalSettings(fsync="os", reserve=reserve))
        price = Deployment(PRICE, ServedModel(4, Rule(_up)), ServedModel(3, Rule(lambda _: (0.125,))))
        colour = Deployment(COLOUR, ServedModel(1, Rule(_hue)))
        amount = Deployment(AMOUNT, prior=(7.5,))
        self.snapshot = Snapshot(9, {one.task.name: one for one in (price, colour, amount)})
        self.holder = SnapshotHolder(self.snapshot)
        recorder = Recorder(self.journal, Meters())
        parts = Parts(self.holder, recorder, self.clock, self.identifiers, self.settings, Meters())
        self.core = Core(Predictions(parts), self.holder, self.settings, self.clock)
        self.protocols = (OpenInference(self.core), KServeV1(self.core))

    def recorded(self) -> list[Prediction]:
        """Every prediction in the journal, in order."""
        events = [event for record in JournalReader(self.root).read({}) for event in decode(record.payload)]
        return [event for event in events if isinstance(event, Prediction)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The part of a data plane that the protocols need, as an ASGI application."""
        body = await read_body(scope, receive, self.settings.max_body_bytes, 10.0)
        assert body is not None
        found = next(filter(None, (one.find(scope["method"], scope["path"]) for one in self.protocols)))
        assert scope["method"] in found.allowed
        request = Request(scope["method"], scope["path"], scope["query_string"], scope["headers"], body)
        await send_reply(send, await found.answer(request))


class Served:
    """A shop behind an HTTP port and a gRPC port, both served by one thread's event loop."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._listener = bind("127.0.0.1", 0)
        self.http = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.grpc = ""
        config = uvicorn.Config(shop, http="httptools", ws="none", log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._listening.wait(30)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        other: GrpcServer = await start(self.shop.core, "127.0.0.1", 0)
        self.grpc = f"127.0.0.1:{other.port}"
        self._listening.set()
        await self._server.serve([self._listener])
        await other.stop()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "journal")
    yield made
    made.journal.close()


@pytest.fixture
def full_shop(tmp_path: Path) -> Iterator[Shop]:
    """One whose disk is full."""
    made = Shop(tmp_path / "journal", reserve=2**60)
    yield made
    made.journal.close()


@contextmanager
def _serve(shop: Shop) -> Iterator[Served]:
    made = Served(shop)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def serve() -> Callable[[Shop], AbstractContextManager[Served]]:
    """Serves a shop for as long as a `with` lasts."""
    return _serve


@pytest.fixture
def served(shop: Shop) -> Iterator[Served]:
    with _serve(shop) as made:
        yield made

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Value, decode
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.data_plane import DataPlane
from tropism.entrypoints.api.forwarding import Forwarder
from tropism.learners.encoding import Encoding, EncodingFacts
from tropism.serving import Deployment, HttpSettings, ServedModel, Snapshot, SnapshotHolder
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter


class Half:
    """Says one half to everything, unless told to do something else."""

    encoding = Encoding(EncodingFacts("codes", ()))

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.act = act

    def predict_rows(self, rows: Sequence[Mapping[str, Value]], at: Any = None) -> Any:
        self.act()
        return np.full((len(rows), 1), 0.5)


class Plane:
    """A data plane over a real journal, with a control plane that is played by a function."""

    def __init__(self, root: Path, reserve: int = 0) -> None:
        self.root = root
        self.task = Task(name="price", kind="binary", target="up", features=(Feature("demand"),))
        self.holder = SnapshotHolder()
        self.clock = ManualClock(1_700_000_000 * SECOND)
        self.settings = HttpSettings(max_body_bytes=10_000, max_rows=20, max_inflight=3)
        self.journal = JournalWriter(root, JournalSettings(fsync="os", reserve=reserve))
        self.control: Callable[[httpx.Request], httpx.Response] = lambda request: httpx.Response(404)
        self.serve(Half())

    def serve(self, model: Any, degraded: tuple[str, ...] = ()) -> None:
        served = None if model is None else ServedModel(4, model)
        self.holder.current = Snapshot(9, {"price": Deployment(self.task, served, degraded=degraded)})

    def app(self) -> DataPlane:
        transport = httpx.MockTransport(lambda request: self.control(request))
        return DataPlane(
            holder=self.holder,
            journal=self.journal,
            clock=self.clock,
            identifiers=Identifiers(),
            settings=self.settings,
            forwarder=Forwarder(8701, 1.0, transport),
        )

    def recorded(self) -> int:
        return sum(len(decode(record.payload)) for record in JournalReader(self.root).read({}))


@pytest.fixture
def plane(tmp_path: Path) -> Any:
    return Plane(tmp_path / "journal")


@pytest.fixture
def full_plane(tmp_path: Path) -> Any:
    """One whose disk is full."""
    return Plane(tmp_path / "journal", reserve=2**60)


@pytest.fixture
async def http(plane: Plane) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(plane.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client

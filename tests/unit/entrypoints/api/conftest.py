from __future__ import annotations

import asyncio
import functools
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn

from tropism.core.clock import SECOND, ManualClock
from tropism.core.events import Value, decode
from tropism.core.identity import Identifiers
from tropism.core.task import Feature, Task
from tropism.entrypoints.api.connection import Connection
from tropism.entrypoints.api.data_plane import DataPlane
from tropism.entrypoints.api.forwarding import Forwarder
from tropism.learners.encoding import Column, Encoding, EncodingFacts
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


class Swift(Half):
    """The same, and there is a short way to it. `asked`: how many rows came by that in each call."""

    encoding = Encoding(EncodingFacts("codes", (Column("demand", "number"),)))
    short = None

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        super().__init__(act)
        self.asked: list[int] = []

    def predict_matrix(self, codes: Any, at: Any = None) -> Any:
        self.asked.append(len(codes))
        self.act()
        return np.full((len(codes), 1), 0.5)


class Caller:
    """One end of a connection, by the byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body of the next reply."""
        async with asyncio.timeout(20):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers, json.loads(body) if body else None

    async def statuses(self, count: int) -> list[int]:
        return [(await self.reply())[0] for _ in range(count)]

    async def rest(self) -> bytes:
        """What comes until the other end closes."""
        async with asyncio.timeout(20):
            return await self.reader.read()


class Served:
    """A data plane on a socket of its own."""

    def __init__(self, app: DataPlane, port: int, server: uvicorn.Server) -> None:
        self.app = app
        self.port = port
        self.server = server
        self.callers: list[Caller] = []

    async def caller(self) -> Caller:
        self.callers.append(Caller(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)))
        return self.callers[-1]


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
        self.forwarder: Forwarder | None = None
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
            forwarder=self.forwarder or Forwarder("127.0.0.1", 8701, 1.0, transport),
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
def swift() -> type[Swift]:
    return Swift


@pytest.fixture
def served() -> Callable[..., AbstractAsyncContextManager[Served]]:
    """Serves a plane on a socket, with connections of ours."""

    @asynccontextmanager
    async def serving(plane: Plane, keep_alive: float = 60, **given: Any) -> AsyncIterator[Served]:
        app, listener = plane.app(), socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        connection = functools.partial(Connection, app, **given)
        config = uvicorn.Config(
            app,
            http=connection,  # type: ignore[arg-type]
            ws="none",
            log_config=None,
            server_header=False,
            timeout_keep_alive=keep_alive,  # type: ignore[arg-type]
        )
        made = Served(app, listener.getsockname()[1], uvicorn.Server(config))
        running = asyncio.create_task(made.server.serve([listener]))
        try:
            yield made
        finally:
            for caller in made.callers:
                caller.writer.close()
            made.server.should_exit = True
            async with asyncio.timeout(20):
                await running

    return serving


@pytest.fixture
async def http(plane: Plane) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(plane.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://tropism") as client:
        yield client

"""MLflow's protocol over empty tables, without a socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from tropism.core.clock import SECOND, ManualClock
from tropism.entrypoints.api.json_bodies import JsonBodies
from tropism.entrypoints.api.mlflow import router
from tropism.registry.tracking import Tracking
from tropism.serving import HttpSettings
from tropism.storage.blobs import Blobs
from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


class Client:
    """Sends calls; the status and the body of each reply."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, path: str, /, **sent: Any) -> tuple[int, Any]:
        return _read(await self.http.post(f"/api/2.0/mlflow/{path}", json=sent))

    async def get(self, path: str, /, **sent: Any) -> tuple[int, Any]:
        return _read(await self.http.get(f"/api/2.0/mlflow/{path}", params=sent))

    async def run(self, **sent: Any) -> str:
        """A run of the default experiment; its id."""
        status, body = await self.post("runs/create", **sent)
        assert status == 200
        return str(body["run"]["info"]["run_id"])


def _read(response: httpx.Response) -> tuple[int, Any]:
    return response.status_code, response.json()


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[Tracking]:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    yield Tracking(database, Blobs(str(tmp_path / "blobs")))
    database.dispose()


@pytest.fixture
async def client(tracking: Tracking) -> AsyncIterator[Client]:
    app = FastAPI()
    settings = SimpleNamespace(http=HttpSettings(max_artifact_bytes=3_000_000))
    app.state.platform = SimpleNamespace(
        tracking=tracking, clock=ManualClock(1_700_000_000 * SECOND), settings=settings
    )
    app.include_router(router)
    app.add_middleware(JsonBodies)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tropism") as http:
        yield Client(http)

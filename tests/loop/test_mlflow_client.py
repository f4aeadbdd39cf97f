"""An unmodified client of MLflow against a live server.

Its python is named by TROPISM_MLFLOW_PYTHON: an environment of its own, since MLflow needs what Tropism must not have.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import uvicorn
from fastapi import FastAPI

from tropism.core.clock import SystemClock
from tropism.entrypoints.api.json_bodies import JsonBodies
from tropism.entrypoints.api.mlflow import router
from tropism.registry.tracking import Tracking
from tropism.serving import HttpSettings
from tropism.storage.blobs import Blobs
from tropism.storage.tables import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

_CALLS = Path(__file__).parent / "mlflow_calls.py"
_PYTHON = os.environ.get("TROPISM_MLFLOW_PYTHON", "")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server that speaks MLflow's protocol over empty tables."""
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    app = FastAPI()
    tracking, settings = Tracking(database, Blobs(str(tmp_path / "blobs"))), SimpleNamespace(http=HttpSettings())
    app.state.platform = SimpleNamespace(tracking=tracking, clock=SystemClock(), settings=settings)
    app.include_router(router)
    app.add_middleware(JsonBodies)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listener.close()
    database.dispose()


@pytest.mark.skipif(not _PYTHON, reason="TROPISM_MLFLOW_PYTHON names no python that has mlflow 3")
def test_an_unmodified_client_of_mlflow_does_what_it_does_elsewhere(address: str) -> None:
    command = [_PYTHON, str(_CALLS), address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd="/")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert int(done.stdout.strip().splitlines()[-1].split()[0]) >= 40

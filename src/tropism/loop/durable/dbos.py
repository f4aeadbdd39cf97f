"""Workflows on DBOS, in SQLite or PostgreSQL.

DBOS keeps one engine a process, so there is one `DbosWorkflows` a process at a time. Records are JSON: its
default, pickle, is never used.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("DO_NOT_TRACK", "true")

import msgspec
import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._serialization import Serializer

from tropism.core.errors import DiskFull, NotReady
from tropism.loop.durable.base import Json, Workflow, Workflows, capture, release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_VERSION = "tropism-1"
"""Recovery resumes workflows of this version only: raise it when the steps of a workflow change."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_LITTLE = 1 << 20
"""Bytes free under which a failed write is put down to a full disk."""

log = logging.getLogger("tropism.workflows")


class _JsonSerializer(Serializer):
    def serialize(self, data: Any) -> str:
        if isinstance(data, Exception):
            data = {"exception": type(data).__name__, "message": str(data)}
        return msgspec.json.encode(data).decode()

    def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805 - the base class spells it so
        data = msgspec.json.decode(serialized_data)
        if isinstance(data, dict) and data.keys() == {"exception", "message"}:
            return RuntimeError(f"{data['exception']}: {data['message']}")
        return data

    def name(self) -> str:
        return "tropism-json"


class _DbosSteps:
    def step(self, name: str, function: Callable[[], Json]) -> Json:
        return release(DBOS.run_step({"name": name}, capture, partial(_settled, name, function)))


def _settled(name: str, function: Callable[[], Json]) -> Json:
    """A step's result. It is tried again while the disk is full or a store is away, as that is no result."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return function()
        except (DiskFull, NotReady) as error:
            log.warning("step '%s' is tried again in %g s: %s", name, pause, error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _engine(url: str) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url)
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _tune(connection: Any, _: Any) -> None:
        connection.isolation_level = "IMMEDIATE"  # this and the foreign keys: as DBOS sets up its own engine
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @sa.event.listens_for(engine, "handle_error")
    def _wait_for_room(context: sa.engine.ExceptionContext) -> None:
        # DBOS waits for a database that is locked. On a full disk it would give up a workflow without a record of
        # that, and nobody would ever go on with it.
        error = context.original_exception
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(url)):
            log.warning("the disk is full, the workflows wait: %s", url)
            raise sa.exc.OperationalError(context.statement, None, _Full("database is locked: no room")) from error

    return engine


class _Full(sqlite3.OperationalError):
    """Named so that DBOS takes it for a lock."""


def _no_room(url: str) -> bool:
    folder = Path(sa.make_url(url).database or "").absolute().parent
    return shutil.disk_usage(folder).free < _LITTLE


class DbosWorkflows(Workflows):
    """Durable workflows.

    `url`: SQLAlchemy URL of the engine's own database. `executor`: name of this worker; at start it takes up
    the workflows that a worker of the same name left behind. `schema`: where its tables are, in PostgreSQL.
    """

    def __init__(
        self, workflows: Mapping[str, Workflow], url: str, executor: str = "worker", schema: str = "tropism_workflows"
    ) -> None:
        self._engine = _engine(url)
        config: DBOSConfig = {
            "name": "tropism",
            "system_database_url": url,
            "system_database_engine": self._engine,
            "application_version": _VERSION,
            "executor_id": executor,
            "dbos_system_schema": schema,
            "log_level": "ERROR",
            "enable_otlp": False,
            "use_listen_notify": False,
            "auto_upgrade": False,
            "serializer": _JsonSerializer(),
        }
        DBOS(config=config)
        self._run = {name: self._register(name, workflow) for name, workflow in workflows.items()}
        DBOS.launch()

    @staticmethod
    def _register(name: str, workflow: Workflow) -> Callable[[str, Json], Json]:
        @DBOS.workflow(name=f"tropism.{name}")
        def run(key: str, argument: Json) -> Json:
            return capture(lambda: workflow(_DbosSteps(), key, argument))

        return run

    def run(self, name: str, key: str, argument: Json) -> Json:
        status = DBOS.get_workflow_status(key)
        if status is not None and status.status == "PENDING" and status.executor_id != DBOS.executor_id:
            return release(DBOS.resume_workflow(key).get_result())
        with SetWorkflowID(key):
            return release(DBOS.start_workflow(self._run[name], key, argument).get_result())

    def forget(self, keep: int) -> None:
        ended = DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"], sort_desc=True, offset=keep, load_input=False, load_output=False
        )
        if ended:
            DBOS.delete_workflows([workflow.workflow_id for workflow in ended])

    def close(self) -> None:
        DBOS.destroy(destroy_registry=True)
        self._engine.dispose()

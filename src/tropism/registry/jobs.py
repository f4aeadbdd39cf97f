"""Jobs: work that was asked for, who does it, and how far it got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import select

from tropism.core.errors import Conflict, Fault, NotFound, NotReady
from tropism.registry.records import record
from tropism.storage.tables.schema import jobs
from tropism.storage.tables.upsert import insert_once

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from tropism.storage.tables import Database

Status = Literal["queued", "running", "done", "failed", "cancelled"]
_ENDED = ("done", "failed", "cancelled")


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """Work to do. `kind` says who can do it, such as `train` or `cycle`; `request` is for them to read."""

    id: str
    task: str
    kind: str
    request: dict[str, Any] = {}


class Job(NewJob, frozen=True, kw_only=True):
    """A job that was submitted. `progress` is 0 to 1; `cancel` says that its holder was asked to stop."""

    status: Status
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    progress: float
    message: str
    cancel: bool
    holder: str | None
    attempts: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    heartbeat_at: int | None


class Jobs:
    """A queue of jobs. A job is held by one holder at a time; whoever lost it is told so by a Conflict.

    `holder` must be unique to a process. Unknown ids raise NotFound.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def submit(self, new: NewJob, *, now: int) -> Job:
        """Queues a job; the same id again gives the one that was queued.

        Raises:
            Conflict: the id belongs to a job of another task or kind.
        """
        values = {**msgspec.structs.asdict(new), "status": "queued", "progress": 0.0, "message": ""}
        with self._db.begin() as connection:
            insert_once(connection, jobs, {**values, "cancel": False, "attempts": 0, "created_at": now})
            job = _require(connection, new.id)
        if (job.task, job.kind) != (new.task, new.kind):
            value = f"{job.id!r}, a {job.kind} job of '{job.task}'"
            raise Conflict("this id belongs to another job", Fault("id", value, "use a new id for each job"))
        return job

    def claim(self, kinds: Collection[str], holder: str, now: int) -> Job | None:
        """The oldest queued job of these kinds, now `holder`'s; None when there is none."""
        waiting = select(jobs.c.id).where(jobs.c.status == "queued", jobs.c.kind.in_(tuple(kinds)))
        waiting = waiting.order_by(jobs.c.created_at, jobs.c.id).limit(1)
        with self._db.read() as connection:  # an idle worker writes nothing and holds nobody up
            if connection.scalar(waiting) is None:
                return None
        with self._db.begin() as connection:
            job_id = connection.scalar(waiting.with_for_update(skip_locked=True))
            if job_id is None:
                return None
            values = {"status": "running", "holder": holder, "attempts": jobs.c.attempts + 1, "heartbeat_at": now}
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(**values, started_at=now))
            return _require(connection, job_id)

    def heartbeat(self, job_id: str, holder: str, now: int) -> bool:
        """Says that the holder lives; False when it was asked to stop. Raises: Conflict: it lost the job."""
        return self._report(job_id, holder, {"heartbeat_at": now})

    def progress(self, job_id: str, holder: str, share: float, message: str, now: int) -> bool:
        """Says how far the job got, 0 to 1, and is a heartbeat. Raises: Conflict: it lost the job."""
        return self._report(job_id, holder, {"heartbeat_at": now, "progress": share, "message": message})

    def finish(self, job_id: str, holder: str, result: dict[str, Any], now: int) -> None:
        """Ends a job well; again is harmless. Raises: Conflict: it lost the job."""
        self._end(job_id, holder, {"status": "done", "result": result, "progress": 1.0}, now)

    def fail(self, job_id: str, holder: str, error: dict[str, Any], now: int) -> None:
        """Ends a job badly: `error` has a `code` and a `message`. Raises: Conflict: it lost the job."""
        self._end(job_id, holder, {"status": "failed", "error": error}, now)

    def stopped(self, job_id: str, holder: str, now: int) -> None:
        """Ends a job as cancelled, when its holder did stop. Raises: Conflict: it lost the job."""
        self._end(job_id, holder, {"status": "cancelled"}, now)

    def cancel(self, job_id: str, now: int) -> Job:
        """Cancels a queued job at once, and asks the holder of a running one to stop. One that ended stays so."""
        with self._db.begin() as connection:
            job = _require(connection, job_id, lock=True)
            if job.status == "queued":
                _change(connection, job_id, {"status": "cancelled", "cancel": True, "finished_at": now})
            elif job.status == "running":
                _change(connection, job_id, {"cancel": True})
            return _require(connection, job_id)

    def requeue_stale(self, before: int, now: int, attempts: int = 3) -> tuple[str, ...]:
        """Takes jobs from holders that have not been heard of since `before`; their ids.

        Such a job is queued again, or ends: as cancelled if that was asked for, as failed after `attempts` tries.
        """
        stale = select(jobs).where(jobs.c.status == "running", jobs.c.heartbeat_at < before).order_by(jobs.c.id)
        with self._db.read() as connection:
            if connection.execute(stale.limit(1)).first() is None:
                return ()
        with self._db.begin() as connection:
            found = [record(Job, row) for row in connection.execute(stale.with_for_update(skip_locked=True))]
            for job in found:
                _change(connection, job.id, _taken_back(job, now, attempts))
        return tuple(job.id for job in found)

    def forget(self, before: int) -> int:
        """Deletes jobs that ended before `before` (µs); how many."""
        old = jobs.c.status.in_(_ENDED) & (jobs.c.finished_at < before)
        with self._db.begin() as connection:
            return connection.execute(jobs.delete().where(old)).rowcount

    def get(self, job_id: str) -> Job:
        with self._db.read() as connection:
            return _require(connection, job_id)

    def list(self, task: str | None = None, status: Status | None = None, limit: int = 100) -> tuple[Job, ...]:
        """The newest first."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if task is not None:
            query = query.where(jobs.c.task == task)
        if status is not None:
            query = query.where(jobs.c.status == status)
        with self._db.read() as connection:
            return tuple(record(Job, row) for row in connection.execute(query))

    def _report(self, job_id: str, holder: str, values: dict[str, Any]) -> bool:
        with self._db.begin() as connection:
            job = _require(connection, job_id, lock=True)
            _require_held(job, holder, "running")
            _change(connection, job_id, values)
        return not job.cancel

    def _end(self, job_id: str, holder: str, values: dict[str, Any], now: int) -> None:
        with self._db.begin() as connection:
            job = _require(connection, job_id, lock=True)
            if job.status == values["status"] and job.holder == holder:
                return
            _require_held(job, holder, "running")
            _change(connection, job_id, {**values, "finished_at": now, "heartbeat_at": now})


def _require(connection: Connection, job_id: str, lock: bool = False) -> Job:
    query = select(jobs).where(jobs.c.id == job_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(
            f"there is no job '{job_id}'", Fault("id", repr(job_id), "use the id that it was submitted with")
        )
    return record(Job, row)


def _require_held(job: Job, holder: str, status: Status) -> None:
    if (job.holder, job.status) != (holder, status):
        value = f"{holder!r}, the job is {job.status}" + (f" and held by {job.holder!r}" if job.holder else "")
        raise Conflict(
            f"job '{job.id}' is not yours", Fault("holder", value, "stop the work, its result is not wanted")
        )


def _change(connection: Connection, job_id: str, values: dict[str, Any]) -> None:
    connection.execute(jobs.update().where(jobs.c.id == job_id).values(**values))


def _taken_back(job: Job, now: int, attempts: int) -> dict[str, Any]:
    if job.cancel:
        return {"status": "cancelled", "finished_at": now}
    if job.attempts >= attempts:
        error = {"code": NotReady.code, "message": f"its process stopped answering {job.attempts} times"}
        return {"status": "failed", "error": error, "finished_at": now}
    return {"status": "queued", "holder": None, "progress": 0.0, "message": ""}

"""Model versions: numbered 1, 2, 3 within a model, and never changed but for their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
from sqlalchemy import func, select

from tropism.core.errors import Conflict, Fault, InvalidInput, UnknownModel, UnknownVersion
from tropism.registry.audit import append
from tropism.registry.comparison import Comparison, compare
from tropism.registry.records import record
from tropism.storage.tables.schema import versions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tropism.storage.tables import Database

State = Literal["candidate", "promoted", "rejected", "rolled-back", "quarantined"]
_LARGEST = (1 << 31) - 1


class Artifacts(Protocol):
    """Where artifacts lie, as far as versions need to know."""

    def exists(self, digest: str) -> bool: ...


class NewVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version to register. `model` is its task's name; `artifact` the digest of its manifest among the blobs;
    `window` the span of history it was trained on; `parent` the version it follows; `job_id` the training job.
    """

    model: str
    artifact: str
    learner: str
    window: str
    metrics: dict[str, Any] = {}
    data: dict[str, Any] = {}
    signature: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    parent: int | None = None
    job_id: str | None = None


class ModelVersion(NewVersion, frozen=True, kw_only=True):
    """A registered version. `state` is `candidate` until a decision about it says otherwise; `quarantined` is for
    good.
    """

    version: int
    state: State
    created_at: int


class Versions:
    """Registers and reads versions."""

    def __init__(self, db: Database, blobs: Artifacts) -> None:
        self._db = db
        self._blobs = blobs

    def register(self, new: NewVersion, *, now: int, actor: str = "loop") -> int:
        """Registers a version; its number, the next of its model. The same job gets the same number again.

        Raises:
            InvalidInput: its artifact is not among the blobs.
            Conflict: the job has registered a version of another model, or another artifact.
        """
        if not self._blobs.exists(new.artifact):
            fix = "store the artifact first, then register its digest"
            raise InvalidInput(f"the artifact of '{new.model}' is missing", Fault("artifact", new.artifact, fix))
        with self._db.exclusive() as connection:
            registered = _of_job(connection, new)
            if registered is not None:
                return registered
            last = connection.scalar(select(func.max(versions.c.version)).where(versions.c.model == new.model))
            version = (last or 0) + 1
            values = {**msgspec.structs.asdict(new), "version": version, "state": "candidate", "created_at": now}
            connection.execute(versions.insert(), values)
            detail = {"artifact": new.artifact, "learner": new.learner, "window": new.window, "job": new.job_id}
            subject = f"{new.model}/{version}"
            append(connection, at=now, actor=actor, action="version.registered", subject=subject, detail=detail)
            return version

    def get(self, model: str, version: int) -> ModelVersion:
        """Raises: UnknownModel, UnknownVersion: there is none; says which there are."""
        with self._db.read() as connection:
            return require_version(connection, model, version)

    def list(self, model: str | None = None) -> tuple[ModelVersion, ...]:
        """Versions of a model, or of all, in the order of their numbers; empty when there are none."""
        query = select(versions).order_by(versions.c.model, versions.c.version)
        if model is not None:
            query = query.where(versions.c.model == model)
        with self._db.read() as connection:
            return tuple(record(ModelVersion, row) for row in connection.execute(query))

    def compare(self, model: str, a: int, b: int) -> Comparison:
        """What differs between two versions. Raises: UnknownModel, UnknownVersion."""
        with self._db.read() as connection:
            sides = [msgspec.to_builtins(require_version(connection, model, number)) for number in (a, b)]
        return compare(model, *sides)


def learnt_until(version: ModelVersion) -> int:
    """A row that was predicted later than this (µs) is none that the version has learnt from."""
    taken = version.data.get("now")
    return max(version.created_at, taken) if isinstance(taken, int) else version.created_at


def require_version(connection: Connection, model: str, version: int) -> ModelVersion:
    """The version. Raises: UnknownModel, UnknownVersion."""
    if 0 < version <= _LARGEST:
        query = select(versions).where(versions.c.model == model, versions.c.version == version)
        row = connection.execute(query).first()
        if row is not None:
            return record(ModelVersion, row)
    last = connection.scalar(select(func.max(versions.c.version)).where(versions.c.model == model))
    if last is None:
        names = ", ".join(connection.scalars(select(versions.c.model).distinct().order_by(versions.c.model)))
        fix = f"use one of: {names}" if names else "train one first: `tropism train`"
        raise UnknownModel(f"there is no model '{model}'", Fault("model", repr(model), fix))
    have = "it has version 1 only" if last == 1 else f"use one of 1 to {last}"
    raise UnknownVersion(f"'{model}' has no version {version}", Fault("version", str(version), have))


def set_state(connection: Connection, model: str, version: int, state: State) -> None:
    """Notes what was decided about a version. One in quarantine stays there."""
    chosen = (versions.c.model == model) & (versions.c.version == version) & (versions.c.state != "quarantined")
    connection.execute(versions.update().where(chosen).values(state=state))


def _of_job(connection: Connection, new: NewVersion) -> int | None:
    if new.job_id is None:
        return None
    columns = select(versions.c.model, versions.c.version, versions.c.artifact)
    row = connection.execute(columns.where(versions.c.job_id == new.job_id)).first()
    if row is None:
        return None
    if (row.model, row.artifact) != (new.model, new.artifact):
        value = f"{new.job_id!r}, which registered {row.model}/{row.version} with artifact {row.artifact}"
        fix = "register one version a job, or use another job id"
        raise Conflict("this job has registered something else", Fault("job_id", value, fix))
    return int(row.version)

"""Registers an imported model as a version of its task: the same folder again is the same version again."""

from __future__ import annotations

import hashlib
import platform
from typing import TYPE_CHECKING, Any

from tropism.core.identity import derived_id, task_tag
from tropism.learners.artifact import load, store
from tropism.registry import NewVersion

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.registry import Registry
    from tropism.storage.blobs import Blobs
    from tropism.training.mlmodels.building import Imported

WINDOW = "imported"


def register_imported(
    registry: Registry, blobs: Blobs, task: Task, found: Imported, *, now: int, actor: str, source: str = ""
) -> int:
    """The number of the version. `source`: where the folder was, for people.

    Raises:
        ArtifactRefused: it could not be served.
        DiskFull, NotWritable: it cannot be stored.
    """
    artifact = store(found.model, blobs)
    load(artifact, blobs)  # nothing becomes a version that could not be served
    digest = hashlib.sha256(f"{task.name}:{artifact}".encode()).hexdigest()
    facts = {**found.facts, "from": source}
    new = NewVersion(
        model=task.name,
        artifact=artifact,
        learner=found.model.origin.learner,
        window=WINDOW,
        metrics={},
        data=facts,
        signature=_signature(found),
        environment={"python": platform.python_version(), **found.model.origin.libraries},
        parameters={},
        job_id=derived_id(0, f"mlmodel:{digest}", task_tag(task.name)),
    )
    number = registry.versions.register(new, now=now, actor=actor)
    for kind, name in (("mlflow-run", facts["run_id"]), ("mlflow-model", facts["model_id"])):
        if name:
            registry.features.link(kind, name, "model", f"{task.name}/{number}", now)
    return number


def _signature(found: Imported) -> dict[str, Any]:
    model = found.model
    inputs = [{"name": column.name, "type": column.type} for column in model.encoding.facts.columns]
    return {"kind": model.signature.kind, "inputs": inputs, "classes": list(model.signature.classes)}

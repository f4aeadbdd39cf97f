"""Imports a folder with an `MLmodel` as a version of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.training.mlmodels.building import import_folder, require_features
from tropism.training.mlmodels.folder import open_folder
from tropism.training.mlmodels.registering import register_imported

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tropism.wiring import Platform


class ImportedVersion(NamedTuple):
    """The version, and what is noted of where it came from."""

    version: int
    facts: dict[str, Any]


def import_model(
    platform: Platform, folder: Path, model: str, *, actor: str, python: Path | None = None, seconds: float = 300.0
) -> ImportedVersion:
    """The folder's model as a version of the task `model`; the same folder again is the same version again.

    `python`: an interpreter that has the model's own packages; with it, flavours that are read by running code are
    converted in a process apart, for at most so many seconds. None refuses them.

    Raises:
        UnknownTask: there is no such task.
        NotFound: the folder or a file of it is missing.
        ArtifactRefused: nothing in it can be read, is served, or scores after its conversion as before.
        InvalidInput: its columns do not fit the task.
        MissingExtra: a package is not installed.
    """
    task = platform.registry.tasks.get(model)
    require_features(task)
    convert = None
    if python is not None:
        from tropism.training.mlmodels.converting import Converter

        convert = Converter(task, folder, python, seconds)
    found = import_folder(open_folder(folder), task, convert)
    now = platform.clock.now()
    number = register_imported(platform.registry, platform.blobs, task, found, now=now, actor=actor, source=str(folder))
    return ImportedVersion(number, found.facts)

"""Imports a folder with an `MLmodel` as a version of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.clock import SECOND
from tropism.core.errors import Fault, InvalidInput
from tropism.training.mlmodels.building import import_folder, require_features
from tropism.training.mlmodels.folder import open_folder
from tropism.training.mlmodels.registering import register_imported

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.wiring import Platform

KNOWN = 1_000
"""Rows of the task's own that a converted model is compared with its original on, the newest, beside random ones."""

_LONGEST = 86_400.0


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
        InvalidInput: its columns do not fit the task, or `seconds` is not from 1 to 86,400.
        MissingExtra: a package is not installed.
    """
    if not 1.0 <= seconds <= _LONGEST:  # nan is neither
        fault = Fault("--timeout", f"{seconds:g}", f"give seconds from 1 to {_LONGEST:g}")
        raise InvalidInput("a conversion cannot be given such a time", fault)
    task = platform.registry.tasks.get(model)
    require_features(task)
    convert = None
    if python is not None:
        from tropism.training.mlmodels.converting import Converter

        convert = Converter(task, folder, python, seconds, newest_rows(platform, task, KNOWN))
    found = import_folder(open_folder(folder), task, convert)
    now = platform.clock.now()
    number = register_imported(platform.registry, platform.blobs, task, found, now=now, actor=actor, source=str(folder))
    return ImportedVersion(number, found.facts)


def newest_rows(platform: Platform, task: Task, most: int) -> pa.Table:
    """What a task was last asked, a column a feature; of what is in the lake, at most so many rows."""
    import pyarrow as pa

    from tropism.feedback.schemas import PREDICTIONS, feature_fields, predictions_name

    features, name, now = task.learnt.flat.features, predictions_name(task.name), platform.clock.now()
    schema = pa.schema([PREDICTIONS.field("at"), *feature_fields(features)])
    span, found = 60 * SECOND, schema.empty_table()
    if platform.lake.version(name) >= 0:
        found = platform.lake.read(name, schema=schema, since=now - span)
        while found.num_rows < most and span < now:  # a busy task has more in a day than fits into memory
            span *= 4
            found = platform.lake.read(name, schema=schema, since=max(now - span, 0))
    newest = found.sort_by([("at", "descending")]).slice(0, most).drop_columns(["at"])
    return newest.rename_columns([feature.name for feature in features])

"""Opens the places that runs are also written to, by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tropism.core.errors import Fault, SettingInvalid
from tropism.core.faults import one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.training.runs.base import Sink
    from tropism.training.runs.settings import TrackingSettings

ALSO = ("mlflow", "wandb", "tensorboard")
_QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_ERROR_REPORTING": "false",
}


def also_names(text: str) -> tuple[str, ...]:
    """The names in a setting, each once.

    Raises:
        SettingInvalid: there is no such place.

    >>> also_names("wandb, tensorboard,wandb"), also_names("")
    (('wandb', 'tensorboard'), ())
    """
    names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    for name in names:
        if name not in ALSO:
            raise SettingInvalid(
                "runs cannot be written there", Fault("tracking.also", repr(name), one_of(name, ALSO, "places", ""))
            )
    return names


def open_also(names: Sequence[str], settings: TrackingSettings, folder: Path) -> list[Sink]:
    """A sink for each name. `folder`: where files go unless the settings name another.

    Raises:
        SettingInvalid: there is no such place, or MLflow is asked for without an address.
        MissingExtra: a package is not installed; names the extra that brings it.
    """
    for name, value in _QUIET.items():  # none of them may tell anybody that it is used
        os.environ.setdefault(name, value)
    root = Path(settings.folder) if settings.folder else folder
    return [_open(name, settings, root) for name in also_names(",".join(names))]


def _open(name: str, settings: TrackingSettings, root: Path) -> Sink:
    if name == "mlflow":
        from tropism.training.runs.to_mlflow import MlflowSink

        return MlflowSink(settings.mlflow_url)
    if name == "wandb":
        from tropism.training.runs.to_wandb import WandbSink

        return WandbSink(root)  # it makes its own folder `wandb`
    from tropism.training.runs.to_tensorboard import TensorBoardSink

    return TensorBoardSink(root / "tensorboard")

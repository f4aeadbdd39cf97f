"""Settings of run tracking."""

from __future__ import annotations

import msgspec


class TrackingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where runs are written besides the project's own store.

    `also`: names among `mlflow`, `wandb` and `tensorboard`, with commas between. `mlflow_url`: the tracking URI of
    the other MLflow. `folder`: what W&B (offline) and TensorBoard write; one in the state folder when empty.
    """

    also: str = ""
    mlflow_url: str = ""
    folder: str = ""

"""Answers predictions from a snapshot of live models, and accepts outcomes. No I/O but the journal's."""

from tropism.serving.loading import LiveTask, SnapshotLoader
from tropism.serving.settings import HttpSettings
from tropism.serving.snapshot import Deployment, Servable, ServedModel, Snapshot, SnapshotHolder
from tropism.serving.watcher import Watcher

__all__ = [
    "Deployment",
    "HttpSettings",
    "LiveTask",
    "Servable",
    "ServedModel",
    "Snapshot",
    "SnapshotHolder",
    "SnapshotLoader",
    "Watcher",
]

"""Writes a run as event files of TensorBoard: `tensorboard --logdir FOLDER` shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tropism.core.clock import SECOND
from tropism.core.errors import Fault, NotWritable
from tropism.core.plugins import require
from tropism.training.runs.base import Sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tropism.training.runs.base import Point, RunStart, Status

_PLAIN = re.compile(r"[^\w.\-]+")
_TEXTS = (".txt", ".json", ".md")


class TensorBoardSink(Sink):
    """One run in `FOLDER/EXPERIMENT/NAME-ID`: metrics as scalars, parameters and tags as text, files beside them."""

    def __init__(self, folder: Path) -> None:
        """Raises `MissingExtra` where tensorboardX is not installed."""
        self._writers = require("tensorboardX", "tensorboard")
        self._root = folder
        self._writer: Any = None
        self._at = 0.0
        self._tags: dict[str, str] = {}

    def start(self, run: RunStart) -> None:
        name = _PLAIN.sub("-", f"{run.name}-{run.id[:8]}")
        self._folder = self._root / _PLAIN.sub("-", run.experiment) / name
        self._at, self._tags = run.at / SECOND, dict(run.tags)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = self._writers.SummaryWriter(str(self._folder))
        except OSError as error:
            fault = Fault("tracking.folder", str(self._folder), "name a folder that can be written")
            raise NotWritable("the run cannot be written for TensorBoard", fault) from error

    def params(self, values: Mapping[str, str]) -> None:
        self._text("params", values)

    def metrics(self, points: Sequence[Point]) -> None:
        for one in points:
            self._writer.add_scalar(one.key, one.value, one.step, walltime=one.at / SECOND)

    def tags(self, values: Mapping[str, str]) -> None:
        self._tags |= values

    def file(self, path: str, data: bytes) -> None:
        target = self._folder / "artifacts" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if path.endswith(_TEXTS) and len(data) <= 1 << 16:
            indented = "\n".join(f"    {line}" for line in data.decode(errors="replace").splitlines())
            self._writer.add_text(path, indented, 0, walltime=self._at)

    def end(self, status: Status, at: int) -> None:  # noqa: ARG002 - the file ends when it ends
        self._text("tags", {**self._tags, "status": status})
        self._writer.close()

    def _text(self, name: str, values: Mapping[str, str]) -> None:
        rows = "".join(
            f"| {key} | {' '.join(value.split()).replace('|', '&#124;')} |\n" for key, value in values.items()
        )
        self._writer.add_text(name, f"| name | value |\n|---|---|\n{rows}", 0, walltime=self._at)

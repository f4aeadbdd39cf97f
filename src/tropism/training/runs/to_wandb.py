"""Writes a run for Weights & Biases, offline: files that `wandb sync` sends when somebody wants that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, NotWritable
from tropism.core.plugins import require
from tropism.training.runs.base import Sink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tropism.training.runs.base import Point, RunStart, Status


class WandbSink(Sink):
    """One run in a folder. Nothing is sent anywhere.

    W&B has one step for all metrics of a run and takes none that goes back, so each metric is told with a step of its
    own, as `KEY/step`.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `MissingExtra` where W&B is not installed."""
        self._wandb = require("wandb", "wandb")
        self._folder = folder
        self._run: Any = None
        self._stepped: set[str] = set()

    def start(self, run: RunStart) -> None:
        from pathlib import Path

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fault = Fault("tracking.folder", str(self._folder), "name a folder that can be written")
            raise NotWritable("the run cannot be written for W&B", fault) from error
        settings = self._wandb.Settings(
            mode="offline",
            console="off",
            silent=True,
            disable_git=True,
            disable_code=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
        )
        self._run = self._wandb.init(
            project=run.experiment.replace("/", "-"),
            dir=str(Path(self._folder)),
            id=run.id,
            name=run.name,
            notes=run.tags.get("mlflow.note.content"),
            config={"tags": dict(run.tags)},
            settings=settings,
            reinit="create_new",
        )

    def params(self, values: Mapping[str, str]) -> None:
        self._run.config.update(dict(values), allow_val_change=True)

    def metrics(self, points: Sequence[Point]) -> None:
        for one in points:
            if one.key not in self._stepped:
                self._stepped.add(one.key)
                self._run.define_metric(f"{one.key}/step", hidden=True)
                self._run.define_metric(one.key, step_metric=f"{one.key}/step")
            self._run.log({one.key: one.value, f"{one.key}/step": one.step})
        for one in points:
            self._run.summary[one.key] = one.value

    def tags(self, values: Mapping[str, str]) -> None:
        self._run.config.update({"tags": {**self._run.config.get("tags", {}), **values}}, allow_val_change=True)

    def file(self, path: str, data: bytes) -> None:
        from pathlib import Path

        target = Path(self._run.dir) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        self._run.save(str(target), base_path=self._run.dir, policy="now")

    def end(self, status: Status, at: int) -> None:  # noqa: ARG002 - W&B has its own clock
        self._run.summary["status"] = status
        self._run.finish(exit_code=0 if status == "FINISHED" else 1)

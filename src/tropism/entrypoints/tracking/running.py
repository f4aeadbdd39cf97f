"""Runs of people's own scripts: `with tropism.tracking.start_run("fraud") as run: ...`.

They go straight into the project's store; no server need be up. From elsewhere there is MLflow's client, which a
running Tropism answers (docs/mlflow.md).
"""

from __future__ import annotations

import math
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.config import load_settings
from tropism.core.errors import Fault, InvalidInput, NotFound
from tropism.core.faults import shown
from tropism.loop.runs.telling import LOSSES, RowLosses
from tropism.training.architecture import architecture, as_text
from tropism.training.runs.base import Point, RunStart
from tropism.training.runs.opening import also_names, open_also
from tropism.training.runs.store import StoreSink
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from tropism.training.runs.base import Sink, Status

_LARGEST = 1 << 30


def start_run(
    experiment: str = "Default",
    name: str = "",
    *,
    project: str | Path = ".",
    also: Iterable[str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> ActiveRun:
    """Starts a run in a project's store. Use it with `with`: the run ends as FINISHED, or as FAILED with the reason.

    `also`: places the run is written to as well, among `mlflow`, `wandb` and `tensorboard`; what the setting
    `tracking.also` says when it is left out.

    Raises:
        SettingInvalid: there is no such place, or a setting is not valid.
        MissingExtra: a package is missing; says which extra brings it.
        InvalidInput: the experiment is deleted, or a name is too long.
        NotWritable, NotReady: the store or a place cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, start_run("fraud", "two-trees", project=folder) as run:
    ...     run.log_params({"trees": 2})
    ...     run.log_metrics({"loss": 0.25}, step=1)
    >>> len(run.id)
    32
    """
    settings = load_settings(project)
    names = also_names(settings.tracking.also) if also is None else also_names(",".join(also))
    mirrors = open_also(names, settings.tracking, settings.folder / "runs")
    platform = open_platform(settings)
    run_id = uuid.uuid4().hex
    start = RunStart(
        id=run_id,
        experiment=experiment,
        name=name or f"run-{run_id[:8]}",
        at=platform.real.now(),
        tags=dict(tags or {}),
    )
    return ActiveRun(start, [StoreSink(platform.tracking, "script"), *mirrors], platform.real.now, platform.database)


class ActiveRun:
    """A run that is going on. What is logged is stored at once. Not safe from several threads.

    Raises (from each method):
        InvalidInput: it has ended, or a name or a value does not fit.
        NotReady, NotWritable: the store or a place cannot be written.
    """

    def __init__(self, start: RunStart, sinks: Sequence[Sink], clock: Any, database: Any) -> None:
        self._start, self._sinks, self._clock, self._database = start, sinks, clock, database
        self._ended = False
        for sink in sinks:
            sink.start(start)

    @property
    def id(self) -> str:
        """32 hexadecimal digits, also its id for MLflow's clients."""
        return self._start.id

    @property
    def name(self) -> str:
        return self._start.name

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Parameters, such as hyperparameters. One keeps its first value: another is refused."""
        self._each("params", {str(key): str(value) for key, value in params.items()})

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Values of metrics at a step, such as an epoch or a fold."""
        at = self._clock()
        points = [Point(key=key, value=_number(key, value), at=at, step=step) for key, value in metrics.items()]
        self._each("metrics", points)

    def log_losses(self, metric: str, losses: Iterable[float], rows: str) -> None:
        """The loss of each row the model was judged on, in order of time, so that runs can be tested against others.

        `rows` says which rows: runs with equal text were judged on the same ones, such as a digest of the data.
        """
        values = tuple(_number(metric, one) for one in losses)
        if not values or not all(math.isfinite(one) for one in values):
            raise InvalidInput("these losses do not fit", Fault("losses", str(len(values)), "give finite numbers"))
        self._file(LOSSES, msgspec.json.encode(RowLosses(metric=metric, rows=rows, losses=values)))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags, which may change."""
        self._each("tags", {str(key): str(value) for key, value in tags.items()})

    def log_artifact(self, path: str | Path, folder: str = "") -> None:
        """A file, or a folder with all in it, under its own name; `folder`: within the run.

        Raises:
            NotFound: there is no such file.
        """
        source = Path(path)
        if source.is_dir():
            for one in sorted(file for file in source.rglob("*") if file.is_file()):
                self._file(_joined(folder, f"{source.name}/{one.relative_to(source).as_posix()}"), _read(one))
            return
        self._file(_joined(folder, source.name), _read(source))

    def log_text(self, text: str, path: str) -> None:
        """A text as a file of the run, such as SVG, JSON or Markdown."""
        self._file(path, text.encode())

    def log_figure(self, figure: Any, path: str = "plots/figure.svg") -> None:
        """A drawing: SVG as text or bytes, or anything with Matplotlib's `savefig`."""
        if isinstance(figure, str | bytes):
            self._file(path, figure.encode() if isinstance(figure, str) else figure)
            return
        if not hasattr(figure, "savefig"):
            fix = "give SVG as text, or a figure of Matplotlib"
            raise InvalidInput("this is no figure", Fault("figure", shown(type(figure).__name__), fix))
        from io import BytesIO

        drawn = BytesIO()
        figure.savefig(drawn, format=path.rpartition(".")[2] or "svg")
        self._file(path, drawn.getvalue())

    def log_model_architecture(self, model: Any) -> None:
        """What a model is made of, as `architecture.txt`, and as `architecture.json` where it is known as data.

        `model`: a model of Tropism's, a dictionary, or anything whose text says it, such as a module of PyTorch.
        """
        from tropism.learners.model import Model

        facts = architecture(model) if isinstance(model, Model) else model if isinstance(model, dict) else None
        if facts is None:
            self._file("architecture.txt", str(model).encode())
            return
        try:
            data = msgspec.json.format(msgspec.json.encode(facts), indent=2)
        except (TypeError, ValueError) as error:
            fault = Fault("model", str(error)[:200], "use texts, numbers, lists and dictionaries")
            raise InvalidInput("the architecture cannot be written as JSON", fault) from error
        self._file("architecture.json", data)
        self._file("architecture.txt", as_text(msgspec.json.decode(data)).encode())

    def end(self, status: Status = "FINISHED", reason: str = "") -> None:
        """Ends the run; `with` does it. A second time changes nothing."""
        if self._ended:
            return
        try:
            if reason:
                self._each("tags", {"tropism.failure": reason})
            self._each("end", status, self._clock())
        finally:
            self._ended = True
            self._database.dispose()

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.end()
        else:
            killed = issubclass(kind, KeyboardInterrupt | SystemExit)
            self.end("KILLED" if killed else "FAILED", f"{kind.__name__}: {error}"[:2_000])

    def _file(self, path: str, data: bytes) -> None:
        if len(data) > _LARGEST:
            raise InvalidInput("the file is too large", Fault("path", shown(path), f"at most {_LARGEST} bytes"))
        self._each("file", path, data)

    def _each(self, what: str, *values: Any) -> None:
        if self._ended:
            raise InvalidInput("this run has ended", Fault("run", self.id, "log before the end of `with`"))
        for sink in self._sinks:
            getattr(sink, what)(*values)


def _number(key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        fault = Fault(f"metrics.{key}", shown(str(value)[:100]), "give a number")
        raise InvalidInput("a metric is no number", fault) from error


def _joined(folder: str, name: str) -> str:
    return f"{folder.strip('/')}/{name}" if folder.strip("/") else name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fault = Fault("path", str(path), f"name a file that can be read: {error.strerror or error}")
        raise NotFound("the file cannot be read", fault) from error

"""How much a served version relies on each feature of its task: permutation importance on matured rows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from tropism.core.errors import Conflict, Fault, InvalidInput, NotFound, NotReady
from tropism.evaluation.importance import correlated, permutation_importance
from tropism.evaluation.metrics import losses
from tropism.evaluation.references import reference_scores
from tropism.experiments.dependence import inflation
from tropism.feedback.joining import moments
from tropism.learners.encoding import Encoding
from tropism.registry.versions import learnt_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.evaluation.intervals import Interval
    from tropism.feedback.cohorts import LakeVersions
    from tropism.learners.model import Model
    from tropism.registry import ModelVersion
    from tropism.wiring import Platform

    Progress = Callable[[float], None]
    Floats = NDArray[np.float64]

ROWS = 5_000
FEWEST = 30
"""Rows without which an interval says too little."""
FRESH = 200
"""Rows that a version has not learnt from are used alone when there are this many of them, or as many as asked for."""
_PATIENCE = 30.0


class FeatureImportance(msgspec.Struct, frozen=True, kw_only=True):
    """What permuting a feature, or a group of alike ones, adds to the mean loss. `rank`: 1 adds most."""

    features: tuple[str, ...]
    importance: float
    lower: float
    upper: float
    rank: int
    note: str | None = None


class TaskImportance(msgspec.Struct, frozen=True, kw_only=True):
    """`loss` and `baseline_loss`: mean losses on the same rows as they are. `features`: the most important first.

    `in_sample`: the version may have learnt from some of the rows, and so looks better on them than it is.
    """

    task: str
    version: int
    metric: str
    loss: float
    baseline: str
    baseline_loss: float
    rows: int
    in_sample: bool
    features: tuple[FeatureImportance, ...]

    def of(self, feature: str) -> FeatureImportance:
        """Raises: NotFound: the version does not take that feature."""
        for one in self.features:
            if feature in one.features:
                return one
        names = ", ".join(sorted(name for one in self.features for name in one.features))
        fix = f"use one of: {names}; or a version that was trained with it"
        raise NotFound(f"version {self.version} of '{self.task}' does not take it", Fault("feature", feature, fix))


class _Window(NamedTuple):
    """The last `rows` of the matured rows are those to permute, from `since` (µs) on."""

    lake: LakeVersions
    now: int
    since: int
    rows: int
    in_sample: bool
    baseline: str
    baseline_loss: float


class Importances:
    """Measures one at a time; a further caller waits for his turn. The last result is kept for as long as it holds.

    Safe in any thread.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._turn = threading.Lock()
        self._last: tuple[object, TaskImportance] | None = None

    def measure(
        self,
        name: str,
        version: int | None = None,
        rows: int = ROWS,
        *,
        grouped: bool = False,
        progress: Progress | None = None,
    ) -> TaskImportance:
        """Importances on the newest `rows` matured rows of a task; `version`: the champion by default.

        Rows that the version did not learn from are used alone where there are enough of them. `grouped`: numbers
        and booleans whose rank correlation exceeds 0.9 in size are permuted together, as one.

        Raises:
            UnknownTask, UnknownModel, UnknownVersion: there is none.
            InvalidInput: no version was named and there is no champion.
            Conflict: fewer than 30 rows have matured, or the version is in quarantine.
            NotReady: others are being measured for longer than one can wait.
        """
        task = self._platform.registry.tasks.get(name)
        found = _version(self._platform, task, version)
        if not self._turn.acquire(timeout=_PATIENCE):
            fault = Fault("importance", "busy", "try again when the others are done")
            raise NotReady("other importances are being measured", fault)
        try:
            window = _window(self._platform, task, found, rows)
            key = (task, found, grouped, window.lake, window.since, window.rows)
            if self._last is None or self._last[0] != key:
                self._last = (key, _measure(self._platform, task, found.version, window, grouped, progress))
            return self._last[1]
        finally:
            self._turn.release()


def task_of(platform: Platform, feature: str, task: str | None) -> str:
    """The task that a feature's importance is asked for; the only one that has it, where none is named.

    Raises:
        UnknownTask: there is none of that name.
        NotFound: no task, or not that one, has the feature.
        InvalidInput: several tasks have it.
    """
    tasks = platform.registry.tasks.all() if task is None else (platform.registry.tasks.get(task),)
    having = [one.name for one in tasks if feature in one.feature_names]
    if len(having) == 1:
        return having[0]
    if having:
        fix = f"name one of: {', '.join(having)}"
        raise InvalidInput(f"{len(having)} tasks have the feature '{feature}'", Fault("task", "", fix))
    names = sorted({name for one in tasks for name in one.feature_names})
    fix = f"use one of: {', '.join(names)}" if names else "declare a task in project.py and run `tropism apply`"
    what = "no task has such a feature" if task is None else f"'{task}' has no such feature"
    raise NotFound(what, Fault("feature", feature, fix))


def _version(platform: Platform, task: Task, version: int | None) -> ModelVersion:
    if version is None:
        version = platform.registry.aliases.get(task.name, "champion")
    if version is None:
        fix = f"name a version; `tropism models {task.name}` lists them"
        raise InvalidInput(f"'{task.name}' has no champion", Fault("version", "", fix))
    return platform.registry.versions.get(task.name, version)


def _window(platform: Platform, task: Task, version: ModelVersion, rows: int) -> _Window:
    """Reads no features: there may be many more matured rows than are used."""
    now = platform.clock.now()
    matured = platform.cohorts.matured(task, now=now, columns=("at", "label", "label_at"))
    at, labels = moments(matured.table, "at"), matured.table["label"].to_numpy()
    fresh = len(at) - int(np.searchsorted(at, learnt_until(version), side="right"))
    in_sample = fresh < min(FRESH, rows)
    count = min(rows, len(at) if in_sample else fresh)
    if count < FEWEST:
        fix = f"wait for {FEWEST} whose outcome window has closed, or import history: tropism train {task.name} --data"
        what = f"'{task.name}' has too few matured predictions with a label"
        raise Conflict(what, Fault("rows", str(count), fix))
    scores = reference_scores(task, labels, at, moments(matured.table, "label_at"))
    means = {rule: float(np.mean(losses(task.metric_name, labels, made)[-count:])) for rule, made in scores.items()}
    baseline = min(means, key=means.__getitem__)
    return _Window(matured.lake, now, int(at[-count]), count, in_sample, baseline, means[baseline])


def _measure(
    platform: Platform, task: Task, version: int, window: _Window, grouped: bool, progress: Progress | None
) -> TaskImportance:
    model = platform.fetch(task, version)
    names = [column.name for column in model.encoding.facts.columns]
    at, labels, codes = _rows(platform, task, model, window)
    numbers = [index for index, one in enumerate(model.encoding.facts.columns) if one.type != "category"]
    alike = correlated(codes, numbers)
    groups = [[index] for index in range(len(names))]
    if grouped:
        groups = sorted([*alike, *([index] for index in range(len(names)) if index not in numbers)])
    found = permutation_importance(
        task.metric_name,
        labels,
        codes,
        lambda matrix: model.predict_matrix(matrix, at),
        groups,
        inflation=inflation,
        progress=progress,
    )
    ranked = _ranked(groups, found.added, codes, names, alike)
    return TaskImportance(
        task=task.name,
        version=version,
        metric=task.metric_name,
        loss=found.loss.value,
        baseline=window.baseline,
        baseline_loss=window.baseline_loss,
        rows=len(labels),
        in_sample=window.in_sample,
        features=ranked,
    )


def _ranked(
    groups: list[list[int]], added: Sequence[Interval], codes: Floats, names: list[str], alike: list[list[int]]
) -> tuple[FeatureImportance, ...]:
    """What permuting each group of columns adds, the most important first."""
    values = [one.value for one in added]
    features = [
        FeatureImportance(
            features=tuple(names[index] for index in group),
            importance=one.value,
            lower=one.low,
            upper=one.high,
            rank=1 + sum(value > one.value for value in values),
            note=_note(one, codes[:, group], [names[index] for index in _twins(group, alike)]),
        )
        for group, one in zip(groups, added, strict=True)
    ]
    return tuple(sorted(features, key=lambda one: one.rank))


def _rows(platform: Platform, task: Task, model: Model, window: _Window) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Moments, labels and codes of the window's rows."""
    columns = {"at", "label", *(f"f_{name}" for name in task.feature_names)}
    read = platform.cohorts.matured(
        task, now=window.now, since=window.since, versions=window.lake, columns=columns
    ).table
    table = read.slice(max(read.num_rows - window.rows, 0))
    features = pa.table({name: table[f"f_{name}"] for name in task.feature_names})
    codes = Encoding(msgspec.structs.replace(model.encoding.facts, style="codes")).matrix(features)
    return moments(table, "at"), table["label"].to_numpy(), codes


def _twins(group: list[int], alike: list[list[int]]) -> list[int]:
    """Features that are like those of a group and were not permuted with them."""
    return [index for one in alike if set(one) & set(group) for index in one if index not in group]


def _note(found: Interval, codes: Floats, twins: list[str]) -> str | None:
    """What a reader of the figures should know of them."""
    notes = []
    if all(len(np.unique(column)) == 1 for column in codes.T):
        notes.append("it is the same in all of these rows, so permuting it shows nothing")
    elif found.low <= 0 <= found.high:
        notes.append("the interval covers 0: these rows do not show that the model relies on it")
    elif found.high < 0:
        notes.append("permuting it makes the loss smaller: on these rows the model would do better without it")
    if twins:
        notes.append(f"it correlates above 0.9 with {', '.join(twins)}, and shares its importance with them")
    return "; ".join(notes) or None

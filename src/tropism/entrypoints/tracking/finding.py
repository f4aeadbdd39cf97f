"""Finds runs in the store, and shows them whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.errors import Fault, InvalidInput, NotFound
from tropism.core.faults import one_of, shown
from tropism.loop.runs.logging import experiment_of
from tropism.loop.runs.telling import LOSSES, RowLosses
from tropism.registry.tracking.experiments import ARTIFACTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.registry.tracking import Experiment, Run, Tracking

_ID = re.compile(r"[0-9a-f]{4,32}")
_EXPERIMENTS = 10_000
_SHOWN = 5
"""Ids that are listed where several runs fit."""
_HISTORY = 10_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A run. Times in µs. `metrics`: the latest value of each; `figures` of them are numbers. `files`: paths in it."""

    id: str
    name: str
    experiment: str
    status: str
    started_at: int
    ended_at: int | None
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: tuple[str, ...] = ()


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a metric that has more than one: steps and values, in order of step."""

    metric: str
    points: tuple[tuple[int, float], ...]


def list_runs(
    tracking: Tracking, now: int, *, experiment: str | None = None, task: str | None = None, limit: int = 50
) -> list[Shown]:
    """Runs, the last started first; those of one experiment, or of a task's trainings.

    Raises:
        NotFound: there is no such experiment.
    """
    experiments = _experiments(tracking, now)
    name = experiment_of(task) if task is not None else experiment
    if name is not None:
        chosen = [one for one in experiments if name in (one.name, one.id)]
        if not chosen:
            if task is not None:
                return []
            fix = one_of(name, [one.name for one in experiments], "experiments", "log a run first")
            raise NotFound(f"there is no experiment '{name}'", Fault("experiment", shown(name), fix))
    else:
        chosen = list(experiments)
    names = {one.id: one.name for one in chosen}
    found = tracking.search.find(list(names), limit=limit)
    return [_shown(run, names[run.info.experiment_id]) for run in found]


def find_run(tracking: Tracking, wanted: str, now: int) -> Shown:
    """The run of an id, of the beginning of one, or of a name if only one has it; with its files.

    Raises:
        NotFound: there is none.
        InvalidInput: there are several.
    """
    run = _exact(tracking, wanted)
    if run is None:
        found = tracking.search.named(wanted, wanted if _ID.fullmatch(wanted) else "", limit=_SHOWN)
        if not found:
            fault = Fault("run", shown(wanted), "list them: tropism runs list")
            raise NotFound(f"there is no run '{wanted}'", fault)
        if len(found) > 1:
            ids = ", ".join(one.id[:8] for one in found)
            raise InvalidInput("several runs have this name", Fault("run", shown(wanted), f"use an id: {ids}"))
        run = tracking.runs.get(found[0].id)
    experiment = tracking.experiments.get(run.info.experiment_id, now).name
    return msgspec.structs.replace(_shown(run, experiment), files=_files(tracking, run))


def curves(tracking: Tracking, run_id: str, names: Sequence[str] | None = None) -> list[Curve]:
    """The metrics of a run that have values at more than one step, up to 10,000 values each."""
    found = []
    for key, values in sorted(tracking.metrics.histories(run_id, limit=_HISTORY).items()):
        by_step = {one.step: one.value for one in values}
        if len(by_step) > 1 and (names is None or key in names):
            found.append(Curve(metric=key, points=tuple(sorted(by_step.items()))))
    return found


def read_file(tracking: Tracking, run_id: str, path: str) -> bytes:
    """A file of a run. Raises: NotFound, ArtifactTampered."""
    return tracking.files.get(f"{_root(tracking.runs.get(run_id))}/{path}")


def row_losses(tracking: Tracking, run: Shown) -> RowLosses | None:
    """The loss of each row that a run was judged on; None where it was not kept."""
    if LOSSES not in run.files:
        return None
    try:
        return msgspec.json.decode(read_file(tracking, run.id, LOSSES), type=RowLosses)
    except msgspec.DecodeError:  # a file of that name that somebody else wrote
        return None


def told(tracking: Tracking, run: Shown) -> dict[str, Any]:
    """A run as JSON: what it logged, and `curves`: metrics by step."""
    return {**msgspec.to_builtins(run), "curves": msgspec.to_builtins(curves(tracking, run.id))}


def _exact(tracking: Tracking, wanted: str) -> Run | None:
    if len(wanted) != 32 or not _ID.fullmatch(wanted):
        return None
    try:
        return tracking.runs.get(wanted)
    except NotFound:
        return None


def _experiments(tracking: Tracking, now: int) -> tuple[Experiment, ...]:
    return tracking.experiments.search("", (), "ACTIVE_ONLY", limit=_EXPERIMENTS, start=0, now=now)


def _shown(run: Run, experiment: str) -> Shown:
    info = run.info
    return Shown(
        id=info.id,
        name=info.name,
        experiment=experiment,
        status=info.status,
        started_at=info.started_at,
        ended_at=info.ended_at,
        params=run.params,
        metrics={one.key: one.value for one in run.metrics},
        tags=run.tags,
    )


def _root(run: Run) -> str:
    return run.info.artifact_uri.removeprefix(ARTIFACTS).strip("/")


def _files(tracking: Tracking, run: Run) -> tuple[str, ...]:
    return tracking.files.tree(_root(run)) if run.info.artifact_uri.startswith(ARTIFACTS) else ()

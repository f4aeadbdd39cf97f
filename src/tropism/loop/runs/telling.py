"""What the run of a training tells: parameters, metrics by step, tags and files, from its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tropism.core.clock import iso
from tropism.evaluation.losses import display
from tropism.loop.runs import drawing
from tropism.training.architecture import as_text
from tropism.training.runs.base import Point

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.core.task import Task
    from tropism.training.report import RunReport
    from tropism.training.request import TrainingResult

LOSSES = "losses.json"
"""The file of a run that holds the loss of each row it was judged on."""


class Told(NamedTuple):
    """All of a run but its beginning and its end. `files`: by their paths."""

    params: dict[str, str]
    points: list[Point]
    tags: dict[str, str]
    files: dict[str, bytes]


class RowLosses(msgspec.Struct, frozen=True, kw_only=True):
    """The loss of each row, in order of time. Two runs with equal `rows` (a digest) were judged on the same rows."""

    metric: str
    rows: str
    losses: tuple[float, ...]


def told_of(task: Task, result: TrainingResult, report: RunReport | None, at: int) -> Told:
    """What a training that made a version tells. Without a report there is no curve, architecture or drawing."""
    points = _points(task, result, at)
    params = _params(result, report)
    files: dict[str, bytes] = {"candidates.json": _json(result.candidates)}
    tags = {
        "tropism.artifact": result.artifact,
        "tropism.data_sha256": str(result.data.get("sha256", "")),
        "tropism.lake": msgspec.json.encode(result.data.get("lake"), order="deterministic").decode(),
        **{f"tropism.environment.{name}": str(value) for name, value in sorted(result.environment.items())},
    }
    if report is not None:
        points += [Point(key=f"curve_{task.metric_name}", value=loss, at=at, step=step) for step, loss in report.curve]
        points += [
            Point(key=f"importance/{_key(name)}", value=share, at=at)
            for name, share in _largest(report.importance, 100).items()
        ]
        files |= _files(task, report)
        files |= _drawings(task, result, report)
        tags["tropism.validation_sha256"] = report.validation.sha256
    return Told(params, points, tags, files)


def _params(result: TrainingResult, report: RunReport | None) -> dict[str, str]:
    params = {
        "learner": result.learner,
        "span": result.span,
        "rows": str(result.rows),
        "candidates": str(len(result.candidates)),
        "calibrated": str(result.calibrated).lower(),
        "trained_until": iso(result.trained_until),
        "data_from": iso(int(result.data.get("from", 0))),
    }
    if report is None:
        return params
    checked = report.validation
    params |= {
        "seed": str(report.seed),
        "validation_rows": str(checked.rows),
        "validation_from": iso(checked.since),
        "validation_until": iso(checked.until),
    }
    return params | {f"{result.learner}.{name}": str(value) for name, value in sorted(report.parameters.items())}


def _points(task: Task, result: TrainingResult, at: int) -> list[Point]:
    """The final figures, with the baselines beside them, and each candidate's loss by its number."""
    metric = task.metric_name
    found = {"loss": result.loss, metric: display(metric, result.loss)}
    for name, value in result.baselines.items():
        found[f"baseline/{_key(name)}"] = value
    if result.baselines:
        found["loss_less_best_baseline"] = result.loss - min(result.baselines.values())
    for name, one in result.metrics.items():
        if isinstance(one, dict) and isinstance(one.get("value"), int | float):
            found[_key(name)] = float(one["value"])
            found |= {
                f"{_key(name)}_{end}": float(one[end])
                for end in ("low", "high")
                if isinstance(one.get(end), int | float)
            }
    found |= {"cpu_seconds": result.cpu_seconds, "fits": float(result.fits), "rows": float(result.rows)}
    points = [Point(key=name, value=value, at=at) for name, value in found.items()]
    return points + [
        Point(key="candidate_loss", value=one.loss, at=at, step=number) for number, one in enumerate(result.candidates)
    ]


def _files(task: Task, report: RunReport) -> dict[str, bytes]:
    facts = report.architecture
    checked = report.validation
    files = {"architecture.json": _json(facts), "architecture.txt": as_text(facts).encode()}
    if checked.losses:
        kept = RowLosses(metric=task.metric_name, rows=checked.sha256, losses=checked.losses)
        files[LOSSES] = msgspec.json.encode(kept)
    return files


def _drawings(task: Task, result: TrainingResult, report: RunReport) -> dict[str, bytes]:
    """SVG, of what is known already."""
    files = {}
    names = [f"{one.learner} on {one.span}" for one in result.candidates]
    losses = [*zip(names, (one.loss for one in result.candidates), strict=True)]
    losses += [(f"baseline {name}", value) for name, value in result.baselines.items()]
    files["plots/candidates.svg"] = drawing.bars(f"{task.name}: mean loss of each candidate", losses)
    if len(report.curve) > 1:
        curve = [(float(step), loss) for step, loss in report.curve]
        series = [(result.learner, curve)]
        if result.baselines:
            name, value = min(result.baselines.items(), key=lambda one: one[1])
            series.append((f"baseline {name}", [(curve[0][0], value), (curve[-1][0], value)]))
        title = f"{task.name}: loss on later rows, by number of trees"
        files["plots/learning_curve.svg"] = drawing.lines(title, series, "trees", task.metric_name)
    if report.reliability:
        pairs = sorted((one.predicted, one.observed) for one in report.reliability)
        title = f"{task.name}: predicted and observed, before calibration"
        files["plots/calibration.svg"] = drawing.lines(
            title, [(result.learner, pairs)], "mean score", "share of positives", diagonal=True
        )
    if any(report.importance.values()):
        largest = list(_largest(report.importance, 30).items())
        files["plots/importance.svg"] = drawing.bars(f"{task.name}: share of what decides the scores", largest)
    return {name: text.encode() for name, text in files.items()}


def _largest(shares: Mapping[str, float], most: int) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda one: -one[1])[:most])


def _key(name: str) -> str:
    """A name that MLflow takes for a metric."""
    plain = "".join(letter if letter.isalnum() or letter in "_.- " else "_" for letter in name)
    return plain.strip(".")[:200] or "_"


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)

"""The training job itself: fit every candidate, judge them on later data, refit the best on all of its span."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from tropism.core.errors import DataInvalid, Fault, TrainingFailed
from tropism.evaluation.metrics import losses, summarise
from tropism.evaluation.references import reference_scores
from tropism.learners.artifact import store
from tropism.learners.calibration import fit_calibration
from tropism.learners.fitting import fit_model
from tropism.training.report import report_of
from tropism.training.request import Candidate, Span, TrainingRequest, TrainingResult
from tropism.training.rolling import against_baseline
from tropism.training.rows import Rows, read_rows
from tropism.training.split import MIN_ROWS, time_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.core.task import Task
    from tropism.learners.base import Dataset
    from tropism.learners.model import Model
    from tropism.storage.blobs import Blobs
    from tropism.training.rolling import Rolled
    from tropism.training.split import Split

log = logging.getLogger("tropism.training")
Progress = Callable[[float, str], None]
_LIBRARIES = ("tropism", "lightgbm", "numpy", "scikit-learn", "pyarrow")


class _Judged(NamedTuple):
    candidate: Candidate
    span: Span
    model: Model
    scores: NDArray[np.float64]
    losses: NDArray[np.float64]


def train(request: TrainingRequest, blobs: Blobs, progress: Progress) -> TrainingResult:
    """Run a job. `progress` is called with a share from 0 to 1 and a sentence.

    Candidates (learner x span) are fitted on rows known before a validation slice at the end of the data and
    compared on it; the one with the smallest mean loss is fitted again on its span including the slice.

    Raises:
        TrainingFailed: too few rows, or no candidate could be fitted; says why for each.
    """
    started = time.process_time()
    task = request.task
    rows = read_rows(task, request.table)
    split = time_split(rows.at, rows.known_at, request.validation_rows)
    judged = _judge_all(request, rows, split, progress)
    best = min(judged, key=lambda one: one.candidate.loss)
    rolled = _first(request, rows, best, len(judged), progress) if request.first else None
    progress(0.9, f"refitting {best.candidate.learner} on {best.span.name}")
    everything = _within(best.span, np.arange(len(rows.at)), rows.at)
    labels = rows.labels[split.validation]
    model, calibrated = _refit(request, rows.take(everything), labels, best)
    metrics = msgspec.to_builtins(summarise(task.kind, labels, best.scores))
    facts = {"rows": len(everything), "sha256": rows.digest(everything), "from": int(rows.at[everything[0]])}
    return TrainingResult(
        artifact=store(model, blobs, metrics=metrics),
        learner=best.candidate.learner,
        span=best.span.name,
        rows=len(everything),
        trained_until=int(rows.known_at.max()),
        loss=best.candidate.loss,
        baselines=_baselines(task, rows, split),
        against_baseline=None if rolled is None else msgspec.to_builtins(rolled.evidence),
        metrics=metrics,
        candidates=tuple(one.candidate for one in judged),
        data={**request.data, **facts},
        signature=signature(task),
        environment={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        fits=len(judged) + 1 + (0 if rolled is None else rolled.fits),
        cpu_seconds=time.process_time() - started,
        calibrated=calibrated,
        report=_report(request, rows, split, best, model, blobs),
    )


def _report(request: TrainingRequest, rows: Rows, split: Split, best: _Judged, model: Model, blobs: Blobs) -> str:
    """The digest of what the run is to tell. The training is as good without it."""
    try:
        told = report_of(request.task, best.model, model, rows, split.validation, best.scores, best.losses)
        return blobs.put(msgspec.json.encode(told))
    except Exception:
        log.exception("the run's report could not be made; the training goes on without it")
        return ""


def _first(request: TrainingRequest, rows: Rows, best: _Judged, tried: int, progress: Progress) -> Rolled:
    """The winner of `tried` candidates was chosen on some of these rows, so it gets that much less alpha."""
    progress(0.7, f"comparing {best.candidate.learner} with the baseline")
    alpha = request.task.policy.gate.alpha / tried
    return against_baseline(request.task, best.candidate.learner, rows, alpha=alpha, seed=request.seed)


def signature(task: Task) -> dict[str, Any]:
    """What a model of this task takes and gives: feature names and types in order, and its classes."""
    inputs = [{"name": feature.name, "type": feature.type} for feature in task.features]
    return {"kind": task.kind, "inputs": inputs, "classes": list(task.classes)}


def _within(span: Span, rows: NDArray[np.intp], at: NDArray[np.int64]) -> NDArray[np.intp]:
    """Those of `rows` (ascending row numbers) that a span covers when the last of them is the newest."""
    if span.rows is not None:
        return rows[-span.rows :]
    return rows if span.since is None else rows[at[rows] >= span.since]


def _judge_all(request: TrainingRequest, rows: Rows, split: Split, progress: Progress) -> list[_Judged]:
    plans = [(learner, span) for learner in request.task.learners for span in request.spans]
    judged, failures = [], []
    for number, (learner, span) in enumerate(plans):
        progress(0.7 * number / len(plans), f"fitting {learner} on {span.name}")
        try:
            one = _judge(request, rows, split, learner, span)
        except (TrainingFailed, DataInvalid) as error:
            failures.append(Fault(f"{learner} on {span.name}", "", error.message))
            continue
        judged.append(one)
    if not judged:
        raise TrainingFailed("no candidate could be fitted", *failures)
    return judged


def _judge(request: TrainingRequest, rows: Rows, split: Split, learner: str, span: Span) -> _Judged:
    task = request.task
    fit = _within(span, split.fit, rows.at)
    if len(fit) < MIN_ROWS:
        raise TrainingFailed(f"only {len(fit)} rows are known before the validation slice")
    model = fit_model(task, learner, rows.take(fit), parameters=task.parameters.get(learner), seed=request.seed)
    scores = model.predict(rows.features.take(pa.array(split.validation)))
    loss = losses(task.metric_name, rows.labels[split.validation], scores)
    candidate = Candidate(learner=learner, span=span.name, rows=len(fit), loss=float(loss.mean()))
    return _Judged(candidate, span, model, scores, loss)


def _refit(request: TrainingRequest, data: Dataset, labels: NDArray[np.float64], best: _Judged) -> tuple[Model, bool]:
    """The best candidate on its whole span, calibrated with the scores it gave to rows it had not seen."""
    task = request.task
    learner = best.candidate.learner
    model = fit_model(task, learner, data, parameters=task.parameters.get(learner), seed=request.seed)
    if task.kind == "regression" or not task.calibrate:
        return model, False
    half = len(labels) // 2
    trial = fit_calibration(task.kind, labels[:half], best.scores[:half])
    before = losses("log_loss", labels[half:], best.scores[half:]).mean()
    after = losses("log_loss", labels[half:], trial.apply(best.scores[half:])).mean()
    if after >= before:
        return model, False
    return model.with_calibration(fit_calibration(task.kind, labels, best.scores)), True


def _baselines(task: Task, rows: Rows, split: Split) -> dict[str, float]:
    labels = rows.labels[split.validation]
    scores = reference_scores(task, rows.labels, rows.at, rows.known_at)
    return {
        name: float(losses(task.metric_name, labels, values[split.validation]).mean())
        for name, values in scores.items()
    }

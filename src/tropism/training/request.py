"""What a training job is asked and what it answers. Both travel as JSON between processes."""

from __future__ import annotations

from typing import Any

import msgspec

from tropism.core.task import Task


class Span(msgspec.Struct, frozen=True):
    """A stretch of history that ends with the newest row: its last `rows`, or from `since` (µs) on, or all."""

    name: str
    rows: int | None = None
    since: int | None = None


class TrainingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One training job.

    `table`: an Arrow file of labelled rows, ordered by `at`: columns `at`, `label`, `label_at` and one
    `f_<name>` a feature. `data`: where these rows came from (lake table versions), recorded with the model.
    """

    job: str
    task: Task
    table: str
    data: dict[str, Any]
    blobs: str
    spans: tuple[Span, ...]
    first: bool = False
    seed: int = 0
    validation_rows: int = 1_000
    memory_mb: int = 8_192
    timeout: int = 1_800_000_000


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One learner on one span: how it did on the validation slice."""

    learner: str
    span: str
    rows: int
    loss: float


class TrainingResult(msgspec.Struct, frozen=True, kw_only=True):
    """The artifact of the best candidate, refitted on its whole span, and what is known about it.

    `metrics` were measured on the validation slice by the fit that had not seen it. `baselines` holds the mean
    loss of each reference rule on the same slice. `against_baseline`: for a first model, the rolling comparison with
    the baseline that answers while there is none (`experiments.evidence.Evidence`). `report`: digest of what its run
    tells (`training.report.RunReport`, as JSON among the blobs); empty where there is none.
    """

    artifact: str
    learner: str
    span: str
    rows: int
    trained_until: int
    loss: float
    baselines: dict[str, float]
    against_baseline: dict[str, Any] | None
    metrics: dict[str, Any]
    candidates: tuple[Candidate, ...]
    data: dict[str, Any]
    signature: dict[str, Any]
    environment: dict[str, Any]
    fits: int
    cpu_seconds: float
    calibrated: bool = False
    notes: tuple[str, ...] = ()
    report: str = ""

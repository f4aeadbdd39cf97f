"""How well a model does on matured outcomes: over time beside the baseline, and whether it got worse."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.dependence import inflation

Floats = NDArray[np.float64]
PERIOD = 100
"""Outcomes to which `confidence` refers: decay is announced falsely once in PERIOD / (1 - confidence) outcomes."""
MIN_REFERENCE = 30
_SHIFTS = (0.1, 0.2, 0.4, 0.8)
"""Worsenings that the detector looks for, in standard deviations of one loss."""
_MOST_STAKED = 0.9
_NORMAL_95 = 1.959963984540054
_NORMAL_80 = 0.8416212335729143


class Mean(msgspec.Struct, frozen=True):
    """A mean with its 95% interval, which allows for serial dependence; no interval for fewer than two values."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


class VersionLoss(msgspec.Struct, frozen=True):
    """Loss of one version's predictions, and of the baseline on the same ones."""

    version: int
    loss: Mean
    baseline: Mean


class Window(msgspec.Struct, frozen=True):
    """Predictions made from `start` until before `end`, in µs since the epoch."""

    start: int
    end: int
    loss: Mean
    baseline: Mean
    versions: tuple[VersionLoss, ...]


class Decay(msgspec.Struct, frozen=True):
    """Whether the recent loss is worse than the reference.

    `score`: 0 to 1, to be compared with the confidence asked for. `reference` and `recent`: mean losses, None when
    there are none. `since`: index in the recent losses where the worsening most likely began. `after`: mean loss
    from there on. `run_length`: outcomes between two false alarms, at least, on average.
    """

    score: float
    reference: float | None
    recent: float | None
    triggered: bool
    n_reference: int
    n_recent: int
    since: int
    after: float | None
    run_length: float


def by_window(
    at: ArrayLike, version: ArrayLike, loss: ArrayLike, baseline_loss: ArrayLike, bins: int | Sequence[int] = 20
) -> list[Window]:
    """Mean loss in windows of time, per version, beside the baseline. Windows without predictions are left out.

    Args:
        at: µs since the epoch of each prediction, shape (n,), in order.
        version: of the model that made it.
        loss: its matured loss; rows without a finite one are left out.
        baseline_loss: of the baseline's answer to the same row; NaN where it had none.
        bins: number of windows of equal length, or their edges in µs.

    Raises:
        InvalidInput: lengths differ, or there are no bins.

    >>> window = by_window([0, 5, 9], [1, 1, 2], [0.5, 0.7, 0.1], [1.0, 1.0, 1.0], bins=1)[0]
    >>> window.end, round(window.versions[0].loss.value, 2), window.baseline.value
    (10, 0.6, 1.0)
    """
    times, losses = np.asarray(at, dtype=np.int64), np.asarray(loss, dtype=np.float64)
    models, baseline = np.asarray(version), np.asarray(baseline_loss, dtype=np.float64)
    if not times.shape == losses.shape == models.shape == baseline.shape:
        shapes = f"{times.shape}, {models.shape}, {losses.shape}, {baseline.shape}"
        raise InvalidInput("columns differ in length", Fault("at, version, loss, baseline_loss", shapes, "match them"))
    limits = edges(times, bins)
    place = np.searchsorted(limits, times, side="right") - 1
    windows = []
    for index in range(len(limits) - 1):
        rows = (place == index) & np.isfinite(losses)
        if not rows.any():
            continue
        versions = tuple(
            VersionLoss(int(model), _mean(losses[rows & (models == model)]), _mean(baseline[rows & (models == model)]))
            for model in np.unique(models[rows])
        )
        start, end = int(limits[index]), int(limits[index + 1])
        windows.append(Window(start, end, _mean(losses[rows]), _mean(baseline[rows]), versions))
    return windows


def edges(times: NDArray[np.int64], bins: int | Sequence[int]) -> NDArray[np.int64]:
    """Where windows of time begin and end: the edges given, or those of `bins` windows of equal length over `times`.

    Raises:
        InvalidInput: there are no bins.

    >>> edges(np.array([0, 9]), 2).tolist()
    [0, 5, 10]
    """
    if not isinstance(bins, int):
        given = np.asarray(bins, dtype=np.int64)
        if len(given) < 2 or (np.diff(given) <= 0).any():
            raise InvalidInput("edges do not make windows", Fault("bins", str(list(bins)), "give two or more, rising"))
        return given
    if bins < 1:
        raise InvalidInput("no windows", Fault("bins", str(bins), "use 1 or more"))
    if not len(times):
        return np.zeros(1, dtype=np.int64)
    first, span = int(times.min()), int(times.max()) - int(times.min()) + 1
    return np.unique(np.array([first + span * step // bins for step in range(bins + 1)], dtype=np.int64))


def decay(reference_loss: ArrayLike, recent_loss: ArrayLike, confidence: float = 0.99) -> Decay:
    """Whether the champion's loss has become worse than its reference, at whatever moment that happened.

    May be asked at every look, with all losses since the reference: while nothing changes it answers yes once in
    PERIOD / (1 - confidence) outcomes at most, on average; 10,000 at the default confidence.

    Each recent loss is an e-value against "the mean is no higher than the reference's upper 80% bound"; a
    Shiryaev-Roberts sum over all moments at which the worsening may have begun detects it. Source: Shin, Ramdas
    and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2024). Losses beyond
    the worst of the reference count as that one. Serial dependence in the reference discounts the e-values.

    Args:
        reference_loss: matured losses from when the champion was known to be good, shape (m,), in time order.
        recent_loss: matured losses since, shape (n,), in time order.
        confidence: between 0 and 1.

    Both are cleared of values that are not finite; fewer than MIN_REFERENCE references never trigger.

    >>> rng = np.random.default_rng(0)
    >>> good, bad = rng.normal(1.0, 0.3, 300), rng.normal(1.3, 0.3, 100)
    >>> decay(good, rng.normal(1.0, 0.3, 100)).triggered, decay(good, bad).triggered
    (False, True)
    """
    if not 0 < confidence < 1:
        raise InvalidInput("not a confidence", Fault("confidence", str(confidence), "use one between 0 and 1"))
    reference = _finite(reference_loss)
    given = np.asarray(recent_loss, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(given))
    recent = given[kept]
    run_length = PERIOD / (1 - confidence)
    log_evidence, since = -np.inf, 0
    if len(reference) >= MIN_REFERENCE and len(recent):
        log_evidence, since = _detector(reference, recent)
    score = 1 - exp(min(0.0, np.log(PERIOD) - log_evidence))
    return Decay(
        score=score,
        reference=float(reference.mean()) if len(reference) else None,
        recent=float(recent.mean()) if len(recent) else None,
        triggered=score >= confidence,
        n_reference=len(reference),
        n_recent=len(recent),
        since=int(kept[since]) if len(recent) else 0,
        after=float(recent[since:].mean()) if len(recent) else None,
        run_length=run_length,
    )


def _detector(reference: Floats, recent: Floats) -> tuple[float, int]:
    """Logarithm of the Shiryaev-Roberts sum after the last loss, and where the worsening most likely began."""
    low, high = float(reference.min()), float(reference.max())
    if high == low:
        high = low + max(abs(low), 1.0)
    # One more loss as bad as the worst: what a short reference has not seen may still be ordinary.
    padded = (np.append(reference, high) - low) / (high - low)
    factor = inflation(padded[:-1])
    deviation = float(padded.std(ddof=1))
    ceiling = float(padded.mean()) + _NORMAL_80 * deviation * sqrt(factor / len(padded))
    excess = (np.clip(recent, low, high) - low) / (high - low) - ceiling
    best, totals = (-np.inf, 0), []
    for shift in _SHIFTS:
        stake = min(shift / deviation, _MOST_STAKED / ceiling)
        steps = np.concatenate([[0.0], np.cumsum(np.log1p(stake * excess)) / factor])
        since = steps[-1] - steps[:-1]
        totals.append(float(np.logaddexp.reduce(since)))
        best = max(best, (float(since.max()), int(since.argmax())))
    return float(np.logaddexp.reduce(totals)) - float(np.log(len(totals))), best[1]


def _mean(values: Floats) -> Mean:
    finite = _finite(values)
    n = len(finite)
    if n == 0:
        return Mean(0)
    center = float(finite.mean())
    if n == 1:
        return Mean(1, center)
    width = _NORMAL_95 * float(finite.std(ddof=1)) * sqrt(inflation(finite) / n)
    return Mean(n, center, center - width, center + width)


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return np.asarray(array[np.isfinite(array)])

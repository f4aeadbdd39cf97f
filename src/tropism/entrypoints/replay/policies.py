"""Reference policies, evaluated on the same events as the loop: no change, a static model, scheduled refits.

Each is prequential: an event is predicted before its label is used, and a label is used only when it is known.
Known labels are always those of the first events of the stream, so one count says which.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray

    from tropism.entrypoints.replay.stream import Stream

    Predictor = Callable[[pa.Table], NDArray[np.float64]]
    """Features (n rows) to scores (n, k), as `tropism.evaluation.metrics` reads them."""
    Fit = Callable[[pa.Table, NDArray[np.float64], NDArray[np.int64]], Predictor]
    """Features, labels and times (µs) of a span of history to a fitted model's predictor."""

_BLOCK = 20_000


@dataclass(frozen=True, eq=False)
class PolicyResult:
    """What a policy predicted.

    `start`: index of the first event predicted. `scores`: (n - start, k). `fits`: index of the event before
    which each model was fitted. `cpu_seconds`: of this process, all its threads.
    """

    name: str
    start: int
    scores: NDArray[np.float64]
    models_trained: int = 0
    fits: tuple[int, ...] = ()
    cpu_seconds: float = 0.0


def known_counts(stream: Stream) -> NDArray[np.int64]:
    """(n,) how many labels, those of the first events, are known when each event is predicted."""
    index = np.arange(len(stream))
    return np.searchsorted(stream.known_from, index, side="right").astype(np.int64)


def no_change(stream: Stream, *, warmup: int) -> PolicyResult:
    """Predicts the last label that is known.

    Its confidence, for classes, is the share of known events for which it was right so far, (right + 1) /
    (known + 2), never less than chance: a bare 0 or 1 would lose every probability metric for no good reason.
    Before any label is known every class is as likely, and a number is taken to be 0.
    """
    begun = time.process_time()
    known = known_counts(stream)
    last = np.where(known > 0, stream.labels[np.maximum(known - 1, 0)], np.nan)
    kind = stream.task.kind
    if kind == "regression":
        scores = np.nan_to_num(last)[:, None]
    else:
        classes = 2 if kind == "binary" else len(stream.task.classes)
        scores = _persistence(last, stream.labels, known, classes)
        scores = scores[:, 1:] if kind == "binary" else scores
    return PolicyResult("no-change", warmup, scores[warmup:], cpu_seconds=time.process_time() - begun)


def static(
    stream: Stream,
    fit: Fit,
    *,
    warmup: int,
    fewest: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> PolicyResult:
    """One model, fitted at the end of the warm-up on the labels known then.

    If fewer than `fewest` (the task's `min_training` without it) are known then, it is fitted as soon as they are;
    until then the last known label is predicted.
    """
    return _refitted(stream, fit, "static", warmup, None, fewest, progress)


def scheduled(
    stream: Stream,
    fit: Fit,
    *,
    warmup: int,
    every: int,
    fewest: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> PolicyResult:
    """As `static`, and refitted every `every` events on all labels known then."""
    return _refitted(stream, fit, "scheduled", warmup, every, fewest, progress)


def _persistence(
    last: NDArray[np.float64], labels: NDArray[np.float64], known: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    right = np.concatenate(([0], np.cumsum(last == labels)))
    share = np.maximum((right[known] + 1) / (known + 2), 1 / classes + 1e-9)
    any_known = ~np.isnan(last)
    scores = np.full((len(labels), classes), 1 / classes)
    scores[any_known] = ((1 - share) / (classes - 1))[any_known, None]
    rows = np.flatnonzero(any_known)
    scores[rows, last[rows].astype(np.int64)] = share[rows]
    return scores


def _refitted(
    stream: Stream,
    fit: Fit,
    name: str,
    warmup: int,
    every: int | None,
    fewest: int | None,
    progress: Callable[[int], None] | None,
) -> PolicyResult:
    begun = time.process_time()
    known = known_counts(stream)
    scores = no_change(stream, warmup=0).scores.copy()
    n = len(stream)
    needed = stream.task.policy.min_training if fewest is None else fewest
    first = max(warmup, int(np.searchsorted(known, needed, side="left")))
    fits = tuple(range(first, n, every or n))
    for start in fits:
        stop = min(start + (every or n), n)
        count = int(known[start])
        predict = fit(stream.features.slice(0, count), stream.labels[:count], stream.at[:count])
        for low in range(start, stop, _BLOCK):
            high = min(low + _BLOCK, stop)
            scores[low:high] = np.asarray(predict(stream.features.slice(low, high - low))).reshape(high - low, -1)
        if progress is not None:
            progress(stop)
    return PolicyResult(name, warmup, scores[warmup:], len(fits), fits, time.process_time() - begun)

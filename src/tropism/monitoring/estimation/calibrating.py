"""Makes a model's scores into probabilities that hold on the reference, where that is shown to help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from tropism.evaluation.losses import losses
from tropism.learners.calibration import Calibration, Identity, Method, fit_calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.core.task import Kind

Floats = npt.NDArray[np.float64]
FOLDS = 5
_METHODS: dict[str, tuple[Method, ...]] = {"binary": ("platt", "isotonic"), "multiclass": ("temperature", "isotonic")}
_SEED = 0


class Calibrated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Maps from scores to probabilities: one for all scores, or one a class whose results are made to sum to 1.

    `before` and `after`: Brier score on the reference without and with the map, each row by maps fitted on others.
    """

    method: str = "none"
    maps: tuple[Calibration, ...] = (Identity(),)
    before: float = 0.0
    after: float = 0.0

    def apply(self, scores: Floats) -> Floats:
        """Probabilities (n, classes) of scores (n, outputs); two classes for a binary task."""
        return _applied(self.maps, scores)

    @property
    def described(self) -> str:
        if self.method == "none":
            return "scores taken as they are: no calibration lowered the held-out Brier score on the reference"
        return f"{self.method} calibration: held-out Brier score {self.before:.4g} became {self.after:.4g}"


def fit(kind: Kind, scores: Floats, labels: Floats) -> Calibrated:
    """The calibration with the lowest Brier score on held-out rows of the reference; none unless one is lower.

    Each fifth of the rows is mapped by a calibration of the others; what is returned is fitted on all. No margin is
    asked for: a score's error in the mean, which is what an estimate suffers from, hardly shows in a Brier score.
    """
    plain = losses("brier", labels, _outputs(kind, _applied((Identity(),), scores)))
    found = Calibrated(before=float(plain.mean()), after=float(plain.mean()))
    fold = np.random.default_rng(_SEED).permutation(len(labels)) % FOLDS
    for method in _METHODS[kind]:
        held_out = np.empty(len(labels))
        for index in range(FOLDS):
            out = fold == index
            mapped = _applied(_fitted(kind, scores[~out], labels[~out], method), scores[out])
            held_out[out] = losses("brier", labels[out], _outputs(kind, mapped))
        if float(held_out.mean()) < found.after:
            maps = _fitted(kind, scores, labels, method)
            found = Calibrated(method=method, maps=maps, before=found.before, after=float(held_out.mean()))
    return found


def _fitted(kind: Kind, scores: Floats, labels: Floats, method: Method) -> tuple[Calibration, ...]:
    if kind == "binary" or method != "isotonic":
        return (fit_calibration(kind, labels, scores, method=method),)
    return tuple(
        fit_calibration("binary", np.asarray(labels == c, np.float64), scores[:, [c]], method=method)
        for c in range(scores.shape[1])
    )


def _applied(maps: Sequence[Calibration], scores: Floats) -> Floats:
    if scores.shape[1] == 1:
        positive = np.clip(maps[0].apply(scores), 0.0, 1.0)
        return np.hstack([1.0 - positive, positive])
    if len(maps) == 1:
        return maps[0].apply(scores)
    each = np.hstack([one.apply(scores[:, [c]]) for c, one in enumerate(maps)])
    total = each.sum(axis=1, keepdims=True)
    # Where every class's map says never, the scores themselves are the best that is left.
    out: Floats = np.where(total > 0, each / np.where(total > 0, total, 1.0), scores)
    return out


def _outputs(kind: Kind, probabilities: Floats) -> Floats:
    return probabilities[:, 1:] if kind == "binary" else probabilities

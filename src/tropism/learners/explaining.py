"""What each feature did to a prediction: contributions that sum to the raw score, exactly as the model computes it.

Trees by TreeSHAP (Lundberg, Erion, Lee, 2018), linear models by weight times value, ensembles where their raw scores
are sums over members. Contributions say what the model did, not what is so in the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from tropism.learners.base import Explainable
from tropism.learners.calibration import Isotonic, Platt, Temperature
from tropism.learners.ensemble_parts import by_owner, not_explainable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tropism.core.events import Value
    from tropism.core.task import Kind
    from tropism.learners.base import Floats, Times
    from tropism.learners.model import Model

Space = Literal["log-odds", "log-probability", "score"]
"""`log-odds` of a binary task, `log-probability` of each class of a multiclass one, up to a constant that all classes
share, and `score`, the number itself."""
_SPACES: dict[Kind, Space] = {"binary": "log-odds", "multiclass": "log-probability", "regression": "score"}


class Contributions(NamedTuple):
    """Of n rows: `baseline` (n, outputs), and `values` (n, outputs, features) in the order of the model's features.

    `calibrated`: they sum to the served scores' raw form; False where an isotonic calibration came after, which is
    no sum, and they stop before it.
    """

    space: Space
    calibrated: bool
    baseline: Floats
    values: Floats


class Explanation(msgspec.Struct, frozen=True):
    """One row's contributions: `baseline` and each feature's, one number an output."""

    space: Space
    baseline: tuple[float, ...]
    contributions: dict[str, tuple[float, ...]]
    calibrated: bool = True

    def ranked(self, most: int | None = None, output: int = 0) -> list[dict[str, str | float]]:
        """The `most` largest contributions to an output by size, all of them by default.

        >>> Explanation("score", (1.0,), {"age": (0.5,), "city": (-2.0,)}).ranked(1)
        [{'feature': 'city', 'contribution': -2.0}]
        """
        pairs = [(name, values[output]) for name, values in self.contributions.items()]
        pairs.sort(key=lambda pair: -abs(pair[1]))
        return [{"feature": name, "contribution": value} for name, value in pairs[:most]]


def explain(model: Model, rows: Sequence[Mapping[str, Value]], at: Times | None = None) -> list[Explanation]:
    """Explains rows as they are sent, `at` (n,) moments of prediction.

    Raises:
        InvalidInput: the model's scores cannot be split into contributions.
    """
    codes = np.array([model.encoding.codes(row) for row in rows], np.float64)
    return explanations(model, contributions(model, codes.reshape(len(rows), len(model.encoding.facts.columns)), at))


def contributions(model: Model, codes: Floats, at: Times | None = None) -> Contributions:
    """Contributions of codes (n, features), a column a feature as `Encoding.codes` gives them.

    Raises:
        InvalidInput: the model's scores cannot be split into contributions.
    """
    learner, encoding, kind = model.origin.learner, model.encoding, model.signature.kind
    if not isinstance(model.estimator, Explainable):
        raise not_explainable(learner, f"the format {model.estimator.format} has no contributions")
    found = model.estimator.contributions(encoding.spread(codes), at)
    if encoding.facts.style != "codes":
        places = {column.name: place for place, column in enumerate(encoding.facts.columns)}
        found = by_owner(found, [places[owner] for owner in encoding.owners], len(places))
    if not np.all(np.isfinite(found)):
        raise not_explainable(learner, "its trees lack the counts of rows that contributions are weighed by")
    found = _calibrated(model, found)
    calibrated = not isinstance(model.calibration, Isotonic)
    return Contributions(_SPACES[kind], calibrated, found[:, :, -1], found[:, :, :-1])


def explanations(model: Model, found: Contributions) -> list[Explanation]:
    """Contributions under the names of the model's features."""
    names = [column.name for column in model.encoding.facts.columns]
    return [
        Explanation(found.space, tuple(baseline), dict(zip(names, map(tuple, values), strict=True)), found.calibrated)
        for baseline, values in zip(found.baseline.tolist(), found.values.transpose(0, 2, 1).tolist(), strict=True)
    ]


def _calibrated(model: Model, found: Floats) -> Floats:
    """Platt's map and a temperature are linear in raw scores, so contributions follow them."""
    calibration = model.calibration
    if isinstance(calibration, Platt):
        scaled: Floats = found * calibration.slope
        scaled[:, :, -1] += calibration.intercept
        return scaled
    return found / calibration.temperature if isinstance(calibration, Temperature) else found

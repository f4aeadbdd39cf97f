"""Do groups of rows get different treatment?

Demographic parity: shares of positive predictions. Equal opportunity: shares of positive rows that were found (Hardt,
Price, Srebro, Equality of Opportunity in Supervised Learning, 2016). The difference of two shares has Newcombe's
interval from two Wilson ones (Statistics in Medicine 17, 1998, method 10), at a level that holds for all pairs of
groups together (Bonferroni).
"""

from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.governance import FairnessGate, GateResult, gate_name
from tropism.evaluation.losses import predicted
from tropism.training.gates.context import unassessed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.training.gates.context import GateContext

_ALPHA = 0.05
_MISSING = "missing"


class Gap(NamedTuple):
    """The largest difference between two groups' shares, and how large it may be with 95% confidence."""

    rate: str
    attribute: str
    groups: tuple[str, str]
    difference: float
    upper: float


def fairness(gate: FairnessGate, context: GateContext) -> GateResult:
    """The largest difference between groups, over all attributes and both rates, is shown to be small."""
    name, evidence = gate_name(gate), context.evidence
    required = f"groups differ by at most {gate.most:g}, with 95% confidence"
    if evidence is None:
        return unassessed(name, required, "no labelled rows that it did not learn from are there; wait for outcomes")
    scores = context.model.predict(evidence.rows.features, evidence.rows.at)
    label = context.task.classes.index(gate.positive) if gate.positive else 1
    said, true = predicted(scores) == label, evidence.rows.labels == label
    gaps = [
        gap
        for attribute in gate.attributes
        for gap in gaps_of(attribute, _groups(evidence.rows.features[attribute].to_pylist()), said, true, gate.rows)
    ]
    tried = {gap.attribute for gap in gaps if gap.rate == "positive predictions"}
    missing = [attribute for attribute in gate.attributes if attribute not in tried]
    if missing:
        why = f"{', '.join(missing)}: fewer than two groups have {gate.rows} rows; wait for more outcomes"
        return unassessed(name, required, why)
    worst = max(gaps, key=lambda gap: gap.upper)
    message = (
        f"{worst.rate} of {worst.attribute} {worst.groups[0]} and {worst.groups[1]} differ by {worst.difference:.3g}, "
        f"at most {worst.upper:.3g}"
    )
    return GateResult(
        name=name,
        passed=worst.upper <= gate.most,
        measured=worst.upper,
        required=required,
        message=message if worst.upper <= gate.most else f"{message}; wait for more rows, or look into these groups",
        details={"gaps": [gap._asdict() for gap in gaps]},
    )


def gaps_of(
    attribute: str, groups: NDArray[np.str_], said: NDArray[np.bool_], true: NDArray[np.bool_], fewest: int
) -> list[Gap]:
    """The largest gap of each rate between groups (n,) of at least `fewest` rows; none of fewer than two groups.

    >>> groups, said = np.repeat(["a", "b"], 100), np.repeat([True, False], 100)
    >>> [(gap.rate, gap.difference) for gap in gaps_of("shop", groups, said, said, 50)]
    [('positive predictions', 1.0)]
    """
    found = []
    for rate, counted in (("positive predictions", np.ones(len(said), np.bool_)), ("positive rows found", true)):
        shares = {}
        for group in np.unique(groups[counted]):
            mine = counted & (groups == group)
            if np.count_nonzero(mine) >= fewest:
                shares[str(group)] = (int(np.count_nonzero(said[mine])), int(np.count_nonzero(mine)))
        pairs = list(combinations(shares, 2))
        if pairs:
            z = NormalDist().inv_cdf(1 - _ALPHA / (2 * len(pairs)))
            each = [
                Gap(rate, attribute, pair, *largest_difference(shares[pair[0]], shares[pair[1]], z)) for pair in pairs
            ]
            found.append(max(each, key=lambda gap: gap.upper))
    return found


def largest_difference(a: tuple[int, int], b: tuple[int, int], z: float) -> tuple[float, float]:
    """The size of the difference of two shares, each (successes, trials), and its upper bound at `z`.

    >>> value, upper = largest_difference((50, 100), (40, 100), 1.96)
    >>> round(value, 2), round(upper, 3)
    (0.1, 0.232)
    """
    (p, low_p, high_p), (q, low_q, high_q) = _wilson(*a, z), _wilson(*b, z)
    lower = p - q - math.hypot(p - low_p, high_q - q)
    upper = p - q + math.hypot(high_p - p, q - low_q)
    return abs(p - q), max(abs(lower), abs(upper))


def _wilson(successes: int, trials: int, z: float) -> tuple[float, float, float]:
    share, square = successes / trials, z * z
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half = z / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return share, max(0.0, centre - half), min(1.0, centre + half)


def _groups(values: list[object]) -> NDArray[np.str_]:
    return np.array([_MISSING if value is None else str(value) for value in values], dtype=np.str_)

"""Does the version keep its head when rows are a little off, lack values, or hold absurd ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tropism.core.governance import GateResult, RobustnessGate, gate_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tropism.learners.base import Floats
    from tropism.training.gates.context import GateContext

_EXTREMES = (0.0, 1e6, -1e6, 1e300, -1e300)


def robustness(gate: RobustnessGate, context: GateContext) -> GateResult:
    """Every answer a number; small noise moves scores little on average."""
    model, codes = context.model, context.codes
    base = model.predict_matrix(codes)
    numbers = [place for place, one in enumerate(model.encoding.facts.columns) if one.type == "number"]
    required = f"finite scores throughout; noise moves them by at most {gate.most_change:g}"
    lost = [what for what, tried in _tried(codes, numbers) if not np.all(np.isfinite(model.predict_matrix(tried)))]
    change = float(np.mean(np.abs(model.predict_matrix(_noisy(codes, numbers, gate.noise)) - base)))
    if model.signature.kind == "regression":
        change /= float(np.std(base)) or 1.0
    finite = not lost and bool(np.all(np.isfinite(base)))
    told = f"noise of {gate.noise:g} standard deviations moves scores by {change:.3g} on average"
    if not finite:
        told += f"; scores are no numbers with {', '.join(lost) or 'rows as they are'}"
    if change > gate.most_change:
        told += "; train with fewer leaves or more regularisation"
    return GateResult(
        name=gate_name(gate),
        passed=finite and change <= gate.most_change,
        measured=change,
        required=required,
        message=told,
        details={"rows": len(codes), "not_finite": lost, "numbers": len(numbers)},
    )


def _noisy(codes: Floats, numbers: list[int], size: float) -> Floats:
    """Each number moved by some standard deviations of its column; same noise for the same rows."""
    out = codes.copy()
    rng = np.random.default_rng(0)
    for place in numbers:
        known = codes[:, place][np.isfinite(codes[:, place])]
        spread = float(np.std(known)) if len(known) else 0.0
        out[:, place] += size * spread * rng.normal(size=len(codes))
    return out


def _tried(codes: Floats, numbers: list[int]) -> Iterator[tuple[str, Floats]]:
    """Rows with values that are missing, unknown or absurd, and what they are called."""
    for place in range(codes.shape[1]):
        out = codes.copy()
        out[:, place] = np.nan
        yield f"column {place} missing", out
    yield "everything missing", np.full_like(codes, np.nan)
    for value in _EXTREMES:
        out = codes.copy()
        out[:, numbers] = value
        yield f"all numbers {value:g}", out

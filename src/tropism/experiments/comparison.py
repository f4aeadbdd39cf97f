"""Is the challenger better than the incumbent? Paired losses on the same predictions, looked at as they mature.

The verdict may be asked for as often as one likes while predictions mature: over all looks together, a challenger
that is not better is called better with probability at most alpha, and one that is not worse is called worse with
probability at most alpha (two one-sided errors, alpha each).

What it rests on:

- Both models scored every prediction, so each exposure day is its own stratum with the same predictions on both
  sides, and the mean of the differences *is* the estimate stratified by exposure day: a hard day is hard for both.
- What is left is dependence between differences. The variance is inflated for serial correlation and, given the
  days, for shocks common to a day. Assumed: one day's shock says nothing of the next one's beyond what the serial
  estimate sees, and while all predictions are of one day, that day is like the others. So a verdict within the first
  few days of many predictions each can be wrong more often; `bench/decisions.py` measures how often.
- The central limit theorem, and so at least `MIN_EVENTS` events, and as many outcomes outside the commonest label:
  before that, all differences may look alike only because the rare label has not come yet.
- Given a `bound`, an exact betting bound at a fifth of alpha stands in before that and beside it.
- Only predictions whose outcome window has closed, in the order of their time, from the opening of the challenge on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.betting import betting_bounds
from tropism.experiments.confidence import tuning
from tropism.experiments.differences import Differences
from tropism.experiments.evidence import Evidence, Verdict, Waiting

Floats = NDArray[np.float64]
MIN_EVENTS = 10
BETTING_SHARE = 0.2
"""Part of alpha that the betting bounds get, where there is a bound."""
_LARGEST = 1e150


def compare(
    incumbent_loss: ArrayLike,
    challenger_loss: ArrayLike,
    *,
    cohorts: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    bound: ArrayLike | None = None,
    alpha: float = 0.05,
    margin: float = 0.0,
    min_outcomes: int = 30,
    plan: int = 300,
) -> Evidence:
    """Whether the challenger's loss is lower by more than `margin`; valid under any number of looks.

    Args:
        incumbent_loss: loss of each prediction, shape (n,), in the order of the predictions' times.
        challenger_loss: of the same predictions.
        cohorts: exposure day of each prediction, shape (n,).
        labels: class of each outcome, shape (n,); give it for classification, leave it out for regression.
        bound: largest size a difference can have, one number or shape (n,), known before the outcome; 1 for
            accuracy and for the Brier score of two classes. Leave it out for losses without a limit.
        alpha: probability that a challenger without an advantage is ever called better.
        margin: improvement that the challenger must exceed.
        min_outcomes: fewest outcomes for a verdict.
        plan: outcomes at which the bounds are tightest.

    Raises:
        InvalidInput: lengths differ, a loss is not a finite number, or alpha, margin or plan make no sense.

    >>> rng = np.random.default_rng(0)
    >>> old, new = rng.normal(1.0, 0.3, 400), rng.normal(0.8, 0.3, 400)
    >>> evidence = compare(old, new)
    >>> evidence.verdict, evidence.n, round(evidence.estimate, 1)
    ('better', 400, 0.2)
    """
    _check(alpha, margin, plan)
    incumbent, challenger = _losses("incumbent_loss", incumbent_loss), _losses("challenger_loss", challenger_loss)
    n = len(_matching("challenger_loss", challenger, len(incumbent)))
    days = None if cohorts is None else _matching("cohorts", cohorts, n)
    rare = None if labels is None else _rare(_matching("labels", labels, n))
    sample = Differences.of(incumbent - challenger, days)
    waiting = _waiting(sample, rare, min_outcomes)
    lower, upper = _bounds(sample, waiting, incumbent - challenger, bound, alpha, plan)
    verdict = _verdict(lower, upper, margin) if waiting != "outcomes" else "undecided"
    return Evidence(
        n=n,
        estimate=sample.mean,
        lower=lower if np.isfinite(lower) else None,
        upper=upper if np.isfinite(upper) else None,
        verdict=verdict,
        waiting_for=waiting if verdict == "undecided" else "",
        incumbent=_mean(incumbent),
        challenger=_mean(challenger),
        deviation=sample.deviation,
        skewness=sample.skewness,
        inflation=sample.inflation,
        events=int(sample.events),
        rare=rare,
        days=None if days is None else len(np.unique(days)),
        bounded=bound is not None,
        alpha=alpha,
        margin=margin,
        min_outcomes=min_outcomes,
        plan=plan,
    )


def _check(alpha: float, margin: float, plan: int) -> None:
    tuning(plan, alpha, one_sided=True)
    if not margin >= 0:
        raise InvalidInput("a margin cannot be negative", Fault("margin", str(margin), "use 0 or more"))


def _waiting(sample: Differences, rare: int | None, min_outcomes: int) -> Waiting:
    """What is still missing; `evidence` when the sample can be relied on and only its weight counts."""
    if sample.n < min_outcomes:
        return "outcomes"
    if rare is not None and rare < MIN_EVENTS:
        return "labels"
    return "events" if sample.events < MIN_EVENTS else "evidence"


def _bounds(
    sample: Differences, waiting: Waiting, difference: Floats, bound: ArrayLike | None, alpha: float, plan: int
) -> tuple[float, float]:
    share = 1.0 if bound is None else 1 - BETTING_SHARE
    lower, upper = sample.bounds(alpha * share, plan) if waiting == "evidence" else (-np.inf, np.inf)
    if bound is not None and sample.n:
        exact = betting_bounds(difference, bound, alpha=alpha * BETTING_SHARE)
        lower, upper = max(lower, exact[0]), min(upper, exact[1])
    return lower, upper


def _verdict(lower: float, upper: float, margin: float) -> Verdict:
    if lower > margin:
        return "better"
    return "worse" if upper < 0 else "undecided"


def _losses(field: str, values: ArrayLike) -> Floats:
    losses = np.asarray(values, dtype=np.float64)
    if losses.ndim != 1:
        raise InvalidInput("losses come as one row", Fault(field, f"shape {losses.shape}", "give one per prediction"))
    bad = np.flatnonzero(~(np.abs(losses) < _LARGEST))
    if len(bad):
        fix = "give finite losses, and leave out predictions without an outcome"
        raise InvalidInput(f"{len(bad)} losses are not finite", Fault(f"{field}[{bad[0]}]", str(losses[bad[0]]), fix))
    return losses


def _matching(field: str, values: ArrayLike, n: int) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.shape != (n,):
        fix = f"give one per prediction, shape ({n},)"
        raise InvalidInput(f"{field} does not match the losses", Fault(field, f"shape {array.shape}", fix))
    return array


def _mean(losses: Floats) -> float:
    return float(losses.mean()) if len(losses) else 0.0


def _rare(classes: NDArray[np.generic]) -> int:
    """Outcomes that are not of the commonest class."""
    _, counts = np.unique(classes, return_counts=True)
    return int(counts.sum() - counts.max()) if len(counts) else 0

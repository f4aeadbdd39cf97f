"""Which of several runs to take, why, and what that does not rest on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.evaluation.losses import higher_is_better

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.entrypoints.tracking.finding import Shown
    from tropism.entrypoints.tracking.statistics import PairedDifference

Better = Literal["more", "less"]
_LESS = ("loss", "error", "mae", "mse", "rmse", "brier", "seconds", "latency", "perplexity", "mape", "deviance")


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """`run`: the id of the one to take, None where nothing speaks for any. `shown`: whether tests on the same rows show
    that it is better than every other. `not_known`: what speaks neither for nor against it."""

    run: str | None
    shown: bool
    reason: str
    not_known: tuple[str, ...]


def better_of(metric: str) -> Better | None:
    """Whether more or less of a metric is better, by its name; None where that does not say so.

    >>> better_of("accuracy"), better_of("val_loss"), better_of("score")
    ('more', 'less', None)
    """
    last = metric.rpartition("/")[2].lower()
    if higher_is_better(last) or any(higher_is_better(part) for part in (last.partition("_")[2],)):
        return "more"
    return "less" if any(word in last for word in _LESS) else None


def recommend(
    runs: Sequence[Shown], metric: str, better: Better | None, tests: Sequence[PairedDifference]
) -> Recommendation:
    """The run to take: the best in `metric` of those that finished, if nothing speaks against it."""
    able = [run for run in runs if run.status == "FINISHED" and math.isfinite(run.metrics.get(metric, math.nan))]
    if not able:
        why = f"no run finished with '{metric}'" if metric else "the runs have no metric"
        return Recommendation(run=None, shown=False, reason=why, not_known=())
    if better is None:
        reason = f"it is not said whether more or less of '{metric}' is better"
        return Recommendation(run=None, shown=False, reason=reason, not_known=())
    sign = 1.0 if better == "less" else -1.0
    ordered = sorted(able, key=lambda run: (sign * run.metrics[metric], run.metrics.get("cpu_seconds", math.inf)))
    best = ordered[0]
    baseline = _baseline(best)
    if metric == "loss" and baseline is not None and best.metrics[metric] >= baseline:
        reason = f"none: a baseline has {baseline:.4g} on the rows of the best of them, {best.name}, which has "
        reason += f"{best.metrics[metric]:.4g}"
        return Recommendation(run=None, shown=False, reason=reason, not_known=_unknown(able, tests))
    if len(ordered) == 1:
        reason = f"{best.name} is the only one that finished with '{metric}'"
        return Recommendation(run=best.id, shown=False, reason=reason, not_known=_unknown(able, tests))
    return _among(ordered, metric, better, tests)


def _among(ordered: Sequence[Shown], metric: str, better: Better, tests: Sequence[PairedDifference]) -> Recommendation:
    best, others = ordered[0], ordered[1:]
    found = {frozenset((one.a, one.b)): one for one in tests}
    pairs = [(other, found.get(frozenset((best.id, other.id)))) for other in others]
    won = [other for other, one in pairs if one is not None and one.decided and _winner(one) == best.id]
    tied = [other for other, one in pairs if one is not None and not one.decided]
    untested = [other for other, one in pairs if one is None]
    lead = f"{best.name} has the {'largest' if better == 'more' else 'smallest'} {metric}, {best.metrics[metric]:.4g}"
    unknown = list(_unknown(ordered, tests))
    if len(won) == len(others):
        reason = f"{lead}, and its loss on the same rows is smaller than that of every other beyond chance"
        return Recommendation(run=best.id, shown=True, reason=reason, not_known=tuple(unknown))
    if tied:
        names = ", ".join(other.name for other in tied[:5])
        unknown.insert(0, f"whether it is better than {names}: on the same rows the difference may be chance")
    if untested:
        names = ", ".join(other.name for other in untested[:5])
        unknown.insert(0, f"whether it is better than {names}: there are no losses on the same rows to compare")
    reason = f"{lead}; that is a figure, not a finding"
    cheaper = [one for one in tied if one.metrics.get("cpu_seconds", math.inf) < best.metrics.get("cpu_seconds", 0.0)]
    if cheaper:
        least = min(cheaper, key=lambda one: one.metrics["cpu_seconds"])
        reason += f"; {least.name} took less time ({least.metrics['cpu_seconds']:.3g} s) and may be as good"
    return Recommendation(run=best.id, shown=False, reason=reason, not_known=tuple(unknown))


def _winner(one: PairedDifference) -> str:
    return one.a if one.high < 0.0 else one.b


def _baseline(run: Shown) -> float | None:
    found = [value for name, value in run.metrics.items() if name.startswith("baseline/") and math.isfinite(value)]
    return min(found) if found else None


def _unknown(runs: Sequence[Shown], tests: Sequence[PairedDifference]) -> tuple[str, ...]:
    found = []
    if len({run.tags.get("tropism.validation_sha256") or run.params.get("validation") for run in runs}) > 1:
        found.append("how they compare on equal rows: they were judged on different ones")
    if len({run.params.get("seed") for run in runs}) <= 1:
        found.append("how much of it is the seed: all have the same, or none is logged")
    if tests:
        found.append("rows to come: those compared also chose each training's candidate")
    found.append("how they do on live traffic: that is for a challenge or an experiment to show")
    return tuple(found)

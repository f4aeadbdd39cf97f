"""What follows from the analyses of an experiment: promote, keep the control, extend, or stop for harm.

Errors, over all looks together:

- With k treatments each gets alpha / k (Bonferroni), so a treatment that is not better is promoted with probability
  `alpha` at most. Guardrails cost nothing: all must hold for a promotion, and one that does not hold passes wrongly
  with its own alpha at most (the intersection-union test; Berger, 1982).
- Harm has an alpha of its own, shared by every metric that can stop a treatment, of every treatment.
- Observed metrics decide nothing. Each is bounded on its own, so among many some will look better by chance.
- The end of the planned time promotes nothing: what is not proven by then leaves the control where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.experiments.sample_ratio import SampleRatio
from tropism.experiments.splits.analysis import Analysis

Action = Literal["promote", "keep", "extend", "stop-for-harm"]
DURATION_DAYS = 7.0
_TOLERANCE = 1e-9
_NOTHING: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Alphas(NamedTuple):
    """What `analyse` is given for each metric of each treatment."""

    alpha: float
    harm_alpha: float


def shared_alphas(alpha: float, harm_alpha: float, *, treatments: int, guardrails: int) -> Alphas:
    """The error probabilities of one analysis, from those of the whole experiment.

    >>> shared_alphas(0.05, 0.02, treatments=2, guardrails=1)
    Alphas(alpha=0.025, harm_alpha=0.005)
    """
    if treatments < 1:
        raise InvalidInput("an experiment has two arms", Fault("treatments", str(treatments), "name a treatment"))
    return Alphas(alpha / treatments, harm_alpha / (treatments * (1 + guardrails)))


class TreatmentDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows for one treatment, and why."""

    treatment: str
    action: Action
    reason: str


class SplitDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What follows for the experiment. `treatment`: whom to promote, "" otherwise. `notes`: what the reader must know.

    "extend": go on with those treatments that are not stopped. "stop-for-harm": all treatments are.
    """

    action: Action
    treatment: str
    reason: str
    treatments: tuple[TreatmentDecision, ...]
    notes: tuple[str, ...]


def decide(
    analyses: Mapping[str, Sequence[Analysis]],
    split: SampleRatio,
    *,
    days: float,
    duration: float = DURATION_DAYS,
    alpha: float = 0.05,
    harm_alpha: float = 0.05,
    unmeasured: Mapping[str, Mapping[str, str]] = _NOTHING,
    alike: Collection[str] = (),
) -> SplitDecision:
    """What follows from the analyses of each treatment's metrics against the control.

    Args:
        analyses: by treatment; in each one of a decision metric, and any of guardrails and observed ones.
        unmeasured: by treatment, the decision metric or guardrails that it has no analysis of, and why; it is not
            promoted while there is any, and may be stopped for harm by the others.
        alike: treatments that are the same version as the control, as in an A/A test; none of them is promoted.
        split: the check of the shares of traffic.
        days: since the experiment began, the wait for the last outcomes included.
        duration: most days that it may take; more of them never make a promotion.
        alpha, harm_alpha: of the whole experiment; each analysis must have its share (`shared_alphas`).

    Raises:
        InvalidInput: no treatment, not exactly one decision metric, or analyses with more alpha than their share.

    >>> from tropism.core.metric import Metric
    >>> from tropism.experiments.sample_ratio import sample_ratio
    >>> from tropism.experiments.splits.analysis import analyse
    >>> from tropism.experiments.splits.arms import Arm
    >>> metric = Metric(name="clicks", kind="proportion", goal="increase", role="decision")
    >>> found = analyse(metric, Arm([0, 1] * 50), Arm([1, 0] * 50))
    >>> decide({"treatment": [found]}, sample_ratio([100, 100], [1, 1]), days=2).action
    'extend'
    """
    _check(analyses, Alphas(alpha, harm_alpha), unmeasured)
    over = days >= duration
    notes = _notes(analyses)
    if split.mismatch:
        return _broken(analyses, split, over, notes)
    each = tuple(
        _treatment(name, found, unmeasured.get(name, {}), over, name in alike) for name, found in analyses.items()
    )
    proven = [one for one in each if one.action == "promote"]
    if proven:
        best = max(proven, key=lambda one: _gain(analyses[one.treatment]))
        return SplitDecision(
            action="promote", treatment=best.treatment, reason=best.reason, treatments=each, notes=notes
        )
    action: Action = "extend"
    if all(one.action == "stop-for-harm" for one in each):
        action = "stop-for-harm"
    elif over or all(one.action != "extend" for one in each):
        action = "keep"
    reason = "; ".join(f"{one.treatment}: {one.reason}" for one in each)
    return SplitDecision(action=action, treatment="", reason=reason, treatments=each, notes=notes)


def _treatment(
    name: str, found: Sequence[Analysis], unmeasured: Mapping[str, str], over: bool, alike: bool
) -> TreatmentDecision:
    primary, guardrails = _primary(found), [one for one in found if one.metric.role == "guardrail"]
    harmed = [one for one in [primary, *guardrails] if one is not None and _harmed(one)]
    open_guards = [one for one in guardrails if not one.within_margin]
    action: Action = "keep" if over else "extend"
    if harmed:
        action, reason = "stop-for-harm", "; ".join(_harm(one) for one in harmed)
    elif primary is None or unmeasured:
        reason = "; ".join(f"{metric} cannot be compared: {why}" for metric, why in unmeasured.items())
    elif primary.verdict == "better" and not open_guards and alike:
        reason = f"same version: it is the control's, so nothing is promoted although {primary.metric.name} is better"
        return TreatmentDecision(treatment=name, action="keep", reason=reason)
    elif primary.verdict == "better" and not open_guards:
        kept = f", and {_names(guardrails)} not worse than allowed" if guardrails else ""
        action, reason = "promote", f"{primary.metric.name} is better{kept}"
    elif primary.verdict == "better":
        reason = f"{primary.metric.name} is better, but {_names(open_guards)} may be worse than allowed"
    else:
        missing = f", which waits for {primary.waiting_for}" if primary.waiting_for else ""
        reason = f"no improvement of {primary.metric.name} is proven{missing}"
    return TreatmentDecision(treatment=name, action=action, reason=reason + (_END if action == "keep" else ""))


_END = "; the time is over, and that promotes nothing"


def _harmed(found: Analysis) -> bool:
    """A decision metric that is worse, or a guardrail that is worse by more than its margin."""
    if found.waiting_for in {"days", "units"}:
        return False
    allowed = found.metric.margin if found.metric.role == "guardrail" else 0.0
    return found.improvement[1] < -allowed


def _harm(found: Analysis) -> str:
    if found.metric.role == "decision":
        return f"{found.metric.name} is worse"
    return f"{found.metric.name} is worse by more than its margin"


def _primary(found: Sequence[Analysis]) -> Analysis | None:
    return next((one for one in found if one.metric.role == "decision"), None)


def _gain(found: Sequence[Analysis]) -> float:
    """How much better the treatment is at least, by the metric that decides."""
    primary = _primary(found)
    return -inf if primary is None else primary.improvement[0]


def _names(found: Sequence[Analysis]) -> str:
    return ", ".join(one.metric.name for one in found)


def _broken(
    analyses: Mapping[str, Sequence[Analysis]], split: SampleRatio, over: bool, notes: tuple[str, ...]
) -> SplitDecision:
    counts = " : ".join(str(count) for count in split.counts)
    reason = f"the split is broken: {counts} units are not the intended shares (p = {split.p_value:.2g})"
    action: Action = "keep" if over else "extend"
    reason += "; nothing measured can be relied on" + (_END if over else "")
    each = tuple(TreatmentDecision(treatment=name, action=action, reason=reason) for name in analyses)
    return SplitDecision(action=action, treatment="", reason=reason, treatments=each, notes=notes)


def _notes(analyses: Mapping[str, Sequence[Analysis]]) -> tuple[str, ...]:
    notes = []
    if len(analyses) > 1:
        notes.append(f"each of {len(analyses)} treatments has its share of alpha")
    observed = sum(one.metric.role == "observed" for found in analyses.values() for one in found)
    if observed:
        notes.append(f"{observed} observed comparisons decide nothing; each is bounded on its own")
    return tuple(notes)


def _check(
    analyses: Mapping[str, Sequence[Analysis]], whole: Alphas, unmeasured: Mapping[str, Mapping[str, str]]
) -> None:
    if not analyses:
        raise InvalidInput(
            "an experiment has two arms", Fault("analyses", "no treatment", "give one treatment or more")
        )
    for name, found in analyses.items():
        deciding = [one.metric.name for one in found if one.metric.role == "decision"]
        if len(deciding) != 1 and not (not deciding and unmeasured.get(name)):
            fix = "give role='decision' to exactly one metric"
            raise InvalidInput("one metric decides", Fault(f"analyses.{name}", ", ".join(deciding) or "none", fix))
        guardrails = sum(one.metric.role == "guardrail" for one in found)
        share = shared_alphas(*whole, treatments=len(analyses), guardrails=guardrails)
        for one in found:
            _check_alpha(f"analyses.{name}.{one.metric.name}", one, share)


def _check_alpha(field: str, found: Analysis, share: Alphas) -> None:
    for name, given, allowed in (("alpha", found.alpha, share.alpha), ("harm_alpha", found.harm_alpha, share[1])):
        if found.metric.role != "observed" and given > allowed * (1 + _TOLERANCE):
            fix = f"analyse it with {allowed:.6g}, or less"
            raise InvalidInput(
                "an analysis has more than its share of alpha", Fault(f"{field}.{name}", str(given), fix)
            )

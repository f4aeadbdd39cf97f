"""What to do, by rules in order: the first one that applies decides.

Broken data comes first, since neither a verdict nor a training can be trusted on it. Then what outcomes say: a loss
alarm, a model that is surely worse than the baseline or than its own start. Then drift, which matters only as far as it
hurts. Then too little feedback to say anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.monitoring.figures import Figure
from tropism.monitoring.health.comparison import worsening
from tropism.monitoring.health.wording import interval, level, listed, metric_name, moment, plural, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.monitoring.health.facts import HealthFacts
    from tropism.monitoring.health.monitored import Monitored
    from tropism.monitoring.quality import FeatureQuality

Action = Literal["nothing", "wait", "retrain", "roll_back", "look_at_data"]
ACTIONS: dict[Action, str] = {
    "nothing": "Do nothing",
    "wait": "Wait",
    "retrain": "Retrain",
    "roll_back": "Roll back",
    "look_at_data": "Look at the data",
}
LEAST_LABELS = 100
"""Fewest labelled predictions from which the model is judged."""
BROKEN = 0.8
"""Of what is usual: a feature with a lower share of good rows is broken."""
_ODD_ROWS = 0.05
_NEAR = 0.1
"""Part of the time since the promotion in which a decay counts as begun with it."""
_FELT = 0.05
_HALF = 0.5


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do. `rule`: the one that decided. `reason`: a sentence or two. `evidence`: the figures."""

    action: Action
    rule: str
    reason: str
    evidence: tuple[str, ...] = ()


def recommend(facts: HealthFacts) -> Recommendation:
    """The first rule's answer that applies.

    >>> from tropism.monitoring.health.facts import HealthFacts
    >>> empty = HealthFacts(task="t", kind="binary", metric="brier", version=None, start_at=0, end_at=9, generated_at=9)
    >>> recommend(empty).action, recommend(empty).rule
    ('wait', 'no model')
    """
    return next(found for rule in RULES if (found := rule(facts)) is not None)


def _no_model(facts: HealthFacts) -> Recommendation | None:
    if facts.version is not None:
        return None
    reason = "No model is serving yet. Send predictions with their outcomes until the first one is trained."
    return Recommendation(action="wait", rule="no model", reason=reason)


def _broken_columns(facts: HealthFacts) -> Recommendation | None:
    wrong = dict(facts.problems)
    for feature in facts.quality.features if facts.quality is not None else ():
        if (said := _fault_of(feature)) and facts.importance.get(feature.name, 1.0) > 0:
            wrong.setdefault(feature.name, said)
    if not wrong:
        return None
    names = sorted(wrong, key=lambda name: (-facts.importance.get(name, 0.0), name))
    reason = (
        f"The data is broken: {listed(names)}. Until it is mended, neither the model nor a new one can be trusted; "
        "see what changed where it comes from."
    )
    evidence = tuple(f"{name}: {wrong[name]}" for name in names)
    return Recommendation(action="look_at_data", rule="broken data", reason=reason, evidence=evidence)


def _fault_of(feature: FeatureQuality) -> str:
    if feature.problem:
        return feature.problem
    if feature.change == "gone":
        return "it is no longer there"
    if feature.change == "retyped":
        return f"its type changed; it is a {feature.type} now"
    if feature.score is None or feature.score >= BROKEN:
        return ""
    counts = {
        "missing": feature.missing,
        "never seen": feature.unseen,
        "out of range": feature.out_of_range,
        "not finite": feature.non_finite,
    }
    said = ", ".join(f"{share(rows / feature.rows)} {what}" for what, rows in counts.items() if rows)
    return f"{share(1 - feature.score)} fewer good rows than usual ({said})"


def _odd_arrivals(facts: HealthFacts) -> Recommendation | None:
    rows = None if facts.quality is None else facts.quality.arrivals
    if rows is None or not rows.rows or (rows.repeated + rows.future) / rows.rows <= _ODD_ROWS:
        return None
    evidence = (
        f"{share(rows.repeated / rows.rows)} of the rows came before",
        f"{share(rows.future / rows.rows)} have a time in the future",
    )
    reason = "Many rows are sent twice or have impossible times. See what sends them, and its clock."
    return Recommendation(action="look_at_data", rule="odd arrivals", reason=reason, evidence=evidence)


def _decayed(facts: HealthFacts) -> Recommendation | None:
    loss = facts.monitor("loss")
    if loss is None or not loss.alarming:
        return None
    evidence = (_alarm_words(loss), *_standing(facts))
    if _began_with(facts, loss.since):
        return Recommendation(
            action="roll_back",
            rule="decay since the promotion",
            reason=f"The loss rose when version {facts.version} took over; version {facts.former} did better before.",
            evidence=evidence,
        )
    since = loss.since or 0
    tried = [one for one in facts.decisions or () if one.kind == "reject" and one.at > since]
    if tried:
        return Recommendation(
            action="look_at_data",
            rule="decay that training does not mend",
            reason=f"The loss rose, and {plural(len(tried), 'model')} trained since then did no better. See what the "
            "world has now that the features do not tell.",
            evidence=evidence,
        )
    reason = "The loss is above that of the model's own start, more than chance explains."
    return Recommendation(action="retrain", rule="decay", reason=reason, evidence=evidence)


def _began_with(facts: HealthFacts, since: int | None) -> bool:
    """Whether the former version did better until the promotion. The loop's own comparison overrules this."""
    if facts.former is None or facts.promoted_at is None:
        return False
    if any(one.kind == "keep" and one.at >= facts.promoted_at for one in facts.decisions or ()):
        return False
    now, before = facts.figure(facts.current), facts.figure(facts.previous)
    if now is not None and before is not None:
        return worsening(facts.metric, now, before).sure and _near(facts, since)
    return _near(facts, since)


def _near(facts: HealthFacts, since: int | None) -> bool:
    if since is None or facts.promoted_at is None:
        return False
    return since <= facts.promoted_at + _NEAR * (facts.end_at - facts.promoted_at)


def _worse_than_baseline(facts: HealthFacts) -> Recommendation | None:
    now, beside = facts.figure(facts.current), facts.figure(facts.current, baseline=True)
    if now is None or beside is None or now.n < LEAST_LABELS or not worsening(facts.metric, now, beside).sure:
        return None
    reason = (
        "The baseline does better than the model. Serve the baseline for now, and see whether the features still "
        "say anything of the target."
    )
    return Recommendation(
        action="look_at_data", rule="worse than the baseline", reason=reason, evidence=_standing(facts)
    )


def _worse_than_start(facts: HealthFacts) -> Recommendation | None:
    """Where no monitor watches the loss, which would be surer: many looks at an interval err often."""
    now, first = facts.figure(facts.current), facts.figure(facts.start)
    if facts.monitor("loss") is not None or now is None or first is None or min(now.n, first.n) < LEAST_LABELS:
        return None
    found = worsening(facts.metric, now, first)
    if found.low is None or found.low <= 0 or found.value <= _FELT * abs(first.value):
        return None
    reason = "The model does worse than at its start, and no monitor watches its loss yet."
    return Recommendation(action="retrain", rule="worse than its start", reason=reason, evidence=_standing(facts))


def _drifted(facts: HealthFacts) -> Recommendation | None:
    alarming = [one for kind in ("features", "prediction") if (one := facts.monitor(kind)) and one.alarming]
    if not alarming:
        return None
    fell = _estimated_fall(facts)
    evidence = (*([fell] if fell else []), *(_alarm_words(one) for one in alarming), *_standing(facts))
    names = listed([cause.name for one in alarming for cause in one.causes[:3]]) or "the data"
    if fell:
        reason = f"There is drift in {names}, and the performance that is estimated before labels come fell with it."
        return Recommendation(action="retrain", rule="drift that hurts", reason=reason, evidence=evidence)
    if _too_few(facts):
        reason = f"There is drift in {names}. Whether it hurts is not known: send the outcomes of recent predictions."
        return Recommendation(action="wait", rule="drift without outcomes", reason=reason, evidence=evidence)
    since = max((one.since for one in alarming if one.since is not None), default=facts.start_at)
    if since + facts.window > facts.end_at:
        reason = f"There is drift in {names}, so new that outcomes from since then are still to come."
        return Recommendation(action="wait", rule="new drift", reason=reason, evidence=evidence)
    reason = f"There is drift in {names}, and outcomes show that the model does no worse for it."
    return Recommendation(action="nothing", rule="drift that does not hurt", reason=reason, evidence=evidence)


def _estimated_fall(facts: HealthFacts) -> str:
    """What is estimated, where that is surely worse than the model's start; else nothing."""
    first = facts.figure(facts.start)
    found = next((one for one in facts.estimated if one.metric == facts.metric), None)
    if found is None or found.value is None or first is None:
        return ""
    now = Figure(found.rows, found.value, found.low, found.high)
    if not worsening(facts.metric, now, first).sure:
        return ""
    return f"estimated {metric_name(facts.metric)} {interval(found)}, at the model's start {interval(first)}"


def _few_labels(facts: HealthFacts) -> Recommendation | None:
    if not _too_few(facts):
        return None
    told, rows = facts.feedback, 0 if facts.current is None else facts.current.rows
    evidence = [f"{rows:,} labelled predictions in the period, {LEAST_LABELS} are needed"]
    if told is not None:
        usual = "" if told.usual is None else f", {share(told.usual)} is usual"
        evidence.append(f"{told.answered:,} of {told.predictions:,} matured predictions are answered{usual}")
    fell = _estimated_fall(facts)
    reason = "There are too few outcomes to judge the model. Send them, or wait until they are due."
    if rows >= LEAST_LABELS:
        reason = (
            "Far fewer outcomes come than usual, and those that do may not be like the others. See that all are sent."
        )
    return Recommendation(
        action="wait", rule="too few outcomes", reason=reason, evidence=(*evidence, *([fell] if fell else []))
    )


def _too_few(facts: HealthFacts) -> bool:
    """Fewer than are needed, or less than half of the share that used to come."""
    if facts.current is None or facts.current.rows < LEAST_LABELS:
        return True
    told = facts.feedback
    if told is None or told.coverage is None or told.usual is None:
        return False
    return told.coverage < _HALF * told.usual


def _fine(facts: HealthFacts) -> Recommendation | None:
    known = facts.figure(facts.current, baseline=True) is not None
    said = [
        "no alarm is on" if facts.monitors else "no monitor runs yet",
        "the data is as it was" if facts.quality is not None else "data quality is not known",
        f"outcomes do not show the model to do worse than {'the baseline or ' if known else ''}its own start",
    ]
    words = f"{said[0]}, {said[1]}, and {said[2]}."
    reason = words[:1].upper() + words[1:]
    return Recommendation(action="nothing", rule="nothing wrong", reason=reason, evidence=_standing(facts))


def _alarm_words(one: Monitored) -> str:
    what = {"features": "feature drift", "prediction": "prediction drift", "loss": "loss"}[one.kind]
    since = "" if one.since is None else f", growing since {moment(one.since)}"
    return f"{what} alarm: score {level(one.score)}{since}"


def _standing(facts: HealthFacts) -> tuple[str, ...]:
    """The metric now, and beside the baseline and the model's start."""
    figures = {
        "in the period": facts.figure(facts.current),
        "of the baseline": facts.figure(facts.current, baseline=True),
        "at the model's start": facts.figure(facts.start),
        f"of version {facts.former} before": facts.figure(facts.previous),
    }
    name = metric_name(facts.metric)
    return tuple(f"{name} {what}: {interval(found)}" for what, found in figures.items() if found is not None)


RULES: tuple[Callable[[HealthFacts], Recommendation | None], ...] = (
    _no_model,
    _broken_columns,
    _odd_arrivals,
    _decayed,
    _worse_than_baseline,
    _worse_than_start,
    _drifted,
    _few_labels,
    _fine,
)

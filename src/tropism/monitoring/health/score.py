"""The health score: 0 to 100, from parts with stated weights. A part that is not known takes no weight.

Each part is a share from 0 (bad) to 1 (good); the score is 100 times their weighted mean over the parts that are known.

- baseline, 25: where zero lies in the 95% interval of the model's loss less the baseline's: 1 if the model is surely
  better, 0 if it is surely worse, 1/2 if they are equal. Losses are as if independent.
- start, 20: the smaller of two. 1 less four times the relative worsening of the loss since the model's own start, as
  far as it is sure (the interval's lower end): a sure worsening by a quarter gives 0. And the loss monitor's score: 1
  up to 0.5, where alarms end, 0 from 0.8 on, which is an alarm, straight between.
- drift, 15: of the higher score of the features' and the predictions' monitor, in the same way.
- quality, 15: the score of data quality, which compares with the reference.
- feedback, 10: the share of matured predictions that are answered, over the share that used to be, at most 1.
- service, 5: the smaller of two. 1 less the error rate over 5%; 500 ms over the 95% point of latency, at most 1.
- alerts, 10: 1 less 1/2 for each open alert of high severity, 1/4 of medium, 1/10 of low.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.monitoring.health.comparison import as_loss, worsening
from tropism.monitoring.health.wording import UNKNOWN, interval, level, plural, seconds, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.monitoring.health.facts import HealthFacts

PartName = Literal["baseline", "start", "drift", "quality", "feedback", "service", "alerts"]
WEIGHTS: dict[PartName, float] = {
    "baseline": 25.0,
    "start": 20.0,
    "drift": 15.0,
    "quality": 15.0,
    "feedback": 10.0,
    "service": 5.0,
    "alerts": 10.0,
}
PART_NAMES: dict[PartName, str] = {
    "baseline": "performance beside the baseline",
    "start": "performance beside the model's own start",
    "drift": "drift of features and predictions",
    "quality": "data quality",
    "feedback": "feedback coverage",
    "service": "service",
    "alerts": "open alerts",
}
DEFINITIONS: dict[PartName, str] = {
    "baseline": "full where the model's loss is surely below the baseline's, none where it is surely above, half where "
    "they are equal; between by where zero lies in the 95% interval of their difference",
    "start": "four times the sure relative worsening since the model's own start is taken off; so is a loss monitor's "
    "score above 0.5, of which 0.8 (an alarm) leaves nothing; the smaller of the two counts",
    "drift": "full up to a monitor's score of 0.5, nothing from 0.8 (an alarm) on",
    "quality": "the share of rows that are complete, in range and known, over that of the reference",
    "feedback": "the share of matured predictions that are answered, over what is usual",
    "service": "the error rate over 5% is taken off; 500 ms over the 95% point of latency; the smaller counts",
    "alerts": "half is taken off for an open alert of high severity, a quarter for medium, a tenth for low",
}
_SURE_LOSS = 0.25
_CALM, _ALARM = 0.5, 0.8
_WORST_ERRORS, _SLOW = 0.05, 0.5
_TAKEN_OFF = {"high": 0.5, "medium": 0.25, "low": 0.1}


class ScorePart(msgspec.Struct, frozen=True, kw_only=True):
    """`share`: 0 to 1, None where it is not known; then `weight` does not count. `evidence`: what it rests on."""

    name: PartName
    weight: float
    share: float | None
    evidence: str


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """`value`: 0 to 100 of what is known, None where nothing is. `known`: share of the weights that is known."""

    value: float | None
    known: float
    parts: tuple[ScorePart, ...]


def score(facts: HealthFacts) -> Score:
    """The score of a model's health, as this module defines it.

    >>> from tropism.monitoring.health.facts import Feedback, HealthFacts
    >>> facts = HealthFacts(task="t", kind="binary", metric="brier", version=1, start_at=0, end_at=9, generated_at=9,
    ...                     feedback=Feedback(predictions=100, answered=90))
    >>> found = score(facts)
    >>> found.value, found.known
    (90.0, 0.1)
    """
    parts = []
    for name, weight in WEIGHTS.items():
        found, evidence = _PARTS[name](facts)
        clipped = None if found is None else min(1.0, max(0.0, found))
        parts.append(ScorePart(name=name, weight=weight, share=clipped, evidence=evidence))
    known = sum(part.weight for part in parts if part.share is not None)
    total = sum(part.weight * part.share for part in parts if part.share is not None)
    return Score(value=100 * total / known if known else None, known=known / sum(WEIGHTS.values()), parts=tuple(parts))


Told = tuple[float | None, str]


def _unknown(why: str) -> Told:
    return None, f"{UNKNOWN}: {why}"


def _baseline(facts: HealthFacts) -> Told:
    now, beside = facts.figure(facts.current), facts.figure(facts.current, baseline=True)
    if now is None:
        return _unknown(facts.why("performance"))
    if beside is None:
        return _unknown(facts.why("baseline"))
    evidence = f"{interval(now)}, baseline {interval(beside)}"
    found = worsening(facts.metric, now, beside)
    if found.low is None or found.high is None:
        return _unknown(f"too few rows for an interval; {evidence}")
    if found.high <= found.low:
        return (0.5 if found.value == 0 else float(found.value < 0)), evidence
    return -found.low / (found.high - found.low), evidence


def _start(facts: HealthFacts) -> Told:
    shares, told = [], []
    now, first, loss = facts.figure(facts.current), facts.figure(facts.start), facts.monitor("loss")
    if now is not None and first is not None:
        found, size = worsening(facts.metric, now, first), as_loss(facts.metric, first).value
        if found.low is not None:
            sure = max(0.0, found.low)
            shares.append(1.0 if sure == 0 else 1 - sure / (_SURE_LOSS * size) if size > 0 else 0.0)
            told.append(f"{interval(now)}, at its start {interval(first)}")
    if loss is not None:
        shares.append(_calm(loss.score))
        told.append(f"loss monitor at {level(loss.score)}")
    if not shares:
        return _unknown(facts.why("performance" if now is None else "start" if first is None else "loss"))
    return min(shares), "; ".join(told)


def _drift(facts: HealthFacts) -> Told:
    watched = [one for kind in ("features", "prediction") if (one := facts.monitor(kind)) is not None]
    if not watched:
        return _unknown(facts.why("features"))
    highest = max(watched, key=lambda one: one.score)
    return _calm(highest.score), f"highest score {level(highest.score)}, an alarm is 0.8"


def _quality(facts: HealthFacts) -> Told:
    if facts.quality is None or facts.quality.score is None:
        return _unknown(facts.why("quality"))
    return facts.quality.score, f"{share(facts.quality.score)} of what is usual"


def _feedback(facts: HealthFacts) -> Told:
    told = facts.feedback
    if told is None or told.coverage is None:
        return _unknown(facts.why("feedback") if told is None else "no prediction has matured")
    evidence = f"{told.answered:,} of {told.predictions:,} answered"
    if told.usual is None:
        return told.coverage, evidence
    evidence += f"; {share(told.usual)} is usual"
    return (told.coverage / told.usual if told.usual > 0 else 1.0), evidence


def _service(facts: HealthFacts) -> Told:
    told = facts.service
    if told is None or told.error_rate is None:
        return _unknown(facts.why("service") if told is None else "nobody asked")
    shares = [1 - told.error_rate / _WORST_ERRORS]
    if told.latency_p95:
        shares.append(_SLOW / told.latency_p95)
    return min(shares), f"error rate {share(told.error_rate)}, 95% of answers within {seconds(told.latency_p95)}"


def _alerts(facts: HealthFacts) -> Told:
    if facts.alerts is None:
        return _unknown(facts.why("alerts"))
    off = sum(_TAKEN_OFF[alert.severity] for alert in facts.open_alerts)
    return 1 - off, f"{plural(len(facts.open_alerts), 'alert')} open"


def _calm(level: float) -> float:
    return (_ALARM - level) / (_ALARM - _CALM)


_PARTS: dict[PartName, Callable[[HealthFacts], Told]] = {
    "baseline": _baseline,
    "start": _start,
    "drift": _drift,
    "quality": _quality,
    "feedback": _feedback,
    "service": _service,
    "alerts": _alerts,
}

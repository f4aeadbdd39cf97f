from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.sample_ratio import sample_ratio
from tropism.experiments.splits.analysis import Analysis, analyse
from tropism.experiments.splits.arms import Arm
from tropism.experiments.splits.decision import SplitDecision, decide, shared_alphas

SPENT = Metric(name="spent", goal="increase", role="decision")
SPEED = Metric(name="speed", goal="increase", role="guardrail", margin=0.1)
SEEN = Metric(name="seen", goal="increase")
FAIR = sample_ratio([5_000, 5_000], [1, 1])
BROKEN = sample_ratio([5_000, 6_000], [1, 1])


def _found(metric: Metric, effect: float, *, n: int = 5_000, treatments: int = 1, guardrails: int = 1) -> Analysis:
    alpha, harm = shared_alphas(0.05, 0.05, treatments=treatments, guardrails=guardrails)
    values = np.random.default_rng(0).normal(1.0, 1.0, (2, n))
    values += 1 - values.mean(axis=1, keepdims=True)
    return analyse(metric, Arm(values[0]), Arm(values[1] + effect), alpha=alpha, harm_alpha=harm)


def _one(effect: float, guard: float | None = None, *, days: float = 3, split: Any = FAIR) -> SplitDecision:
    found = [_found(SPENT, effect)] + ([] if guard is None else [_found(SPEED, guard)])
    return decide({"v2": found}, split, days=days)


def test_what_is_better_and_does_no_harm_is_promoted() -> None:
    decision = _one(0.2, 0.0)
    assert (decision.action, decision.treatment) == ("promote", "v2")
    assert decision.reason == "spent is better, and speed not worse than allowed"
    assert _one(0.2).reason == "spent is better"


def test_a_guardrail_that_may_be_broken_holds_a_promotion_up() -> None:
    decision = _one(0.2, -0.09)
    assert (decision.action, decision.treatment) == ("extend", "")
    assert decision.reason == "v2: spent is better, but speed may be worse than allowed"
    assert _one(0.2, -0.09, days=7).action == "keep"


@pytest.mark.parametrize(("effect", "guard", "reason"), [
    (-0.2, 0.0, "v2: spent is worse"),
    (0.2, -0.3, "v2: speed is worse by more than its margin"),
    (-0.2, -0.3, "v2: spent is worse; speed is worse by more than its margin"),
])  # fmt: skip
def test_harm_stops(effect: float, guard: float, reason: str) -> None:
    decision = _one(effect, guard)
    assert (decision.action, decision.reason) == ("stop-for-harm", reason)


def test_a_guardrail_a_little_worse_is_not_harm() -> None:
    assert _one(0.0, -0.08).action == "extend"


def test_the_end_of_the_time_promotes_nothing() -> None:
    assert _one(0.02).action == "extend"
    ended = _one(0.02, days=7)
    assert (ended.action, ended.treatment) == ("keep", "")
    assert "which waits for evidence; the time is over, and that promotes nothing" in ended.reason
    assert _one(0.2, days=30).action == "promote"


def test_a_broken_split_is_never_promoted_nor_stopped() -> None:
    for effect in (0.2, -0.2):
        decision = _one(effect, split=BROKEN)
        assert (decision.action, decision.treatment) == ("extend", "")
        assert decision.reason.startswith("the split is broken: 5000 : 6000 units are not the intended shares (p = ")
        assert {one.action for one in decision.treatments} == {"extend"}
    assert _one(0.2, split=BROKEN, days=8).action == "keep"


def test_of_several_treatments_the_best_is_promoted_and_the_harmful_dropped() -> None:
    split = sample_ratio([5_000] * 4, [1] * 4)

    def found(effect: float, treatments: int) -> list[Analysis]:
        return [_found(SPENT, effect, treatments=treatments)]

    decision = decide({"a": found(0.2, 3), "b": found(0.4, 3), "c": found(-0.4, 3)}, split, days=1)
    assert (decision.action, decision.treatment) == ("promote", "b")
    assert [one.action for one in decision.treatments] == ["promote", "promote", "stop-for-harm"]
    assert decision.notes == ("each of 3 treatments has its share of alpha",)
    going_on = decide({"a": found(0.0, 2), "b": found(-0.4, 2)}, split, days=1)
    assert going_on.action == "extend"
    assert decide({"a": found(-0.3, 2), "b": found(-0.4, 2)}, split, days=1).action == "stop-for-harm"


def test_observed_metrics_decide_nothing_and_say_so() -> None:
    decision = decide({"v2": [_found(SPENT, 0.0), _found(SEEN, 0.9), _found(SEEN, -0.9)]}, FAIR, days=1)
    assert decision.action == "extend"
    assert decision.notes == ("2 observed comparisons decide nothing; each is bounded on its own",)


def test_it_is_stored() -> None:
    decision = _one(0.2, 0.0)
    assert msgspec.json.decode(msgspec.json.encode(decision), type=SplitDecision) == decision


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: decide({}, FAIR, days=1), "analyses"),
        (lambda: decide({"a": [_found(SPEED, 0)]}, FAIR, days=1), "analyses.a"),
        (lambda: decide({"a": [_found(SPENT, 0)] * 2}, FAIR, days=1), "analyses.a"),
        (lambda: decide({"a": [_found(SPENT, 0)], "b": [_found(SPENT, 0)]}, FAIR, days=1), "analyses.a.spent.alpha"),
        (
            lambda: decide({"a": [_found(SPENT, 0, guardrails=0), _found(SPEED, 0)]}, FAIR, days=1),
            "analyses.a.spent.harm_alpha",
        ),
        (lambda: shared_alphas(0.05, 0.05, treatments=0, guardrails=0), "treatments"),
    ],
)
def test_what_cannot_be_decided_is_refused_by_name(call: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        call()
    assert caught.value.faults[0].field == field
    assert caught.value.faults[0].fix


def test_a_treatment_that_is_the_controls_version_is_kept_and_not_promoted() -> None:
    def found(effect: float, treatments: int) -> list[Analysis]:
        return [_found(SPENT, effect, treatments=treatments)]

    alone = decide({"v2": found(0.2, 1)}, FAIR, days=1, alike=["v2"])
    assert (alone.action, alone.treatment) == ("keep", "")
    assert alone.reason.startswith("v2: same version: it is the control's, so nothing is promoted although spent")
    split = sample_ratio([5_000] * 3, [1] * 3)
    several = {"same": found(0.4, 2), "other": found(0.2, 2)}
    assert decide(several, split, days=1, alike=["same"]).treatment == "other"
    undecided = decide({"same": found(0.4, 2), "other": found(0.0, 2)}, split, days=1, alike=["same"])
    assert undecided.action == "extend"

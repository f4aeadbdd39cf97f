from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.metric import Metric
from tropism.experiments.splits.analysis import Analysis, analyse
from tropism.experiments.splits.arms import Arm

SPENT = Metric(name="spent", of="spent", goal="increase", role="decision")
CLICKS = Metric(name="clicks", of="clicked", kind="proportion", goal="increase", role="decision")
ERRORS = Metric(name="errors", of="failed", kind="proportion", role="guardrail", margin=0.2, relative=True)
VISITS = Metric(name="per_visit", of="spent", kind="ratio", over="visits", goal="increase")
TAIL = Metric(name="p95", of="latency_ms", kind="quantile", quantile=0.95)


def _normal(seed: int, n: int, mean: float) -> Arm:
    rng = np.random.default_rng(seed)
    return Arm(rng.normal(mean, 1.0, n), day=np.arange(n) % 7)


def _binary(n: int, ones: int, days: int = 1) -> Arm:
    values = np.zeros(n)
    values[np.linspace(0, n - 1, ones).astype(int)] = 1
    return Arm(values, day=np.arange(n) * days // n)


def test_better_worse_undecided() -> None:
    old, new = _normal(0, 2_000, 1.0), _normal(1, 2_000, 1.2)
    better, worse, same = (
        analyse(SPENT, old, new),
        analyse(SPENT, new, old),
        analyse(SPENT, old, _normal(2, 2_000, 1.0)),
    )
    assert [one.verdict for one in (better, worse, same)] == ["better", "worse", "undecided"]
    assert (better.waiting_for, same.waiting_for) == ("", "evidence")
    assert better.lower is not None and better.upper is not None and better.lower < 0.2 < better.upper
    assert better.lift is not None and better.difference is not None and better.control is not None
    assert better.lift == pytest.approx(better.difference / better.control)
    assert (better.days, better.n_control, better.method, better.kept) == (7, 2_000, "asymptotic", None)


def test_a_goal_to_decrease_turns_the_verdict_round() -> None:
    less = msgspec.structs.replace(SPENT, goal="decrease")
    assert analyse(less, _normal(1, 2_000, 1.2), _normal(0, 2_000, 1.0)).verdict == "better"


def test_a_decision_must_exceed_its_margin() -> None:
    for margin, relative, verdict in ((0.05, False, "better"), (0.2, False, "undecided"), (0.2, True, "undecided")):
        metric = msgspec.structs.replace(SPENT, margin=margin, relative=relative)
        assert analyse(metric, _normal(0, 4_000, 1.0), _normal(1, 4_000, 1.2)).verdict == verdict


def test_a_relative_metric_needs_no_lift_where_there_is_no_margin() -> None:
    relative = msgspec.structs.replace(SPENT, relative=True)
    found = analyse(relative, _normal(0, 2_000, 0.0), _normal(1, 2_000, 0.3))
    assert (found.lift_lower, found.verdict) == (None, "better")


def test_harm_has_an_alpha_of_its_own() -> None:
    old, new = _normal(0, 2_000, 1.0), _normal(1, 2_000, 1.0)
    plain, strict = analyse(SPENT, old, new), analyse(SPENT, old, new, harm_alpha=0.001)
    assert plain.lower == strict.lower
    assert plain.upper is not None and strict.upper is not None and strict.upper > plain.upper
    less = msgspec.structs.replace(SPENT, goal="decrease")
    assert analyse(less, old, new, harm_alpha=0.001).upper == analyse(less, old, new).upper


def test_few_events_are_waited_for_unless_exact_bounds_decide_already() -> None:
    waits = analyse(CLICKS, _binary(2_000, 9), _binary(2_000, 14))
    assert (waits.verdict, waits.waiting_for, waits.method, waits.events_control) == (
        "undecided",
        "events",
        "betting",
        9,
    )
    assert waits.upper is not None
    sure = analyse(CLICKS, _binary(2_000, 2), _binary(2_000, 40))
    assert (sure.verdict, sure.waiting_for, sure.method) == ("better", "", "betting")
    assert sure.lift_lower is not None and sure.lift_lower > 1
    mean = analyse(SPENT, _binary(2_000, 9), _binary(2_000, 40))
    assert (mean.lower, mean.waiting_for, mean.method) == (None, "events", "")


def test_a_few_units_that_carry_everything_are_not_many() -> None:
    rng = np.random.default_rng(0)
    heavy = [np.where(np.arange(3_000) < 5, 1_000.0, 1.0) * rng.random(3_000) for _ in range(2)]
    found = analyse(SPENT, Arm(heavy[0]), Arm(heavy[1]))
    assert found.events_control < 10
    assert found.waiting_for == "events"
    same = analyse(SPENT, Arm(np.ones(100)), Arm(np.ones(100)))
    assert (same.events_control, same.waiting_for, same.difference) == (0, "events", 0.0)


def test_too_few_units_or_no_common_day_have_no_verdict() -> None:
    few = analyse(SPENT, _normal(0, 29, 0.0), _normal(1, 29, 9.0))
    assert (few.verdict, few.waiting_for, few.within_margin) == ("undecided", "units", False)
    apart = analyse(SPENT, Arm([1.0, 2.0], day=[0, 0]), Arm([3.0], day=[1]))
    assert (apart.days, apart.waiting_for, apart.control, apart.lower) == (0, "days", None, None)


def test_a_covariate_narrows_and_moves_nothing() -> None:
    rng = np.random.default_rng(3)
    known = rng.normal(10, 3, 4_000)
    values = known + rng.normal(0, 1, 4_000) + np.repeat([0.0, 0.3], 2_000)
    plain = analyse(SPENT, Arm(values[:2_000]), Arm(values[2_000:]))
    told = analyse(SPENT, Arm(values[:2_000], covariate=known[:2_000]), Arm(values[2_000:], covariate=known[2_000:]))
    assert (plain.verdict, told.verdict) == ("undecided", "better")
    assert told.kept == pytest.approx(0.1, abs=0.02)
    assert told.difference == pytest.approx(0.3, abs=0.1)
    with pytest.raises(InvalidInput) as caught:
        analyse(SPENT, Arm([1.0, 2.0], covariate=[1.0, 2.0]), Arm([1.0, 2.0]))
    assert caught.value.faults[0].field == "spent.covariate"


def test_a_ratio_weighs_units_by_what_they_are_over() -> None:
    rng = np.random.default_rng(4)
    visits = rng.poisson(2.0, (2, 4_000))
    spent = rng.gamma(2.0, np.array([[1.0], [1.1]]), (2, 4_000)) * visits
    old, new = (Arm(spent[k], over=visits[k], day=np.arange(4_000) % 3) for k in (0, 1))
    found = analyse(VISITS, old, new)
    assert found.control == pytest.approx(spent[0].sum() / visits[0].sum(), rel=0.01)
    assert found.difference == pytest.approx(0.2, abs=0.08)
    assert found.verdict == "better"


def test_a_quantile_is_bounded_without_the_central_limit() -> None:
    rng = np.random.default_rng(5)
    found = analyse(TAIL, Arm(rng.exponential(10, 4_000)), Arm(rng.exponential(14, 4_000)))
    assert (found.verdict, found.method) == ("worse", "betting")
    assert found.control == pytest.approx(30, rel=0.1)
    assert found.lift_lower is not None and 0 < found.lift_lower < 0.4
    assert found.events_control == 200


def test_a_guardrail_holds_when_it_is_shown_not_to_be_worse_by_its_margin() -> None:
    equal = analyse(ERRORS, _binary(60_000, 3_000), _binary(60_000, 3_000))
    assert (equal.verdict, equal.within_margin) == ("undecided", True)
    early = analyse(ERRORS, _binary(1_000, 50), _binary(1_000, 50))
    assert not early.within_margin
    worse = analyse(ERRORS, _binary(60_000, 3_000), _binary(60_000, 3_900))
    assert (worse.verdict, worse.within_margin) == ("worse", False)
    assert worse.improvement[1] < -0.2


def test_a_share_that_grows_while_times_change_is_not_an_effect() -> None:
    rng = np.random.default_rng(6)
    arms = []
    for units in ((3_800, 2_000), (200, 2_000)):
        day = np.repeat([0, 1], units)
        arms.append(Arm(rng.random(len(day)) < np.where(day == 1, 0.3, 0.1), day=day))
    assert analyse(CLICKS, *arms).verdict == "undecided"
    assert analyse(CLICKS, *[Arm(arm.values) for arm in arms]).verdict == "better"


def test_it_is_stored_and_computed_again() -> None:
    old, new = _binary(2_000, 80, days=5), _binary(1_000, 55, days=5)
    found = analyse(ERRORS, old, new, treatment_name="v2")
    stored = msgspec.json.decode(msgspec.json.encode(found), type=Analysis)
    assert stored == found
    assert stored.agrees(analyse(ERRORS, old, new, treatment_name="v2"))
    other = _binary(1_000, 56, days=5)
    assert not stored.agrees(analyse(ERRORS, old, other, treatment_name="v2"))
    assert analyse(ERRORS, Arm(np.zeros(50)), Arm(np.zeros(50))).lift is None


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: analyse(SPENT, Arm([]), Arm([1.0])), "spent.control.values"),
        (lambda: analyse(SPENT, Arm([1.0]), Arm([]), treatment_name="v2"), "spent.v2.values"),
        (lambda: analyse(CLICKS, Arm([0, 1]), Arm([0, 2])), "clicks.treatment.values[1]"),
        (lambda: analyse(SPENT, Arm([1.0]), Arm([1.0]), alpha=0.7), "alpha"),
        (lambda: analyse(SPENT, Arm([1.0]), Arm([1.0]), harm_alpha=0.0), "alpha"),
        (lambda: analyse(SPENT, Arm([1.0]), Arm([1.0]), plan=0), "plan"),
        (lambda: analyse(Metric(name="", kind="mean"), Arm([1.0]), Arm([1.0])), "metric.name"),
    ],
)
def test_what_cannot_be_analysed_is_refused_by_name(call: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        call()
    assert caught.value.faults[0].field == field
    assert caught.value.faults[0].fix

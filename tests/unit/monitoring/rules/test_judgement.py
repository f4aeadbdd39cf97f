"""What rules say of facts."""

from __future__ import annotations

import math

from tropism.core.monitoring import DEFAULT_RULES, Rule
from tropism.monitoring.rules import judge, withhold


def test_a_rule_says_what_it_rests_on() -> None:
    said = judge(
        Rule("mine", "loss>1.2*baseline_loss or drift('age')>0.8", hold="2m"), {"loss": 0.3, "baseline_loss": 0.2}
    )
    assert (said.holds, said.value, said.subject, said.hold) == (True, 0.3, "age", 120_000_000)
    assert said.figures == {"loss": 0.3, "baseline_loss": 0.2, "drift:age": None}
    assert "loss is 0.3" in said.message
    assert "drift('age') is unknown" in said.message
    assert "(loss > 1.2 * baseline_loss or drift('age') > 0.8)" in said.message


def test_defaults_are_quiet_where_nothing_is_known() -> None:
    for facts in ({}, {"accuracy": None, "drift": math.nan}):
        assert [judge(rule, facts).holds for rule in DEFAULT_RULES] == [None] * len(DEFAULT_RULES)


def test_defaults_hold_at_the_figures_of_their_own() -> None:
    bad = {"accuracy": 0.84, "latency_p95": 0.501, "error_rate": 0.051, "drift": 0.81, "decay": 0.81}
    good = {"accuracy": 0.85, "latency_p95": 0.5, "error_rate": 0.05, "drift": 0.8, "decay": 0.8}
    assert all(judge(rule, bad).holds is True for rule in DEFAULT_RULES)
    assert all(judge(rule, good).holds is False for rule in DEFAULT_RULES)


def test_performance_of_few_outcomes_is_unknown_in_segments_too() -> None:
    facts = {"accuracy": 0.1, "loss:city=Bern": 0.9, "predictions": 50.0, "drift": 0.2}
    hidden = {"accuracy": None, "loss:city=Bern": None, "predictions": 50.0, "drift": 0.2}
    assert withhold(facts, matured=99) == hidden
    assert withhold(facts, matured=100) == facts
    assert judge(DEFAULT_RULES[0], withhold(facts, matured=99)).holds is None

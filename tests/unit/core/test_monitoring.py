"""What a task's monitoring may say, and which rules hold."""

from __future__ import annotations

from typing import Any

import pytest

from tropism.core.monitoring import DEFAULT_RULES, Monitoring, Rule, effective_rules, monitoring_faults

FEATURES = ("age", "city")


def test_the_defaults_are_sound() -> None:
    assert monitoring_faults(Monitoring(), FEATURES) == []
    assert monitoring_faults(Monitoring(rules=DEFAULT_RULES), FEATURES) == []
    said = {rule.name: (rule.when, rule.severity) for rule in effective_rules(Monitoring())}
    assert said == {
        "accuracy": ("accuracy < 0.85", "high"),
        "latency": ("latency_p95 > 500ms", "medium"),
        "errors": ("error_rate > 5%", "high"),
        "drift": ("drift > 0.8", "high"),
        "decay": ("decay > 0.8", "high"),
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"false_alarms": "a while"}, "false_alarms"),
        ({"false_alarms": "0"}, "false_alarms"),
        ({"false_alarms": "1s"}, "false_alarms"),
        ({"window": "0s"}, "window"),
        ({"period": "1s"}, "period"),
        ({"tolerance": -0.1}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"reference": 5}, "reference"),
        ({"cost_per_1000": float("inf")}, "cost_per_1000"),
        ({"concept": "adwn"}, "concept"),
        ({"segments": ("town",)}, "segments"),
        ({"segments": ("city", "city")}, "segments"),
        ({"segments": ("",)}, "segments"),
        ({"rules": (Rule("a", "drift > 0.5"), Rule("a", "drift > 0.6"))}, "rules"),
        ({"rules": (Rule("A!", "drift > 0.5"),)}, "rules"),
        ({"rules": (Rule("a", ""),)}, "rules.a.when"),
        ({"rules": (Rule("a", "drif > 0.5"),)}, "rules.a.when"),
        ({"rules": (Rule("a", "drift('agee') > 0.5"),)}, "rules.a.when"),
        ({"rules": (Rule("a", "drift > 0.5", "urgent"),)}, "rules.a.severity"),  # type: ignore[arg-type]
        ({"rules": (Rule("a", "drift > 0.5", hold="soon"),)}, "rules.a.hold"),
        ({"rules": (Rule("a", "drift > 0.5", cooldown="-1h"),)}, "rules.a.cooldown"),
        ({"rules": (Rule("a", "drift > 0.5", channels=("",)),)}, "rules.a.channels"),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], field: str) -> None:
    faults = monitoring_faults(Monitoring(**changes), FEATURES)
    assert [fault.field for fault in faults] == [f"monitoring.{field}"]
    assert all(fault.fix for fault in faults)


def test_all_mistakes_are_told_at_once_and_the_near_name_with_them() -> None:
    rules = (Rule("a", "drif > 0.5", hold="soon"), Rule("b", "missing('aeg') > 1%"))
    faults = monitoring_faults(Monitoring(tolerance=2, rules=rules), FEATURES)
    assert len(faults) == 4
    assert "did you mean 'drift'?" in faults[2].fix
    assert "did you mean 'age'?" in faults[3].fix


def test_features_that_are_not_known_yet_are_not_missed() -> None:
    monitoring = Monitoring(segments=("town",), rules=(Rule("a", "drift('spend.sum_7d') > 0.5"),))
    assert len(monitoring_faults(monitoring, ())) == 2
    assert monitoring_faults(monitoring, None) == []


def test_segments_of_metrics_and_conditions_as_segments_pass() -> None:
    monitoring = Monitoring(segments=("city", "age >= 65"), rules=(Rule("a", "accuracy('city=Bern') < 0.8"),))
    assert monitoring_faults(monitoring, FEATURES) == []


def test_a_rule_replaces_the_default_of_its_name_and_an_empty_one_switches_it_off() -> None:
    own = (Rule("accuracy", "accuracy < 0.9", "low"), Rule("decay", " "), Rule("mine", "cost > 5"))
    rules = effective_rules(Monitoring(rules=own))
    assert [rule.name for rule in rules] == ["accuracy", "latency", "errors", "drift", "mine"]
    assert rules[0].severity == "low"
    assert monitoring_faults(Monitoring(rules=own), FEATURES) == []

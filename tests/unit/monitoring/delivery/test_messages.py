"""Messages are read by people in a hurry."""

from __future__ import annotations

import pytest

from tropism.core.clock import SECOND
from tropism.monitoring.delivery.messages import text, title

ALERT = {
    "id": "a1",
    "task": "price",
    "rule": "demand",
    "subject": "drift:demand",
    "severity": "medium",
    "message": "drift of demand is 0.93",
    "value": 0.93,
    "since": 0,
    "fired_at": 120 * SECOND,
}


def test_a_resolved_alert_says_so_and_asks_for_nothing() -> None:
    body = {"type": "alert.resolved", "alert": {**ALERT, "resolved_at": 3_600 * SECOND}}
    assert title(body) == "Resolved: price: demand"
    assert "Resolved: 1970-01-01T01:00:00Z" in text(body)
    assert "What to do" not in text(body)


@pytest.mark.parametrize(
    ("when", "advice"),
    [
        ("drift('demand') > 0.8", "look at the named features"),
        ("latency_p99 > 0.5 for 5m", "look at the serving processes"),
        ("missing('age') > 0.1 and accuracy < 0.5", "look at this column"),
        ("", "see the evidence"),
    ],
)
def test_advice_follows_what_the_rule_looks_at(when: str, advice: str) -> None:
    alert = {**ALERT, "evidence": {"when": when}}
    assert f"What to do: {advice}" in text({"type": "alert.fired", "alert": alert})


@pytest.mark.parametrize("causes", [["age", "income"], [{"feature": "age", "share": 0.7}, {"feature": "income"}]])
def test_causes_are_named_in_their_order(causes: list[object]) -> None:
    alert = {**ALERT, "evidence": {"context": {"causes": causes}}}
    assert "\nCauses: age, income\n" in text({"type": "alert.fired", "alert": alert})


@pytest.mark.parametrize("evidence", [None, [], {"context": None}, {"context": {"causes": None}}])
def test_an_alert_without_causes_names_none(evidence: object) -> None:
    assert "Causes" not in text({"type": "alert.fired", "alert": {**ALERT, "evidence": evidence}})


def test_advice_of_the_evidence_comes_first() -> None:
    alert = {**ALERT, "evidence": {"advice": "call the data team"}}
    assert "What to do: call the data team" in text({"type": "alert.fired", "alert": alert})


def test_a_message_is_made_of_whatever_is_there() -> None:
    assert title({"type": "alert.fired", "alert": {"id": "a"}}) == "Alert: : "
    assert text({"type": "alert.fired", "alert": {"id": "a", "value": None, "since": None}}).count("\n") == 2
    assert text({"type": "report", "title": "Health", "text": "All is well."}) == "All is well."

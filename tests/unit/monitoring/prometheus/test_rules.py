from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.monitoring.prometheus.conftest import Check, Promtool
from tests.unit.monitoring.prometheus.exported import task_with

from tropism import Feature, Task
from tropism.core.errors import InvalidInput
from tropism.core.monitoring import DEFAULT_RULES, Monitoring, Rule
from tropism.monitoring.prometheus import export

NASTY = "a \"b\" 'c' {{ d }} \\ e\n  f: #g größe 🦊\u2028\u0085\x7f"
FEATURE = "it's {{ $value }} \\ é 🦊\u2028\n- alert: x"
DEFAULTS = Task(name="price", kind="binary", target="y", features=(Feature("age"),))


def loaded(text: str) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    groups: list[dict[str, Any]] = yaml.safe_load(text)["groups"]
    return groups


RULES = (
    Rule("quoted", f'drift("{FEATURE}") > 0.8 and missing("{FEATURE}") >= 5%', description=NASTY),
    Rule("timed", "freshness > 1.5h", "low", hold="90s", channels=("ops", "{{ it's }}")),
    Rule("odd", "not (latency_p99 != 0.1ms or -loss / cost < -1e-7) and predictions('a == \"b\"') > 1k"),
    Rule("never-1", "loss > 1 / 0", hold="1w"),
    Rule("never_2", "loss > 1 and 2 > 3\n"),
    Rule("always", "loss > 1 or 3 > 2", hold="0.5ms"),
)


def task_of_a_quick_window() -> Task:
    made = Monitoring(window="1s", period="1500ms", rules=(Rule("errors", "error_rate > 1%"),))
    return Task(name="quick", kind="binary", target="y", features=(Feature("age"),), monitoring=made)


def test_every_default_rule_is_an_alert_in_its_tasks_group() -> None:
    text = export([DEFAULTS, task_of_a_quick_window()])
    group, other = loaded(text)
    assert "# Scrape every 1m or more often: service figures are of 1h." in text
    assert "# Scrape every 375ms or more often: service figures are of 1500ms." in text
    assert (group["name"], other["name"]) == ("tropism:price", "tropism:quick")
    assert [rule["alert"] for rule in group["rules"]] == [f"tropism_{rule.name}" for rule in DEFAULT_RULES]
    assert [rule["labels"]["severity"] for rule in group["rules"]] == [rule.severity for rule in DEFAULT_RULES]
    assert all('{model="price"' in rule["expr"] for rule in group["rules"])
    assert group["rules"][0]["annotations"]["summary"] == "price: too many predictions came out wrong"


def test_holds_channels_and_texts_come_out_as_they_went_in() -> None:
    rules = (
        Rule("slow", "latency_p95 > 1s", "low", hold="90s", channels=("ops", "it's"), description=NASTY),
        Rule("own", "drift > 0.5", hold="10s"),
    )
    [slow, own] = loaded(export([task_with("price", *rules)]))[0]["rules"]
    assert (slow["for"], slow["keep_firing_for"], own["for"], own["keep_firing_for"]) == ("90s", "90s", "10s", "1m")
    assert slow["labels"] == {"model": "price", "severity": "low", "rule": "slow", "channels": "ops,it's"}
    assert own["labels"] == {"model": "price", "severity": "medium", "rule": "own"}
    assert slow["annotations"]["summary"] == f"price: {NASTY}".replace("{{", '{{"{{"}}')
    assert slow["annotations"]["description"].startswith("latency_p95 > 1s; now at {{")


def test_what_cannot_be_exported_is_said_and_why() -> None:
    text = export([task_with("price", Rule("never", "loss > 1 and\n 2 > 3"))])
    assert "# never: not exported, since it can never be true: loss > 1 and 2 > 3" in text
    assert loaded(text)[0]["rules"] == []
    assert loaded(export([])) == []


def test_prometheus_finds_no_fault_with_defaults_and_nasty_rules(promtool: Promtool, tmp_path: Path) -> None:
    task = task_with("fraud_2-x", *RULES, *DEFAULT_RULES, features=(FEATURE,))
    path = tmp_path / "rules.yml"
    path.write_text(export([DEFAULTS, task, task_with("none"), task_of_a_quick_window()], {"job": 'a "b", c'}))
    said = promtool("check", "rules", path)
    assert "SUCCESS: 19 rules found" in said
    path.write_text(export([]))
    assert "SUCCESS: 0 rules found" in promtool("check", "rules", path)


def test_texts_with_braces_are_not_taken_for_templates(promtool: Promtool, tmp_path: Path) -> None:
    feature, text = (one.replace("🦊", "") for one in (FEATURE, NASTY))  # JSON's escape of it is not YAML's
    rule = Rule("own", f'drift("{feature}") > 0.8', description=text, channels=("{{ it's }}",))
    (tmp_path / "rules.yml").write_text(export([task_with("price", rule, features=(feature,))]))
    alert = {
        "exp_labels": {"severity": "medium", "rule": "own", "model": "price", "channels": "{{ it's }}"},
        "exp_annotations": {"summary": f"price: {text}", "description": f'drift("{feature}") > 0.8; now at 0.9'},
    }
    labels = f'model="price",version="1",drift_type="features",feature={json.dumps(feature)}'
    test = {
        "interval": "1m",
        "input_series": [{"series": f"ml_model_drift_score{{{labels}}}", "values": "0.9 0.9"}],
        "alert_rule_test": [{"alertname": "tropism_own", "eval_time": "1m", "exp_alerts": [alert]}],
    }
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [test]}))
    promtool("test", "rules", tmp_path / "test.yml")


def test_an_alert_fires_after_its_hold_and_ends_after_as_long_without_cause(check: Check) -> None:
    text = export([task_with("price", Rule("own", "loss > 1", hold="3m"))])
    series = {'ml_model_loss{model="price",version="1"}': "2 2 0 2 2 2 2 2 0 0 0 0 0 0"}
    seen = {2: 0, 5: 0, 6: 1, 7: 1, 8: 1, 10: 1, 12: 0}
    samples: dict[int, list[dict[str, object]]] = {0: [], 1: [{"labels": '{model="price"}', "value": 1}]}
    expected = [{"eval_time": f"{minute}m", "exp_samples": samples[firing]} for minute, firing in seen.items()]
    check(text, series, {'count by (model) (ALERTS{alertstate="firing"})': expected})


@pytest.mark.parametrize("name", ["", "a b", "1a", 'x="1",y', "model"])
def test_a_label_that_cannot_be_one_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match="a label cannot be used") as caught:
        export([DEFAULTS], {name: "x", "job": "y"})
    assert [fault.value for fault in caught.value.faults] == [repr(name)]

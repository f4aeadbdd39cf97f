"""Exported conditions, evaluated by Prometheus's own engine, say what ours say of the same facts."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from tests.unit.monitoring.prometheus.conftest import Check
from tests.unit.monitoring.prometheus.exported import series_of, task_with

from tropism.core.expression_text import parse
from tropism.core.expressions import (
    Arithmetic,
    Comparison,
    Condition,
    Logical,
    Metric,
    Negative,
    Not,
    Number,
    Value,
    metrics,
    truth,
)
from tropism.core.metric_names import METRIC_NAMES
from tropism.core.monitoring import Rule
from tropism.monitoring.prometheus import Known, export, gauges
from tropism.monitoring.prometheus.names import COUNTED

FIRING = 'count by (model) (ALERTS{alertstate="firing"})'
NUMBERS = (Metric("loss"), Metric("baseline_loss"), Metric("mae"), Metric("cost"), Metric("rmse", "a 'b' {{ \\"))
FEATURES = ("a 'b' {{\t\\", "größe\u2028")
Facts = dict[str, float | None]


def firing(models: list[str], at: str = "1m") -> dict[str, object]:
    """What the engine must answer when the alerts of these models fire, one each."""
    return {"eval_time": at, "exp_samples": [{"labels": f'{{model="{one}"}}', "value": 1} for one in sorted(models)]}


def agree(check: Check, cases: list[tuple[str, Facts]]) -> Counter[bool | None]:
    """Compares both on each case, and counts what was true, false and unknown."""
    tasks = [task_with(f"t{number}", Rule("r", when), features=FEATURES) for number, (when, _) in enumerate(cases)]
    known = {task.name: Known(version=1, facts=facts) for task, (_, facts) in zip(tasks, cases, strict=True)}
    said = {task.name: truth(parse(when), facts) for task, (when, facts) in zip(tasks, cases, strict=True)}
    true = [name for name, holds in said.items() if holds]
    check(export(tasks), series_of(gauges(known)), {FIRING: [firing(true)]})
    return Counter(said.values())


def test_every_gauge_and_comparison_agrees(check: Check) -> None:
    cases: list[tuple[str, Facts]] = []
    for name, known in METRIC_NAMES.items():
        for argument in ("", *FEATURES) if known.of else ("",):
            metric = Metric(name, argument)
            if (known.needed and not argument) or (name in COUNTED and not argument):
                continue
            for operator in ("<", "<=", ">", ">=", "==", "!="):
                when = f"{metric} {operator} 0.5{'s' if known.scale == 'time' else ''}"
                others = dict.fromkeys(("f1", name, f"{name}:other", f"mape:{argument or 'other'}"), 9.0)
                cases += [(when, {**others, metric.key: value}) for value in (0.25, 0.5, 0.75, None)]
    assert len(cases) > 700
    counts = agree(check, cases)
    assert min(counts[True], counts[False], counts[None]) > 100, counts


class Making:
    """Conditions at random, of which all three answers are common."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def facts(self) -> Facts:
        values = (None, 0.0, 0.5, 1.0, 2.0, -1.0, math.inf, math.nan)
        chances = (0.1, 0.15, 0.2, 0.2, 0.15, 0.1, 0.05, 0.05)
        return {metric.key: values[self._random.choice(len(values), p=chances)] for metric in NUMBERS}

    def condition(self, depth: int) -> Condition:
        kind = self._random.integers(4) if depth else 0
        if kind == 0:
            operator = str(self._random.choice(["<", "<=", ">", ">=", "==", "!="]))
            return Comparison(operator, self.value(2), self.value(2))  # type: ignore[arg-type]
        if kind == 1:
            return Not(self.condition(depth - 1))
        operator = str(self._random.choice(["and", "or"]))
        return Logical(operator, self.condition(depth - 1), self.condition(depth - 1))  # type: ignore[arg-type]

    def value(self, depth: int) -> Value:
        kind = self._random.integers(5) if depth else self._random.integers(2)
        if kind <= 1:
            return NUMBERS[self._random.integers(len(NUMBERS))]
        if kind == 2:
            return Number(float(self._random.choice([0, 0.5, 1, 2, 1e-7])))
        if kind == 3:
            return Negative(self.value(depth - 1))
        operator = str(self._random.choice(["+", "-", "*", "/"]))
        return Arithmetic(operator, self.value(depth - 1), self.value(depth - 1))  # type: ignore[arg-type]


def test_every_operator_agrees_on_facts_that_are_known_unknown_and_not_finite(check: Check) -> None:
    making = Making(seed=5)
    made = [(making.condition(3), making.facts()) for _ in range(600)]
    counts = agree(check, [(str(condition), facts) for condition, facts in made if metrics(condition)])
    assert min(counts[True], counts[False], counts[None]) > 80, counts


def test_constant_parts_agree(check: Check) -> None:
    constants = ("1 > 2", "2 > 1", "1 / 0 > 1", "1 / 0 != 1", "loss / 0 > 1", "loss / (1 - 1) <= 1")
    cases: list[tuple[str, Facts]] = []
    for constant in constants:
        for when in ("loss > 1 and {}", "loss > 1 or {}", "not (loss > 1 and {})", "not (loss > 1 or {})"):
            cases += [(when.format(constant), {"loss": value, "mae": 1.0}) for value in (0.5, 2.0, None)]
    counts = agree(check, cases)
    assert min(counts[True], counts[False], counts[None]) > 10, counts


LOADS: dict[str, tuple[Facts, dict[str, str]]] = {
    "busy": (
        {
            "predictions": 3_600,
            "throughput": 1.0,
            "error_rate": 0.1,
            "latency_p50": 0.1,
            "latency_p95": 0.235,
            "latency_p99": 0.247,
        },
        {
            'ml_model_predictions_total{model="busy",version="1",variant="champion"}': "5+40x70",
            'ml_model_predictions_total{model="busy",version="2",variant="challenger"}': "5+20x70",
            'ml_prediction_latency_seconds_bucket{model="busy",le="0.05"}': "0+0x70",
            'ml_prediction_latency_seconds_bucket{model="busy",le="0.1"}': "7+27x70",
            'ml_prediction_latency_seconds_bucket{model="busy",le="0.25"}': "9+54x70",
            'ml_prediction_latency_seconds_bucket{model="busy",le="+Inf"}': "9+54x70",
            'ml_prediction_latency_seconds_count{model="busy"}': "9+54x70",
            'ml_prediction_errors_total{model="busy",code="overloaded",status="503"}': "1+4x70",
            'ml_prediction_errors_total{model="busy",code="internal",status="500"}': "1+2x70",
            'ml_prediction_errors_total{model="busy",code="invalid",status="422"}': "1+900x70",
        },
    ),
    "well": (
        {
            "predictions": 3_600,
            "throughput": 1.0,
            "error_rate": 0.0,
            "latency_p50": 10.0,
            "latency_p95": 10.0,
            "latency_p99": 10.0,
        },
        {
            'ml_model_predictions_total{model="well",version="1",variant="champion"}': "0+60x70",
            'ml_prediction_latency_seconds_bucket{model="well",le="10"}': "0+0x70",
            'ml_prediction_latency_seconds_bucket{model="well",le="+Inf"}': "0+60x70",
            'ml_prediction_latency_seconds_count{model="well"}': "0+60x70",
        },
    ),
    "idle": (
        {"predictions": 0, "throughput": 0.0},
        {
            'ml_model_predictions_total{model="idle",version="1",variant="champion"}': "8+0x70",
            'ml_prediction_latency_seconds_bucket{model="idle",le="0.1"}': "8+0x70",
            'ml_prediction_latency_seconds_bucket{model="idle",le="+Inf"}': "8+0x70",
            'ml_prediction_latency_seconds_count{model="idle"}': "8+0x70",
            'ml_prediction_errors_total{model="idle",code="internal",status="500"}': "1+0x70",
        },
    ),
    "broken": (
        {"predictions": 0, "throughput": 0.0, "error_rate": 1.0},
        {'ml_prediction_errors_total{model="broken",code="internal",status="500"}': "1+1x70"},
    ),
    "never": ({"predictions": 0, "throughput": 0.0}, {}),
}
ASKED = (
    *("predictions > 3599 and predictions < 3601", "predictions < 10", "predictions == 0", "not predictions < 10"),
    *("throughput > 0.99 and throughput < 1.01", "throughput < 0.1", "throughput * 2 > 1.9"),
    *("error_rate > 9.9% and error_rate < 10.1%", "error_rate > 5%", "not error_rate > 5%", "error_rate != 0.5"),
    *("latency_p50 <= 101ms", "latency_p50 > 99ms", "latency_p50 != 7s", "not latency_p50 == 7s"),
    *("latency_p95 > 230ms and latency_p95 < 240ms", "latency_p95 > 500ms", "latency_p95 - latency_p50 > 100ms"),
    *("latency_p99 > 245ms and latency_p99 < 250ms", "latency_p99 >= 10s", "latency_p99 > 500ms or predictions < 10"),
    *("not (latency_p99 > 500ms and predictions < 10)", "error_rate > 50% and not latency_p95 > 1s"),
)


def test_service_figures_agree(check: Check) -> None:
    series = {'tropism_requests_in_flight{instance="a"}': "0+0x70"}
    tasks, answers = [], Counter[bool | None]()
    expected: dict[str, list[dict[str, object]]] = {}
    for model, (facts, own) in LOADS.items():
        series |= own
        tasks.append(task_with(model, *(Rule(f"r{number}", when) for number, when in enumerate(ASKED))))
        for number, when in enumerate(ASKED):
            holds = truth(parse(when), facts)
            answers[holds] += 1
            asked = f'count by (model) (ALERTS{{model="{model}",rule="r{number}",alertstate="firing"}})'
            expected[asked] = [firing([model] if holds else [], at="65m")]
    check(export(tasks), series, expected)
    assert min(answers[True], answers[False], answers[None]) > 10, answers


def test_without_word_of_any_data_plane_nothing_is_known_of_its_load(check: Check) -> None:
    task = task_with("price", Rule("quiet", "predictions < 10"), Rule("loud", "predictions >= 10"))
    series = {'up{job="shop"}': "1 1 1", 'tropism_requests_in_flight{job="bank"}': "0 0 0"}
    check(export([task], {"job": "shop"}), series, {FIRING: [firing([])]})


def test_several_replicas_add_up_and_other_projects_do_not_count(check: Check) -> None:
    rules = (Rule("load", "predictions > 119 and predictions < 121"), Rule("loss", "loss < 1"))
    task = task_with("price", *rules)
    series = {
        'ml_model_predictions_total{model="price",job="shop",instance="a"}': "0+1x70",
        'ml_model_predictions_total{model="price",job="shop",instance="b"}': "0+1x70",
        'ml_model_predictions_total{model="price",job="bank",instance="c"}': "0+9x70",
        'ml_model_loss{model="price",version="1",job="shop",instance="a"}': "0+0x70",
        'ml_model_loss{model="price",version="1",job="bank",instance="c"}': "5+0x70",
    }
    both = {"eval_time": "65m", "exp_samples": [{"labels": '{model="price"}', "value": 2}]}
    check(export([task], {"job": "shop"}), series, {FIRING: [both]})

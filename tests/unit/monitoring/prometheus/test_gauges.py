from __future__ import annotations

import math
from itertools import cycle

import numpy as np
from tests.unit.monitoring.prometheus.conftest import Promtool
from tests.unit.monitoring.prometheus.exported import series_of

from tropism.core.metric_names import METRIC_NAMES
from tropism.core.monitoring import DEFAULT_RULES, Rule
from tropism.monitoring.alerts.alert import Alert
from tropism.monitoring.prometheus import Known, gauges
from tropism.monitoring.prometheus.names import COUNTED, HELP, series


def alert(number: int, rule: str) -> Alert:
    return Alert(
        id=str(number),
        task="price",
        rule=rule,
        subject=str(number),
        severity="high",
        state="open",
        value=0.9,
        message="",
        evidence={},
        since=0,
        fired_at=0,
    )


def samples(known: Known, most: int = 50) -> dict[str, float]:
    return {name: float(value) for name, value in series_of(gauges({"price": known}, most), 1).items()}


def test_the_names_are_those_that_the_mission_states() -> None:
    facts: dict[str, float | None] = {
        "accuracy": 0.8,
        "drift": 0.9,
        "drift:age": 0.7,
        "prediction_drift": 0.1,
        "decay": 0.2,
    }
    drift = 'ml_model_drift_score{model="price",version="3",drift_type='
    assert samples(Known(version=3, facts=facts)) == {
        'ml_model_accuracy{model="price",version="3"}': 0.8,
        f'{drift}"features",feature=""}}': 0.9,
        f'{drift}"features",feature="age"}}': 0.7,
        f'{drift}"prediction",feature=""}}': 0.1,
        f'{drift}"loss",feature=""}}': 0.2,
    }


def test_what_is_not_known_is_left_out_and_what_is_known_to_be_0_is_not() -> None:
    facts = {"accuracy": None, "loss": math.nan, "mae": 0.0, "drift:age": None, "label_coverage": 0.0}
    told = samples(Known(version=None, facts=facts))
    assert told == {
        'ml_model_mae{model="price",version="0"}': 0.0,
        'ml_model_label_coverage_ratio{model="price",version="0"}': 0.0,
    }
    assert gauges({}) == gauges({"price": Known(version=1, facts={})}) == ""


def test_every_fact_that_data_planes_do_not_tell_has_a_gauge_with_a_description() -> None:
    for name, known in METRIC_NAMES.items():
        told = series(name, "age" if known.needed else "")
        assert (told is None) == (name in COUNTED), name
        assert told is None or told.metric in HELP, name


def test_of_many_features_the_worst_are_told_and_those_that_rules_name() -> None:
    facts: dict[str, float | None] = {f"drift:f{number}": number / 1_000 for number in range(1_000)}
    facts |= {"drift": 0.999} | {f"accuracy:s{number}": 0.5 for number in range(1_000)}
    rules = (Rule("own", "drift('f7') > 0.5 or accuracy('s700') < 50%"),)
    told = samples(Known(version=1, facts=facts, rules=rules), most=3)
    features = [name.split('feature="')[1][:-2] for name in told if "drift_score" in name]
    segments = [name.split('segment="')[1][:-2] for name in told if "segment_figure" in name]
    assert sorted(features) == ["", "f7", "f997", "f998", "f999"]
    assert sorted(segments) == ["s0", "s1", "s2", "s700"]
    assert "the worst 3 and those that rules name" in gauges({"price": Known(version=1, facts=facts)}, most=3)


def test_open_alerts_are_counted_and_quiet_rules_are_0() -> None:
    known = Known(version=1, facts={}, alerts=(alert(1, "drift"), alert(2, "drift")), rules=DEFAULT_RULES[3:])
    assert samples(known) == {
        'ml_model_alerts_open{model="price",rule="decay",severity="high"}': 0,
        'ml_model_alerts_open{model="price",rule="drift",severity="high"}': 2,
    }


def test_facts_of_metrics_that_nobody_knows_and_numpy_numbers_do_no_harm() -> None:
    facts: dict[str, float | None] = {"new_thing": 1.0, "label_delay:country": 5.0, "loss": np.float64(0.25), "f1": 1}
    assert samples(Known(version=1, facts=facts)) == {
        'ml_model_loss{model="price",version="1"}': 0.25,
        'ml_model_f1{model="price",version="1"}': 1.0,
    }


def test_prometheus_finds_no_fault_with_any_gauge(promtool: Promtool) -> None:
    nasty = "a \"b\" 'c' {{ d }} \\ e\nf\tg größe 🦊\u2028"
    keys = [*METRIC_NAMES, *(f"{name}:{nasty}" for name, known in METRIC_NAMES.items() if known.of)]
    facts: dict[str, float | None] = dict(zip(keys, cycle((0.5, math.inf, -math.inf)), strict=False))
    known = Known(version=1, facts=facts, alerts=(alert(1, "drift"),), rules=DEFAULT_RULES, at=1_700_000_000_000_000)
    text = gauges({"price": known, "fraud": known})
    assert {line.split()[2] for line in text.split("\n") if line.startswith("# TYPE")} == set(HELP)
    assert promtool("check", "metrics", text=text) == ""

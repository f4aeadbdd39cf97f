from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tropism.core.errors import InvalidInput
from tropism.core.experiment import Experiment, Namespace, Ramp, Variant
from tropism.core.metric import Metric

TWO = (Variant(name="now"), Variant(name="new", version=7))
LOSS = Metric(name="loss", role="decision")
AB: dict[str, Any] = {"name": "two-trees", "task": "fraud", "mode": "ab", "variants": TWO}
CANARY = {**AB, "mode": "canary"}


def faults(**given: Any) -> dict[str, str]:
    """What is wrong, by field."""
    with pytest.raises(InvalidInput) as caught:
        Experiment(**given)
    assert all(fault.value and fault.fix for fault in caught.value.faults)
    return {fault.field: fault.value for fault in caught.value.faults}


def thirds(*weights: float) -> tuple[Variant, ...]:
    return tuple(Variant(name=f"v{number}", weight=weight) for number, weight in enumerate(weights))


def test_an_experiment_survives_json() -> None:
    full = Experiment(
        **{**AB, "variants": thirds(0.2, 0.3, 0.5)},
        ramp=Ramp(steps=(0.5, 1.0), hold="6h"),
        namespace=Namespace(name="checkout", start=0.1, end=0.6),
        targeting="country == 'DE' and amount > 10",
        holdout=0.05,
        metrics=(LOSS, Metric(name="revenue", of="revenue", role="guardrail", margin=0.02)),
        seed="2026",
    )
    assert msgspec.json.decode(msgspec.json.encode(full), type=Experiment) == full


def test_a_canary_grows_by_itself_and_an_ab_test_does_not() -> None:
    assert Experiment(**CANARY).steps == (0.01, 0.05, 0.25, 0.5, 1.0)
    assert Experiment(**AB).steps == (1.0,)
    assert Experiment(**AB, ramp=Ramp(steps=(0.1, 0.2))).steps == (0.1, 0.2)


def test_in_shadow_any_number_of_treatments_need_no_shares() -> None:
    assert Experiment(**{**AB, "mode": "shadow", "variants": thirds(0.5, 0.5, 0.5)}).control.name == "v0"


def test_where_treatments_answer_nobody_the_fault_says_so() -> None:
    with pytest.raises(InvalidInput, match="treatments answer nobody, so only their loss can be known"):
        Experiment(**{**AB, "mode": "shadow", "metrics": (Metric(name="r", of="outcome", role="decision"),)})
    mirrored = {**AB, "mode": "mirrored", "targeting": "amount > 10", "holdout": 0.9}
    assert Experiment(**mirrored, metrics=(LOSS, Metric(name="l"))).holdout == 0.9


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"name": "Two Trees"}, "name", "'Two Trees'"),
        ({"mode": "abc"}, "mode", "'abc'"),
        ({"unit": "user"}, "unit", "'user'"),
        ({"seed": ""}, "seed", "''"),
        ({"variants": TWO[:1]}, "variants", "now"),
        ({"variants": (*TWO, Variant(name="now", weight=0.0))}, "variants", "'now'"),
        ({"variants": (TWO[0], Variant(name="New One"))}, "variants", "'New One'"),
        ({"variants": (TWO[0], Variant(name="new", version=0))}, "variants.new.version", "0"),
        ({"variants": (TWO[0], Variant(name="new", weight=0.4))}, "variants", "now 0.5, new 0.4: 0.9 in all"),
        ({"variants": (TWO[0], Variant(name="new", weight=0.0))}, "variants.new.weight", "0.0"),
        ({"variants": (TWO[0], Variant(name="new", weight=float("nan")))}, "variants.new.weight", "nan"),
        ({"ramp": Ramp(steps=(0.5, 0.5))}, "ramp.steps", "[0.5, 0.5]"),
        ({"ramp": Ramp(steps=(0.5, 0.1))}, "ramp.steps", "[0.5, 0.1]"),
        ({"ramp": Ramp(steps=(0.0, 0.1))}, "ramp.steps", "[0.0, 0.1]"),
        ({"ramp": Ramp(steps=(0.1, 1.1))}, "ramp.steps", "[0.1, 1.1]"),
        ({"ramp": Ramp(steps=())}, "ramp.steps", "none"),
        ({"ramp": Ramp(hold="a day")}, "ramp.hold", "'a day'"),
        ({"ramp": Ramp(hold="0")}, "ramp.hold", "'0'"),
        ({"ramp": Ramp(hold="2d")}, "max_duration", "'7d', shorter than the ramp"),
        ({"max_duration": "long"}, "max_duration", "'long'"),
        ({"namespace": Namespace(name="", start=0, end=1)}, "namespace.name", "''"),
        ({"namespace": Namespace(name="n", start=0.5, end=1.5)}, "namespace", "0.5 to 1.5"),
        ({"namespace": Namespace(name="n", start=0.5, end=0.5)}, "namespace", "0.5 to 0.5"),
        ({"namespace": Namespace(name="n", start=0.6, end=0.5)}, "namespace", "0.6 to 0.5"),
        ({"targeting": "country ="}, "targeting", '"country =", at character 9'),
        ({"holdout": 1.0}, "holdout", "1.0"),
        ({"alpha": 0.0}, "alpha", "0.0"),
        ({"harm_alpha": 0.5}, "harm_alpha", "0.5"),
        ({"min_units": 1}, "min_units", "1"),
        ({"metrics": ()}, "metrics", "none with role='decision'"),
        ({"metrics": (LOSS, Metric(name="b", role="decision"))}, "metrics", "loss, b with role='decision'"),
        ({"metrics": (LOSS, Metric(name="loss"))}, "metrics", "'loss'"),
        ({"metrics": (LOSS, Metric(name="r", kind="ratio"))}, "metrics.r.over", "''"),
    ],
)
def test_what_cannot_be_run_is_refused_by_field(given: dict[str, Any], field: str, value: str) -> None:
    assert faults(**{**AB, **given})[field] == value


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({**CANARY, "variants": thirds(0.5, 0.3, 0.2)}, "variants"),
        ({**CANARY, "max_duration": "4d"}, "max_duration"),
        ({**AB, "mode": "bandit", "ramp": Ramp()}, "ramp"),
        ({**AB, "mode": "shadow", "ramp": Ramp()}, "ramp"),
        ({**AB, "mode": "shadow", "targeting": "a > 1"}, "targeting"),
        ({**AB, "mode": "shadow", "holdout": 0.1}, "holdout"),
        ({**AB, "mode": "shadow", "namespace": Namespace(name="n", end=0.5)}, "namespace"),
        ({**AB, "mode": "shadow", "metrics": (Metric(name="r", of="outcome", role="decision"),)}, "metrics.r.of"),
        ({**AB, "mode": "mirrored", "metrics": (LOSS, Metric(name="r", of="revenue"))}, "metrics.r.of"),
        ({**AB, "mode": "mirrored", "metrics": (LOSS, Metric(name="q", kind="quantile"))}, "metrics.q"),
        ({**AB, "mode": "shadow", "metrics": (Metric(name="l", role="decision", margin=0.1),)}, "metrics.l.margin"),
        ({**AB, "mode": "bandit", "metrics": (Metric(name="q", kind="quantile", role="decision"),)}, "metrics.q.kind"),
        ({**AB, "mode": "bandit", "variants": thirds(0.5, 0.4)}, "variants"),
    ],
)
def test_each_mode_asks_for_what_it_needs(given: dict[str, Any], field: str) -> None:
    assert list(faults(**given)) == [field]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert set(faults(**{**AB, "name": "", "alpha": 2.0, "targeting": "(", "holdout": -1.0})) == {
        "name",
        "alpha",
        "targeting",
        "holdout",
    }


@pytest.mark.parametrize("mode", ["shadow", "mirrored"])
def test_where_treatments_answer_nobody_what_would_be_passed_over_is_refused(mode: Any) -> None:
    variants = (Variant(name="now"), Variant(name="new", version=2))
    metrics = (Metric(name="loss", role="decision", cuped="14d"), Metric(name="also", role="guardrail", margin=0.1))
    with pytest.raises(InvalidInput) as refused:
        Experiment(name="beside", task="fraud", mode=mode, variants=variants, metrics=metrics)
    assert [fault.field for fault in refused.value.faults] == ["metrics.loss.cuped", "metrics.also.role"]

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tropism.core import governance_faults
from tropism.core.errors import InvalidInput
from tropism.core.governance import (
    KINDS,
    MEASURED,
    Gate,
    Governance,
    Level,
    MetricGate,
    OwnGate,
    TimeGate,
    default_governance,
)
from tropism.core.governance_faults import checked, read_governance
from tropism.core.governance_faults import governance_faults as faults_of
from tropism.core.task import Feature, Kind, Task


def task(kind: Kind = "binary") -> Task:
    classes = ("low", "high") if kind == "multiclass" else ()
    inputs = (Feature("amount"), Feature("country", type="category"))
    return Task(name="t", kind=kind, target="y", features=inputs, classes=classes)


@pytest.fixture
def refused() -> Callable[..., list[tuple[str, str]]]:
    """Fields and fixes of what is wrong with a level that has these gates."""

    def one(*gates: dict[str, Any], kind: Kind = "binary", **rest: Any) -> list[tuple[str, str]]:
        levels = [{"name": "staging"}, {"name": "live", "gates": list(gates)}]
        with pytest.raises(InvalidInput) as caught:
            read_governance({"levels": levels, **rest}, task(kind))
        return [(fault.field, fault.fix) for fault in caught.value.faults]

    return one


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_default_policy_is_valid_for_every_kind(kind: Kind) -> None:
    policy = default_governance(kind)
    assert checked(policy, task(kind)) is policy
    assert read_governance(msgspec.to_builtins(policy), task(kind)) == policy


def test_the_default_policy_has_the_figures_that_were_asked_for() -> None:
    levels = msgspec.to_builtins(default_governance("binary"))["levels"]
    staging, production = ({gate["gate"]: gate for gate in level["gates"]} for level in levels)
    assert (staging["metric"]["least"], staging["latency"]["most_ms"]) == (0.85, 100)
    assert "integration" in staging
    assert (production["metric"]["least"], production["latency"]["most_ms"]) == (0.9, 50)
    assert (production["time"]["level"], production["time"]["least"]) == ("staging", "24h")
    assert {"load", "security"} <= production.keys()
    assert staging["metric"]["baseline"] and production["metric"]["baseline"]


@pytest.mark.parametrize(
    ("gate", "field", "fix"),
    [
        ({"gate": "metric", "metric": "accuracy", "least": 1.01}, "levels.live.metric.least", "at most 1"),
        ({"gate": "metric", "metric": "brier", "most": 0}, "levels.live.metric.most", "more than 0"),
        ({"gate": "metric", "metric": "brier", "least": 0.1}, "levels.live.metric.least", "less is better"),
        ({"gate": "metric", "metric": "auc", "most": 0.1}, "levels.live.metric.most", "more is better"),
        ({"gate": "metric", "metric": "mae", "most": 3}, "levels.live.metric.metric", "a binary task has"),
        ({"gate": "metric", "baseline": False}, "levels.live.metric.most", "asks nothing"),
        ({"gate": "latency", "most_ms": 0}, "levels.live.latency.most_ms", "no prediction takes less"),
        ({"gate": "latency", "most_ms": -5}, "levels.live.latency.most_ms", "0.001 or more"),
        ({"gate": "load", "least_per_second": 1e9}, "levels.live.load.least_per_second", "use 0 to 1,000,000"),
        ({"gate": "metric", "rows": 20_000}, "levels.live.metric.rows", "gates look at the newest 10,000 rows"),
        ({"gate": "latency", "quantile": 1}, "levels.live.latency.quantile", "between 0 and 1"),
        ({"gate": "load", "seconds": 0}, "levels.live.load.seconds", "more than 0"),
        ({"gate": "load", "threads": 0}, "levels.live.load.threads", "use 1 to"),
        ({"gate": "champion", "margin": -1}, "levels.live.champion.margin", "0 or a positive"),
        ({"gate": "robustness", "most_change": 0}, "levels.live.robustness.most_change", "more than 0"),
        ({"gate": "time", "least": "-1h"}, "levels.live.time.least", "write a number and a unit"),
        ({"gate": "time", "level": "live"}, "levels.live.time.level", "name a level below: staging"),
        ({"gate": "data", "most_age": "0"}, "levels.live.data.most_age", "more than no time"),
        ({"gate": "drift", "most": 0}, "levels.live.drift.most", "never exactly alike"),
        ({"gate": "approval", "count": 0}, "levels.live.approval.count", "use at least 1"),
        ({"gate": "approval", "roles": ["boss"]}, "levels.live.approval.roles", "roles of this policy"),
        ({"gate": "fairness", "attributes": []}, "levels.live.fairness.attributes", "name the features"),
        ({"gate": "fairness", "attributes": ["contry"]}, "levels.live.fairness.attributes", "did you mean 'country'"),
        ({"gate": "fairness", "attributes": ["amount"]}, "levels.live.fairness.attributes", "a category or a boolean"),
        ({"gate": "own", "name": "bias"}, "levels.live.own.name", "install a package"),
        ({"gate": "blessing"}, "levels[1].gates[0].gate", "use one of: metric, champion"),
        ({"gate": "latency", "most": 5}, "levels[1].gates[0].most", ""),
    ],
)
def test_a_policy_that_nothing_could_pass_is_refused_in_words(
    refused: Callable[..., list[tuple[str, str]]], gate: dict[str, Any], field: str, fix: str
) -> None:
    found = refused(gate)
    assert found[0][0] == field
    assert fix in found[0][1]


def test_rows_that_are_too_old_before_the_wait_is_over_are_told(
    refused: Callable[..., list[tuple[str, str]]],
) -> None:
    found = refused({"gate": "time", "least": "2d"}, {"gate": "data", "most_age": "1d"})
    assert found == [
        ("levels.live.data.most_age", "use more than 2d: no version gets here before its rows are 2d old"),
    ]


def test_no_version_waits_on_two_levels_at_once() -> None:
    waits = Level(name="live", gates=(TimeGate(level="staging"), TimeGate(level="trial")))
    (fault,) = faults_of(Governance(levels=(Level(name="staging"), Level(name="trial"), waits)), task())
    assert (fault.field, fault.fix[:16]) == ("levels.live.time.level", "keep one of them")


def test_a_wait_longer_than_results_hold_can_be_passed_as_gates_run_after_it() -> None:
    levels = (Level(name="staging"), Level(name="live", gates=(TimeGate(least="30d"),)))
    assert faults_of(Governance(levels=levels, results="1h"), task()) == []


@pytest.mark.parametrize(
    ("roles", "gate", "fix"),
    [
        ({"risk": ["ann"], "legal": ["Ann"]}, {"count": 2, "roles": ["risk", "legal"]}, "use at most 1"),
        (
            {"risk": ["ann"], "legal": ["ann"], "lead": ["bob", "cy"]},
            {"count": 3, "roles": ["risk", "legal", "lead"]},
            "nobody approves in two of them",
        ),
        ({"risk": [" "]}, {"roles": ["risk"]}, "name its people"),
    ],
)
def test_roles_that_nobody_can_fill_are_told(
    refused: Callable[..., list[tuple[str, str]]], roles: dict[str, list[str]], gate: dict[str, Any], fix: str
) -> None:
    assert fix in refused({"gate": "approval", **gate}, roles=roles)[0][1]


def test_whose_approval_a_promotion_takes_is_checked_too(refused: Callable[..., list[tuple[str, str]]]) -> None:
    assert refused(promotion={"gate": "approval", "roles": ["boss"]})[0][0] == "promotion.roles"


def test_a_task_declares_levels_and_is_refused_what_nothing_could_pass() -> None:
    levels = (Level(name="live", gates=(MetricGate(metric="accuracy", least=1.2),)),)
    with pytest.raises(InvalidInput) as caught:
        msgspec.structs.replace(task(), governance=Governance(levels=levels))
    assert caught.value.faults[0].field == "governance.levels.live.metric.least"
    assert caught.value.faults[0].fix == "use at most 1: no model has more accuracy"
    declared = msgspec.structs.replace(task(), governance=default_governance("binary"))
    assert msgspec.json.decode(msgspec.json.encode(declared), type=Task) == declared


def test_every_fault_is_told_at_once(refused: Callable[..., list[tuple[str, str]]]) -> None:
    found = refused({"gate": "latency", "most_ms": 0, "calls": 1}, {"gate": "drift", "most": 0}, reviews="soon")
    assert [field.rsplit(".", 1)[-1] for field, _ in found] == ["reviews", "most_ms", "calls", "most"]


def test_numbers_have_no_groups_that_are_treated_unfairly(refused: Callable[..., list[tuple[str, str]]]) -> None:
    found = refused({"gate": "fairness", "attributes": ["country"]}, kind="regression")
    assert "no positive class" in found[0][1]
    found = refused({"gate": "fairness", "attributes": ["country"]}, kind="multiclass")
    assert found == [("levels.live.fairness.positive", "use one of: low, high")]


def test_more_approvals_than_there_are_people_are_refused(refused: Callable[..., list[tuple[str, str]]]) -> None:
    roles = {"risk": ["ann", "Ann "], "lead": ["bob"]}
    found = refused({"gate": "approval", "count": 3, "roles": ["risk", "lead"]}, roles=roles)
    assert found == [("levels.live.approval.count", "use at most 2, the people of these roles, or add people to them")]
    assert "at least 2" in refused({"gate": "approval", "count": 1, "roles": ["risk", "lead"]}, roles=roles)[0][1]


def test_levels_have_names_of_their_own() -> None:
    names = [fault.field for fault in faults_of(Governance(levels=(Level(name="Up"), Level(name="retired"))), task())]
    assert names == ["levels.Up", "levels.retired"]
    twice = Governance(levels=(Level(name="a"), Level(name="a")))
    assert [fault.fix for fault in faults_of(twice, task())] == ["name each level once"]
    assert [fault.field for fault in faults_of(Governance(levels=()), task())] == ["levels"]


def test_the_lowest_level_cannot_ask_for_time_below() -> None:
    policy = Governance(levels=(Level(name="a", gates=(TimeGate(level="none"),)),))
    assert "leave this gate out" in faults_of(policy, task())[0].fix


def test_a_gate_of_a_package_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governance_faults, "names", lambda group: ("bias",))
    assert faults_of(Governance(levels=(Level(name="a", gates=(OwnGate(name="bias"),)),)), task()) == []


def test_a_level_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'production'"):
        default_governance("binary").level("prodction")


def test_every_kind_of_gate_is_listed() -> None:
    assert tuple(kind.__struct_config__.tag for kind in Gate.__args__) == KINDS


def test_the_metrics_are_those_that_are_measured() -> None:
    import numpy as np

    from tropism.evaluation.metrics import summarise

    labels = np.array([0.0, 1.0, 0.0, 1.0])
    three = np.array([[0.6, 0.4], [0.3, 0.7], [0.8, 0.2], [0.6, 0.4]])
    for kind, scores in (("binary", three[:, 1:]), ("multiclass", three), ("regression", three[:, 1:])):
        assert set(MEASURED[kind]) == set(summarise(kind, labels, scores))  # type: ignore[arg-type]

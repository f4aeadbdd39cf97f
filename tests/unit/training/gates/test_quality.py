from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.core.governance import ChampionGate, GateResult, MetricGate
from tropism.registry import ModelVersion
from tropism.training.gates import Evidence, GateContext, run_gates

Context = Callable[..., GateContext]
Rows = Callable[..., Evidence]
Version = Callable[..., ModelVersion]


def judged(gate: MetricGate | ChampionGate, context: GateContext) -> GateResult:
    return run_gates([gate], context)[0]


def test_a_good_model_passes_with_its_figure_and_interval(context_of: Context, evidence_of: Rows) -> None:
    found = judged(MetricGate(metric="accuracy", least=0.8), context_of(evidence=evidence_of()))
    assert found.passed
    assert found.measured is not None
    assert found.measured > 0.85
    assert found.required == "accuracy of at least 0.8, and less loss than the best baseline"
    assert found.details["interval"]["low"] < found.measured < found.details["interval"]["high"]


def test_a_model_that_always_says_no_passes_a_bare_accuracy_and_not_the_baseline(
    context_of: Context, evidence_of: Rows, version_of: Version
) -> None:
    rows = {"signal": 0.0, "rare": 2.0}
    context = context_of(version=version_of(learner="majority", **rows), evidence=evidence_of(**rows))
    bare = judged(MetricGate(metric="accuracy", least=0.9, baseline=False), context)
    assert bare.passed
    assert bare.measured is not None
    assert bare.measured > 0.95
    default = judged(MetricGate(metric="accuracy", least=0.9), context)
    assert not default.passed
    assert default.assessed
    assert "does not show that it is better" in default.message


def test_a_model_below_the_bound_is_told_by_how_much(context_of: Context, evidence_of: Rows) -> None:
    found = judged(MetricGate(metric="accuracy", least=0.99), context_of(evidence=evidence_of()))
    assert (found.passed, found.assessed) == (False, True)
    assert found.message.startswith("accuracy is 0.")
    assert "on 1,000 rows" in found.message


@pytest.mark.parametrize(("kind", "metric"), [("multiclass", "macro_f1"), ("regression", "r2"), ("binary", "auc")])
def test_every_metric_of_a_kind_can_be_asked_for(
    context_of: Context, evidence_of: Rows, kind: str, metric: str
) -> None:
    context = context_of(kind, evidence=evidence_of(kind))
    assert judged(MetricGate(metric=metric, least=0.6), context).passed
    assert judged(MetricGate(), context).passed


def test_without_rows_nothing_is_assessed_and_what_to_do_is_said(context_of: Context, evidence_of: Rows) -> None:
    for evidence, count in ((None, 0), (evidence_of(count=50), 50)):
        found = judged(MetricGate(), context_of(evidence=evidence))
        assert (found.passed, found.assessed) == (False, False)
        assert found.message.startswith(f"not assessed: {count} of the 100 labelled rows")
        assert "wait until" in found.message


def test_a_metric_that_these_rows_do_not_define_is_not_assessed(context_of: Context, evidence_of: Rows) -> None:
    found = judged(MetricGate(metric="auc", least=0.5), context_of(evidence=evidence_of(rare=50.0)))
    assert not found.assessed
    assert "two rows of each class" in found.message


def test_an_equal_model_is_no_worse_than_the_champion_by_a_margin(
    context_of: Context, evidence_of: Rows, version_of: Version
) -> None:
    champion = version_of(number=2, seed=3)
    context = context_of(evidence=evidence_of(count=4_000), champion=champion)
    assert judged(ChampionGate(margin=0.05), context).passed
    strict = judged(
        ChampionGate(margin=0.0), context_of(evidence=evidence_of(count=4_000, signal=0.0), champion=champion)
    )
    assert not strict.passed
    assert "0 is allowed" in strict.message


def test_a_worse_model_does_not_pass_beside_the_champion(
    context_of: Context, evidence_of: Rows, version_of: Version
) -> None:
    worse = version_of(learner="majority")
    found = judged(
        ChampionGate(margin=0.01), context_of(version=worse, evidence=evidence_of(), champion=version_of(number=2))
    )
    assert not found.passed
    assert found.measured is not None
    assert found.measured > 0.05
    assert "train a better one" in found.message


def test_the_first_model_has_no_champion_to_be_compared_with(context_of: Context, version_of: Version) -> None:
    found = judged(ChampionGate(), context_of())
    assert found.passed
    assert "there is no champion" in found.message
    same = version_of()
    assert "it is the champion" in judged(ChampionGate(), context_of(version=same, champion=same)).message


def test_rows_that_the_champion_learnt_from_are_left_out(
    context_of: Context, evidence_of: Rows, version_of: Version
) -> None:
    evidence = evidence_of()
    since = int(evidence.rows.at[-50])
    found = judged(ChampionGate(), context_of(evidence=evidence, champion=version_of(number=2), champion_since=since))
    assert found.message.startswith("not assessed: 49 of the 100")


def test_looking_again_and_again_rarely_lets_a_model_pass_that_is_no_better(
    context_of: Context, evidence_of: Rows, version_of: Version
) -> None:
    """A model like its baseline, looked at after every 500 of 2,000 rows, 20 times over: at 5% one is expected."""
    passed = 0
    version = version_of(learner="majority", signal=0.0)
    for seed in range(20):
        evidence = evidence_of(count=2_000, signal=0.0, seed=100 + seed)
        looks = (
            Evidence(evidence.rows.slice(0, stop), {name: one[:stop] for name, one in evidence.baselines.items()})
            for stop in range(500, 2_001, 500)
        )
        passed += any(judged(MetricGate(), context_of(version=version, evidence=one)).passed for one in looks)
    assert passed <= 3

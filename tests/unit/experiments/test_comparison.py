from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tropism.core.errors import InvalidInput
from tropism.experiments.comparison import compare


def _pair(n: int, gain: float, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(1.0, 0.3, n), rng.normal(1.0 - gain, 0.3, n)


def test_better_worse_undecided() -> None:
    old, new = _pair(400, 0.2)
    better, worse = compare(old, new), compare(new, old)
    assert (better.verdict, worse.verdict) == ("better", "worse")
    assert better.lower is not None and better.lower > 0
    assert worse.upper is not None and worse.upper < 0
    assert better.waiting_for == worse.waiting_for == ""
    assert better.estimate == pytest.approx(better.incumbent - better.challenger)
    undecided = compare(*_pair(400, 0.0))
    assert (undecided.verdict, undecided.waiting_for) == ("undecided", "evidence")


def test_a_margin_must_be_exceeded() -> None:
    old, new = _pair(400, 0.2)
    assert compare(old, new, margin=0.1).verdict == "better"
    assert compare(old, new, margin=0.2).verdict == "undecided"
    # A margin makes promotion harder, not rejection easier.
    assert compare(old, old - 0.01 * new, margin=0.5).verdict == "undecided"


def test_no_verdict_before_min_outcomes_though_bounds_may_be_shown() -> None:
    old, new = _pair(29, 1.0)
    early = compare(old, new, bound=10.0)
    assert (early.verdict, early.waiting_for) == ("undecided", "outcomes")
    assert compare(*_pair(30, 1.0)).verdict == "better"
    assert compare(*_pair(60, 1.0), min_outcomes=61).verdict == "undecided"


def test_few_disagreements_are_waited_for() -> None:
    old, new = np.zeros(300), np.zeros(300)
    old[:9] = 1.0
    evidence = compare(old, new)
    assert (evidence.verdict, evidence.waiting_for, evidence.events) == ("undecided", "events", 9)
    assert evidence.lower is None
    old[:40:2] = 1.0
    assert compare(old, new).verdict == "better"


def test_a_rare_label_not_seen_yet_is_waited_for() -> None:
    """Negatives alone make whoever predicts lowest look better, with no spread at all."""
    labels = np.arange(1_500) % 20 == 19
    low, high = 0.03, 0.08
    old, new = (-np.log(np.where(labels, score, 1 - score)) for score in (high, low))
    early = compare(old[:12], new[:12], labels=labels[:12], min_outcomes=10)
    assert (early.verdict, early.waiting_for, early.rare) == ("undecided", "labels", 0)
    late = compare(old, new, labels=labels)
    assert late.rare == int(labels.sum())
    assert late.verdict != "better"


def test_a_bound_gives_a_verdict_before_the_rare_label_comes() -> None:
    labels = np.zeros(120)
    old, new = np.full(120, 0.9), np.full(120, 0.1)
    assert compare(old, new, labels=labels).verdict == "undecided"
    bounded = compare(old, new, labels=labels, bound=1.0)
    assert bounded.verdict == "better"
    assert bounded.bounded
    assert bounded.lower is not None and bounded.lower < 0.8


def test_dependence_is_not_taken_for_evidence() -> None:
    rng = np.random.default_rng(3)
    old, new = _pair(200, 0.12, seed=1)
    assert compare(old, new).verdict == "better"
    repeated = compare(np.repeat(old[:40], 5), np.repeat(new[:40], 5))
    assert repeated.inflation > 2
    assert repeated.verdict == "undecided"
    day = np.arange(200) // 20
    shocks = np.repeat(rng.normal(0, 0.5, 10), 20)
    assert compare(old + shocks, new, cohorts=day).inflation > compare(old, new, cohorts=day).inflation
    assert compare(old, new, cohorts=day).days == 10


def test_the_order_of_looks_does_not_matter_only_what_is_there() -> None:
    old, new = _pair(300, 0.1)
    assert compare(old, new) == compare(list(old), list(new))


def test_no_outcomes_and_no_difference() -> None:
    empty = compare([], [], cohorts=[], labels=[], bound=1.0)
    assert (empty.n, empty.verdict, empty.waiting_for, empty.lower, empty.rare) == (0, "undecided", "outcomes", None, 0)
    same = compare(np.ones(200), np.ones(200))
    assert (same.verdict, same.waiting_for, same.estimate) == ("undecided", "events", 0.0)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: compare([1.0, 2.0], [1.0]), "challenger_loss"),
        (lambda: compare([1.0, float("nan")], [1.0, 2.0]), "incumbent_loss[1]"),
        (lambda: compare([1.0], [float("inf")]), "challenger_loss[0]"),
        (lambda: compare([[1.0]], [[1.0]]), "incumbent_loss"),
        (lambda: compare([1.0], [1.0], cohorts=[1, 2]), "cohorts"),
        (lambda: compare([1.0], [1.0], labels=[]), "labels"),
        (lambda: compare([1.0], [1.0], alpha=0.7), "alpha"),
        (lambda: compare([1.0], [1.0], margin=-0.1), "margin"),
        (lambda: compare([1.0], [1.0], plan=0), "plan"),
        (lambda: compare([3.0], [1.0], bound=1.0), "bound"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(call: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        call()
    assert caught.value.faults[0].field == field
    assert caught.value.faults[0].fix

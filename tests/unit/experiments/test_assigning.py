from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from tropism.core.errors import InvalidInput
from tropism.core.experiment import Experiment, Namespace, Ramp, Variant
from tropism.experiments.assigning import Assigner
from tropism.experiments.growthbook import choose_variation, get_bucket_ranges, hash_value
from tropism.experiments.sample_ratio import sample_ratio

MILLION = [f"user-{number}" for number in range(1_000_000)]
SOME = MILLION[:20_000]
STEPS = (0.01, 0.05, 0.25, 0.5, 1.0)
TWO = (Variant(name="now"), Variant(name="new", version=7))
THREE = (Variant(name="now", weight=0.5), Variant(name="a", weight=0.3), Variant(name="b", weight=0.2))


def experiment(mode: str = "ab", variants: tuple[Variant, ...] = TWO, name: str = "e", **more: Any) -> Experiment:
    return Experiment(name=name, task="fraud", mode=mode, variants=variants, **more)  # type: ignore[arg-type]


@cache
def grown(mode: str, holdout: float) -> list[np.ndarray[Any, Any]]:
    """The variant of a million units at each step: its number, or -1."""
    variants = TWO if mode == "canary" else THREE
    subject = experiment(mode, variants, holdout=holdout)
    numbers = {variant.name: number for number, variant in enumerate(variants)}
    return [
        np.array([numbers.get(one.variant or "", -1) for one in Assigner(subject, step).assign_many(MILLION)])
        for step in STEPS
    ]


def test_a_million_units_are_split_as_declared() -> None:
    counts = Counter(one.variant for one in Assigner(experiment(variants=THREE), 1.0).assign_many(MILLION))
    assert sum(counts.values()) == len(MILLION)
    assert not sample_ratio([counts["now"], counts["a"], counts["b"]], [0.5, 0.3, 0.2]).mismatch


@pytest.mark.parametrize("holdout", [0.0, 0.1])
def test_a_canary_gets_the_share_of_each_step_and_gives_no_unit_back(holdout: float) -> None:
    before = np.zeros(len(MILLION), dtype=bool)
    for step, found in zip(STEPS, grown("canary", holdout), strict=True):
        treated = found == 1
        assert treated.mean() == pytest.approx(step * (1 - holdout), abs=0.0015)
        assert not (before & ~treated).any()
        before = treated


def test_an_ab_test_that_grows_takes_units_in_and_moves_none() -> None:
    before = np.full(len(MILLION), -1)
    for step, found in zip(STEPS, grown("ab", 0.0), strict=True):
        counts = [int((found == number).sum()) for number in range(3)]
        assert sum(counts) / len(MILLION) == pytest.approx(step, abs=0.0015)
        assert not sample_ratio(counts, [0.5, 0.3, 0.2]).mismatch
        assert (found[before >= 0] == before[before >= 0]).all()
        before = found


def test_the_holdout_is_the_same_at_every_step() -> None:
    subject = experiment("canary", holdout=0.1)
    held = [[one.why == "holdout" for one in Assigner(subject, step).assign_many(SOME)] for step in (0.01, 1.0)]
    assert held[0] == held[1]
    assert sum(held[0]) / len(SOME) == pytest.approx(0.1, abs=0.01)
    first, *_, last = grown("canary", 0.1)
    assert ((first == -1) == (last == -1)).all()


def test_one_by_one_and_many_at_once_agree() -> None:
    subject = experiment(
        variants=THREE,
        holdout=0.1,
        namespace=Namespace(name="checkout", start=0.2, end=0.9),
        targeting="country == 'DE'",
        ramp=Ramp(steps=(0.3, 1.0)),
    )
    known: list[dict[str, object]] = [{"country": "DE" if number % 3 else "FR"} for number in range(len(SOME))]
    units = [*SOME[:-2], "\u00fcmit", "\U0001f600"]
    assigner = Assigner(subject, 0.3)
    single = [assigner.assign(unit, about) for unit, about in zip(units, known, strict=True)]
    assert assigner.assign_many(units, known) == single
    assert {one.why for one in single} == {"experiment", "holdout", "namespace", "targeting", "ramp"}
    assert all((one.variant is None) == (one.why != "experiment") for one in single)
    assert assigner.assign_many(units) == [assigner.assign(unit) for unit in units]


def test_a_restart_and_another_machine_assign_alike() -> None:
    """Pinned: a change here would move the units of running experiments."""
    assert Assigner(experiment(), 1.0).assign_many(SOME) == Assigner(experiment(), 1.0).assign_many(SOME)
    assert [Assigner(experiment(name="colour"), 1.0).assign(f"u{n}").variant for n in range(8)] == PINNED


PINNED = ["new", "now", "new", "new", "now", "new", "now", "now"]


def test_a_client_with_growthbook_agrees() -> None:
    ranges = get_bucket_ranges(3, 0.4, [0.5, 0.3, 0.2])
    names = ["now", "a", "b", None]
    assigner = Assigner(experiment(variants=THREE, seed="s"), 0.4)
    for unit in SOME[:5_000]:
        place = hash_value("s", unit, 2)
        assert place is not None
        assert assigner.assign(unit).variant == names[choose_variation(place, ranges)]


def test_experiments_of_one_namespace_never_share_a_unit() -> None:
    ranges = ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0))
    found = [
        Assigner(experiment(name=f"e{n}", namespace=Namespace(name="checkout", start=start, end=end)), 1.0)
        for n, (start, end) in enumerate(ranges)
    ]
    taking = np.array([[one.variant is not None for one in each.assign_many(MILLION)] for each in found])
    assert (taking.sum(axis=0) == 1).all()
    assert taking.mean(axis=1) == pytest.approx([0.3, 0.4, 0.3], abs=0.005)


def test_a_part_of_a_namespace_is_split_as_declared() -> None:
    subject = experiment(variants=THREE, namespace=Namespace(name="checkout", start=0.4, end=0.6))
    counts = Counter(one.variant for one in Assigner(subject, 1.0).assign_many(MILLION))
    assert not sample_ratio([counts["now"], counts["a"], counts["b"]], [0.5, 0.3, 0.2]).mismatch


def test_experiments_with_other_seeds_are_independent() -> None:
    """Chi-square of the two splits of 200,000 units, for 20 pairs: the least p of 20 is below 0.0005 once in 100."""
    units = MILLION[:200_000]
    splits = [
        [one.variant for one in Assigner(experiment(variants=THREE, name=f"e{n}"), 1.0).assign_many(units)]
        for n in range(21)
    ]
    for left, right in pairwise(splits):
        counts = Counter(zip(left, right, strict=True))
        table = [[counts[one.name, other.name] for other in THREE] for one in THREE]
        assert chi2_contingency(table).pvalue > 0.0005


def test_at_no_share_nobody_gets_the_treatment() -> None:
    assert {one.variant for one in Assigner(experiment("canary"), 0.0).assign_many(SOME)} == {"now"}


@pytest.mark.parametrize("mode", ["shadow", "mirrored"])
def test_where_nothing_is_split_the_control_answers_everybody(mode: str) -> None:
    assert {one.variant for one in Assigner(experiment(mode, THREE), 1.0).assign_many(SOME)} == {"now"}


@pytest.mark.parametrize("unit", [None, ""])
def test_a_request_without_a_unit_is_refused_by_field(unit: str | None) -> None:
    assigner = Assigner(experiment(unit="unit"), 1.0)
    for asked in (lambda: assigner.assign(unit), lambda: assigner.assign_many(["a", unit or ""])):
        with pytest.raises(InvalidInput) as caught:
            asked()
        assert caught.value.faults[0].field == "unit"


def test_what_is_no_share_and_attributes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match="share"):
        Assigner(experiment(), 1.01)
    with pytest.raises(InvalidInput, match="attributes"):
        Assigner(experiment(), 1.0).assign_many(["a"], [])

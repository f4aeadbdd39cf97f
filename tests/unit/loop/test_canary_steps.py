"""A canary whose units come back, while its share grows: whom it compares with whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.experiment import Experiment, Variant
from tropism.core.metric import Metric
from tropism.core.task import Feature, Task
from tropism.experiments.splits.analysis import Analysis, analyse
from tropism.loop.exposures import arms, grouped
from tropism.loop.split_evidence import steps_of
from tropism.registry.experiments import Trial

TASK = Task(name="shop", kind="regression", target="y", features=(Feature("x"),), outcome_window="0d")
LOSS = Metric(name="loss", role="decision")
REVENUE = Metric(name="revenue", of="revenue", goal="increase", role="decision")
SHARES = (0.01, 0.05, 0.25, 0.5, 0.5, 0.5)
STEPS = (DAY, 2 * DAY, 3 * DAY)


def canary(*metrics: Metric, stepped_at: int = 3 * DAY) -> Trial:
    variants = (Variant(name="now"), Variant(name="new", version=2))
    spec = Experiment(name="c", task="shop", mode="canary", variants=variants, metrics=metrics or (LOSS,))
    return Trial(
        name="c", task="shop", spec=spec, versions={"now": 1, "new": 2}, status="running", step=3, created_at=0,
        started_at=0, stepped_at=stepped_at, ended_at=None, ending=None, reason=None, decision_id=None,
    )  # fmt: skip


def rows(day: Any, unit: Any, new: Any, **columns: Any) -> pa.Table:
    own = {
        "at": pa.array(np.asarray(day, np.int64) * DAY + 3_600 * SECOND).cast(pa.timestamp("us", "UTC")),
        "variant": np.where(new, "c/new", "c/now"),
        "entity": pa.array(np.asarray(unit)).cast(pa.string()),
        "scores": pa.array([[0.0]] * len(np.asarray(unit))),
    }
    return pa.table(own | columns)


def simulated(seed: int) -> pa.Table:
    """Nobody is any better off: who comes often has larger losses, whatever answers."""
    rng = np.random.default_rng(seed)
    place, often = rng.random(3_000), rng.gamma(0.5, 1, 3_000)
    visits = [(day, np.repeat(np.arange(3_000), np.minimum(rng.poisson(often), 10))) for day in range(len(SHARES))]
    day, unit = (np.concatenate(part) for part in zip(*((np.full(len(u), d), u) for d, u in visits), strict=True))
    loss = np.sqrt(often[unit] + rng.random(len(unit)))
    return rows(day, unit, place[unit] < np.array(SHARES)[day], label=loss, v_revenue=rng.poisson(0.3, len(unit)) * 1.0)


def compared(table: pa.Table, metric: Metric, steps: tuple[int, ...]) -> Analysis:
    found = arms(TASK, canary(metric), metric, grouped(canary(metric), table, steps))
    return analyse(metric, found["now"], found["new"])


@pytest.mark.parametrize("metric", [LOSS, REVENUE])
def test_units_that_move_as_the_share_grows_are_not_taken_for_an_effect(metric: Metric) -> None:
    tables = [simulated(seed) for seed in range(10)]
    by_step = [compared(table, metric, STEPS) for table in tables]
    assert [one.verdict for one in by_step] == ["undecided"] * 10
    assert abs(np.mean([one.lift or 0.0 for one in by_step])) < 0.05
    mixed = [compared(table, metric, ()).lift or 0.0 for table in tables]
    assert abs(np.mean(mixed)) > 0.1, "without the steps, the same units seem to show something"


def test_a_unit_counts_once_in_the_last_step_that_it_was_seen_in() -> None:
    table = rows([0, 0, 1, 1], [1, 2, 1, 3], [False, False, True, False], label=np.array([1.0, 2.0, 3.0, 4.0]))
    found = arms(TASK, canary(), LOSS, grouped(canary(), table, (DAY,)))
    assert (np.asarray(found["now"].values).tolist(), np.asarray(found["new"].values).tolist()) == ([2.0, 4.0], [3.0])
    assert len(set(np.asarray(found["now"].day).tolist())) == 2


def test_steps_are_those_that_the_ledger_has() -> None:
    told = [("c", 2 * DAY), ("other", DAY + 5), ("c", DAY), ("c", 9 * DAY)]
    ledger = [SimpleNamespace(at=at, evidence={"experiment": name}) for name, at in told]
    decisions = SimpleNamespace(list=lambda *_, **__: ledger)
    services: Any = SimpleNamespace(registry=SimpleNamespace(decisions=decisions))
    assert steps_of(services, canary()) == STEPS
    assert steps_of(services, canary(stepped_at=0)) == ()

"""Card payments through the real path (bench/card_payments.py): features from streams, labels a week late, the loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tropism.core.clock import DAY, SECOND
from tropism.core.task import Policy, Task

BENCH = Path(__file__).parents[2] / "bench"
DATA = BENCH.parent.parent / "shared" / "data" / "card_payments.parquet"
HOUR = 3_600 * SECOND
START = 17_000 * DAY
A_DAY, DAYS = 250, 25
Import = Callable[[str], Any]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Imports a module of the benchmark."""
    monkeypatch.syspath_prepend(str(BENCH))
    yield import_module


def simulated(bench: Import) -> Any:
    """Payments whose frauds are large, or made at terminals that were compromised for ten days."""
    rng = np.random.default_rng(5)
    count = A_DAY * (DAYS + 14)
    at = np.sort(rng.integers(START - 14 * DAY, START + DAYS * DAY, count))
    customer, terminal = rng.integers(0, 600, count), rng.integers(0, 25, count)
    amount = rng.integers(500, 10_000, count)
    since = START - 14 * DAY + rng.integers(0, 4, 25) * 10 * DAY
    compromised = (at >= since[terminal]) & (at < since[terminal] + 10 * DAY) & (terminal % 4 == 0)
    large = rng.random(count) < 0.12
    return bench("card.payments").Payments(at, customer, terminal, amount + 20_000 * large, compromised | large)


def soon(task: Task) -> Task:
    """The task with a policy for few payments."""
    policy = Policy(windows=("recent",), recent=4 * A_DAY)
    return msgspec.structs.replace(task, policy=policy, parameters={"lightgbm": {"min_data_in_leaf": 10}})


def test_what_is_served_finds_frauds_and_is_what_the_history_gives(bench: Import, tmp_path: Path) -> None:
    payments, living = simulated(bench), bench("card.living")
    protocol = bench("card.payments").Protocol(
        START + 10 * DAY, length=4 * DAY, before=10 * DAY, history=14 * DAY, step=12 * HOUR
    )
    project = living.Project(tmp_path, protocol.served_from, soon)
    try:
        lived = living.live_through(project, payments, protocol, say=lambda _: None)
        rows = bench("card.payments").tested(payments, protocol)
        scores = lived.scores[rows - lived.first]
        everything = project.predictions(protocol.served_from, protocol.end)
        found = project.skew(everything)
    finally:
        project.close()

    assert lived.degraded == 0
    assert set(lived.versions[rows - lived.first]) == {lived.cycle.trained}
    assert found.report.rows == everything.num_rows == len(lived.scores)
    assert [one for one in found.report.features if one.mismatches] == []
    values = {name: everything[f"f_{name}"] for name in ("reported.sum_fraud_7d", "amount_ratio_7d", "risk_30d")}
    assert all(len(set(column.to_pylist())) > 5 for column in values.values()), "features that vary"
    share = float(payments.fraud[rows].mean())
    assert bench("card.judging").judge(payments, rows, scores).average_precision > 2.5 * share


def test_cards_that_are_known_to_be_compromised_are_left_out_of_the_test(bench: Import) -> None:
    module = bench("card.payments")
    start, delay = START, 7 * DAY
    protocol = module.Protocol(start)
    first = protocol.trained_at
    rows = [
        (start + DAY, 1, True),  # known on the first test day
        (first - delay + HOUR, 2, True),  # on the first day of the delay: known from the second test day on
        (first - HOUR, 3, True),  # not known before the test is over
        (first + HOUR, 1, False),
        (first + HOUR, 2, False),
        (first + HOUR, 3, True),
        (first + DAY + HOUR, 2, False),
        (first + DAY + HOUR, 3, False),
    ]
    at, customer, fraud = (np.array(column) for column in zip(*rows, strict=True))
    payments = module.Payments(at, customer, customer, customer, fraud)
    assert module.tested(payments, protocol).tolist() == [4, 5, 7]


def test_card_precision_counts_cards_once(bench: Import) -> None:
    module = bench("card.payments")
    at = START + np.array([0, 1, DAY, DAY + 1])
    payments = module.Payments(at, np.array([1, 1, 1, 2]), at, at, np.array([True, True, True, True]))
    judged = bench("card.judging").judge(payments, np.arange(4), np.array([0.9, 0.8, 0.7, 0.6]))
    assert judged.card_precision == pytest.approx(0.01), "a card of a hundred on each day: the first, then the other"
    assert judged.average_precision == 1.0


def test_the_published_protocol(bench: Import) -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there")
    if not os.environ.get("TROPISM_TEST_CARD_PAYMENTS"):
        pytest.skip("takes ten minutes; set TROPISM_TEST_CARD_PAYMENTS=1 to run it")
    module, payments = bench("card_payments"), bench("card.payments")
    found = module.measure(payments.read_payments(DATA), payments.Protocol(module.START), most=20_000)
    assert found["skew"]["mismatches"] == 0
    assert found["rows"][module.OURS]["average_precision"] >= 0.67

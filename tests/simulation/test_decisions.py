"""Wrong promotions under no difference, with late labels and thirty looks; `bench/decisions.py` runs the larger form.

Tolerance: the rate seen over 600 seeded runs is at most alpha = 5%. Its 95% upper limit (Clopper and Pearson) is then
at most 6.8%, and a comparison whose true rate were 8% would pass fewer than one time in two hundred.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulation.benches import bench as bench_of

RUNS = 600

bench: Any = bench_of("decisions")

NULL = [
    ("two noisy models", 0.05, "log_loss", bench.noisy(0.05)),
    ("too high against too low", 0.1, "log_loss", bench.tilted(0.1)),
    ("too high against too low", 0.3, "brier", bench.tilted(0.3, "brier")),
    ("errors", 0.2, "accuracy", bench.errors(0.2)),
    ("autoregression 0.5, heavy tails", None, "", bench.dependent(0.5, heavy=True)),
    ("opened when incumbent looked bad", None, "", bench.dependent(0.5, chosen=True)),
]


@pytest.mark.parametrize("world", NULL, ids=[f"{name} {p} {loss}".strip() for name, p, loss, _ in NULL])
def test_an_equal_challenger_is_promoted_in_five_runs_of_a_hundred_at_most(world: Any) -> None:
    row = bench.null_row(*world, RUNS)
    assert row["wrong"] <= bench.ALPHA
    assert row["upper"] <= 0.068


@pytest.mark.parametrize("rule", [bench.no_label_is_negative, bench.labelled_only], ids=lambda rule: str(rule.__name__))
def test_rules_that_do_not_wait_for_labels_promote_wrongly_far_more_often(rule: Any) -> None:
    row = bench.null_row("too high against too low", 0.3, "log_loss", bench.tilted(0.3), 120, rule)
    assert row["wrong"] > 4 * bench.ALPHA


@pytest.mark.parametrize("positives", [0.05, 0.3])
def test_a_better_challenger_is_promoted_in_weeks(positives: float) -> None:
    row = bench.power_row("noise 1.0 against 0.3", positives, bench.sharper(positives, 1.0), 60)
    assert row["power"] > 0.7
    assert bench.DELAY_DAYS < row["median_days"] <= 60

"""Wrong promotions under no difference, with late labels and thirty looks; `bench/decisions.py` runs the larger form.

Tolerance: the rate seen over 600 seeded runs is at most alpha = 5%. Its 95% upper limit (Clopper and Pearson) is then
at most 6.8%, and a comparison whose true rate were 8% would pass fewer than one time in two hundred.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from tests.simulation.benches import BENCH
from tests.simulation.benches import bench as bench_of

RUNS = 600

bench: Any = bench_of("deciding.paired")
worlds: Any = bench_of("deciding.worlds")

NULL = [
    ("two noisy models", 0.05, "log_loss", worlds.noisy(0.05)),
    ("too high against too low", 0.1, "log_loss", worlds.tilted(0.1)),
    ("too high against too low", 0.3, "brier", worlds.tilted(0.3, "brier")),
    ("errors", 0.2, "accuracy", worlds.errors(0.2)),
    ("autoregression 0.5, heavy tails", None, "", worlds.dependent(0.5, heavy=True)),
    ("opened when incumbent looked bad", None, "", worlds.dependent(0.5, chosen=True)),
]


@pytest.mark.parametrize("world", NULL, ids=[f"{name} {p} {loss}".strip() for name, p, loss, _ in NULL])
def test_an_equal_challenger_is_promoted_in_five_runs_of_a_hundred_at_most(world: Any) -> None:
    row = bench.null_row(*world, RUNS)
    assert row["wrong"] <= bench.ALPHA
    assert row["upper"] <= 0.068


@pytest.mark.parametrize("rule", [bench.no_label_is_negative, bench.labelled_only], ids=lambda rule: str(rule.__name__))
def test_rules_that_do_not_wait_for_labels_promote_wrongly_far_more_often(rule: Any) -> None:
    row = bench.null_row("too high against too low", 0.3, "log_loss", worlds.tilted(0.3), 120, rule)
    assert row["wrong"] > 4 * bench.ALPHA


@pytest.mark.parametrize("positives", [0.05, 0.3])
def test_a_better_challenger_is_promoted_in_weeks(positives: float) -> None:
    row = bench.power_row("noise 1.0 against 0.3", positives, worlds.sharper(positives, 1.0), 60)
    assert row["power"] > 0.7
    assert worlds.DELAY_DAYS < row["median_days"] <= 60


@pytest.mark.parametrize("world", [worlds.skewed, worlds.sharper(0.1, 0.7), worlds.errors(0.3, 0.22)])
def test_what_is_left_out_of_the_simulation_is_never_better(world: Any) -> None:
    rng, seen = np.random.default_rng(3), set()
    for _ in range(6):
        stream = world(rng)
        for today in range(worlds.DELAY_DAYS + 2, worlds.DAYS + 1, 6):
            counted = bench.matured_only(stream, today)
            seen.add((bench.verdict(counted) == "better", bench.may_be_better(counted)))
    assert (True, False) not in seen
    assert (False, False) in seen


# What is published.


def test_the_published_table_has_every_setting_and_no_more_than_five_wrong_promotions_in_a_hundred() -> None:
    rows = [row for row in _published()["null"] if row["comparison"] == "split"]
    settings = {(row["p"], row["split"], row["looks"], row["delay_days"]) for row in rows}
    assert settings >= set(itertools.product((0.05, 0.002), ("50/50", "5%"), (30, 300), (0, 20)))
    assert {row["rule"] for row in rows} == {"tropism"}
    assert max(row["wrong"] for row in rows) <= 0.05
    # A standard error below 0.4 points.
    assert all((row["wrong"] * (1 - row["wrong"]) / row["runs"]) ** 0.5 < 0.004 for row in rows)


def test_the_published_table_has_the_peers_beside_ours() -> None:
    found = _published()
    assert {"tropism", "fixed_horizon_z", "gbstats", "ville"} <= {row["rule"] for row in found["power"]}
    assert {(row["peer"], row["table"]) for row in found["peers"]} >= set(
        itertools.product(("gbstats", "ville"), ("null", "power"))
    )
    agreement = next(row for row in found["peers"] if row["table"] == "agreement")
    assert agreement["largest_difference"] <= 1e-12
    assert agreement["verdicts_differing"] == 0


def test_a_published_decision_is_no_earlier_than_its_labels() -> None:
    assert all(row["median_days"] is None or row["median_days"] > row["delay_days"] for row in _published()["power"])


def _published() -> Any:
    return json.loads((BENCH / "results" / "decisions.json").read_text())

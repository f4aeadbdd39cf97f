"""Our form of GrowthBook's sequential interval against gbstats itself, on random groups.

    python bench/gbstats_check.py [--cases 2000] [--cache ~/.cache/tropism-bench]

Means and proportions, absolute and relative, 50/50 to 99/1. gbstats runs from pinned versions
(bench/decision_peers/gbstats.txt) in an environment of its own, so this needs PyPI the first time. Fails when a bound
is off by more than 1e-12 of the interval's size. Prints a few cases as the table that the unit test carries.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from measuring.environments import NotInstalled, environment, pinned

from tropism.experiments.splits.intervals import Moments, gbstats_interval

HERE = Path(__file__).parent
GBSTATS = HERE / "decision_peers" / "gbstats.txt"
WORKER = HERE / "decision_peers" / "gbstats_worker.py"
TOLERANCE = 1e-12


def group(rng: np.random.Generator, kind: str, n: int, level: float) -> dict[str, Any]:
    if kind == "proportion":
        return {"kind": kind, "n": n, "sum": int(np.clip(rng.binomial(n, level), 1, n - 1))}
    values = rng.gamma(1.0, 10 * level, min(n, 1_000))
    times = n / len(values)
    return {"kind": kind, "n": n, "sum": float(values.sum()) * times, "sum_squares": float(values @ values) * times}


def draw(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    cases = []
    for number in range(count):
        kind = ("mean", "proportion")[number % 2]
        n, share, level = int(10 ** rng.uniform(2.5, 6)), rng.uniform(0.01, 0.5), float(rng.uniform(0.02, 0.9))
        sizes = n - max(2, int(n * share)), max(2, int(n * share))
        control, treatment = (group(rng, kind, size, level) for size in sizes)
        cases.append(
            {"control": control, "treatment": treatment, "relative": number % 4 >= 2,
             "alpha": float(rng.choice([0.01, 0.05, 0.1])), "tuned_at": float(rng.choice([500, 5_000, 50_000]))}
        )  # fmt: skip
    return cases


def theirs(python: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [python, WORKER], input=json.dumps(cases), capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0:
        raise SystemExit(f"gbstats failed: {done.stderr[-500:]}")
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def off(case: dict[str, Any], answer: dict[str, Any]) -> float:
    """Largest difference of a bound, over the larger of the two bounds of gbstats."""
    control, treatment = (Moments(*moments) for moments in answer["moments"])
    ours = gbstats_interval(
        control, treatment, alpha=case["alpha"], tuned_at=case["tuned_at"], relative=case["relative"]
    )
    size = max(abs(bound) for bound in answer["interval"])
    return max(abs(float(mine) - bound) for mine, bound in zip(ours, answer["interval"], strict=True)) / size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    given = parser.parse_args()
    try:
        python = environment(GBSTATS, given.cache) / "bin" / "python"
    except NotInstalled as error:
        raise SystemExit(f"gbstats is not available: {error}") from error
    cases = draw(np.random.default_rng(7), given.cases)
    answers = theirs(python, cases)
    for case, answer in list(zip(cases, answers, strict=True))[:8]:
        setting = case["alpha"], case["tuned_at"], case["relative"]
        print(f"    ({answer['moments']}, {setting}, {answer['interval']}),")
    worst = max(off(case, answer) for case, answer in zip(cases, answers, strict=True))
    print(f"gbstats {pinned(GBSTATS, 'gbstats')}, {given.cases} cases: largest difference {worst:.1e} of the bound")
    if not worst <= TOLERANCE:
        raise SystemExit(f"more than {TOLERANCE}")


if __name__ == "__main__":
    main()

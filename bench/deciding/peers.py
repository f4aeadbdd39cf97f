"""gbstats and ville, each in an environment of its own, on the runs of `deciding.split`.

gbstats answers for looks drawn from the runs, and what our function of its interval says of them is compared; it is
too slow to be asked for each of them.

ville is given every unit, at alpha = 0.1, so 5% on each side. `ville`: its `AsymptoticABTest`, tightest at 5,000
units, as Tropism is and gbstats by default. `ville_betting`: its `BettingABTest`, exact, for 30 looks at a 20th. Both
want a fixed share, so they have no ramps. They read unit by unit, so they get fewer runs than the others, the first
ones, and only those without a delay: it would add its days to each decision and change nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from deciding.report import Progress
from deciding.split import ALPHA, GOALS, NULL, REAL, SEED, SPLITS, Runs, Setting, moments, null_row, power_row
from gbstats_check import GBSTATS, off, theirs
from measuring.environments import NotInstalled, environment, pinned
from numpy.typing import NDArray

from tropism.experiments.splits.intervals import gbstats_interval

HERE = Path(__file__).parents[1] / "decision_peers"
VILLE, VILLE_WORKER = HERE / "ville.txt", HERE / "ville_worker.py"
PEERS = ("gbstats", "ville")
RULES = ("gbstats", "gbstats_default")
"""Of `deciding.split`, those that are a peer's."""
TUNED_AT = 5_000
TESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ville": ("AsymptoticABTest", {"t_opt": TUNED_AT}),
    "ville_betting": ("BettingABTest", {}),
}
LOOKS_ASKED = 60
"""Of each setting."""


def version(peer: str) -> str:
    return pinned(HERE / f"{peer}.txt", peer)


# gbstats.


def gbstats_agrees(cache: Path, settings: list[Setting]) -> dict[str, Any]:
    """How far our function of gbstats' interval is from gbstats itself, on looks of the runs. Raises `NotInstalled`."""
    python = environment(GBSTATS, cache) / "bin" / "python"
    cases = [case for setting in settings for case in _looks(setting)]
    answers = theirs(python, cases)
    pairs = list(zip(cases, answers, strict=True))
    return {
        "peer": "gbstats",
        "version": version("gbstats"),
        "table": "agreement",
        "cases": len(cases),
        "largest_difference": max(off(case, answer) for case, answer in pairs),
        "verdicts_differing": sum(_verdict(*_ours(case)) != _verdict(*answer["interval"]) for case, answer in pairs),
    }


def _looks(setting: Setting) -> list[dict[str, Any]]:
    """Looks drawn at random, as gbstats is asked about them: without those that it says nothing about."""
    runs = next(setting.runs(LOOKS_ASKED))
    rng = np.random.default_rng([SEED, *setting.seed])
    n, ones = runs.n.cumsum(-1), runs.ones.cumsum(-1)
    cases = []
    for run, look in enumerate(rng.integers(0, setting.looks, LOOKS_ASKED)):
        groups = [
            {"kind": "proportion", "n": int(n[run, arm, look]), "sum": int(ones[run, arm, look])} for arm in (0, 1)
        ]
        if all(0 < group["sum"] < group["n"] for group in groups):
            shown = {"control": groups[0], "treatment": groups[1], "relative": False}
            cases.append({**shown, "alpha": 2 * ALPHA, "tuned_at": TUNED_AT})
    return cases


def _ours(case: dict[str, Any]) -> tuple[float, float]:
    groups = (case["control"], case["treatment"])
    counts = Runs(*(np.array([[[group[key]] for group in groups]], float) for key in ("n", "sum")))
    control, treatment = moments(counts)
    lower, upper = gbstats_interval(control, treatment, alpha=case["alpha"], tuned_at=case["tuned_at"])
    return float(lower[0, 0]), float(upper[0, 0])


def _verdict(lower: float, upper: float) -> int:
    return int(lower > 0) - int(upper < 0)


# ville.


def ville_first_looks(
    python: Path, rule: str, setting: Setting, goals: tuple[str, ...], count: int, progress: Progress
) -> NDArray[np.int64]:
    """The look at which each goal is found, 0 where it is not, in the first `count` runs; shape (goals, runs)."""
    test, settings = TESTS[rule]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.npz"
        n, ones = (np.concatenate(part).astype(np.int64) for part in zip(*setting.runs(count), strict=True))
        np.savez(path, n=n, ones=ones)
        settings = {"alpha": 2 * ALPHA, "propensity": SPLITS[setting.split], **settings}
        asked = {"counts": str(path), "test": test, "settings": settings, "goals": goals, "seed": setting.seed}
        found = _answers([str(python), str(VILLE_WORKER)], json.dumps(asked), count, progress)
    return np.array(found, np.int64).T


def _answers(command: list[str], asked: str, count: int, progress: Progress) -> list[list[int]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(asked)
        worker.stdin.close()
        found = []
        for line in worker.stdout:
            found.append(json.loads(line))
            progress.runs(len(found), count)
    if worker.returncode != 0 or len(found) != count:
        raise NotInstalled(f"{command[-1]} ended with {worker.returncode} after {len(found)} of {count} runs")
    return found


def ville_plan(settings: list[Setting], runs: int) -> list[tuple[str, Setting, int]]:
    """By which test, on what, and how often: it is the units that take time, and the exact test takes more of it."""
    prompt = [setting for setting in settings if not setting.delay_days]
    plan = [("ville", setting, max(1, runs // (8 if setting.looks <= 30 else 32))) for setting in prompt]
    exact = [setting for setting in prompt if setting.looks <= 30 and setting.split == "5%"]
    return plan + [("ville_betting", setting, max(1, runs // 64)) for setting in exact]


def ville_rows(cache: Path, runs: int, progress: Progress) -> list[dict[str, Any]]:
    """ville under no difference, then under a real one. Raises `NotInstalled`."""
    python = environment(VILLE, cache) / "bin" / "python"
    rows = []
    for rule, setting, count in ville_plan(NULL, runs):
        looks = ville_first_looks(python, rule, setting, GOALS, count, progress)
        found = [null_row(rule, setting, goal, first) for goal, first in zip(GOALS, looks, strict=True)]
        rows += [{"table": "null", **row} for row in found]
        progress.line(f"{setting.told}: {rule} " + ", ".join(f"{row['goal']} {row['wrong']:.1%}" for row in found))
    for rule, setting, count in ville_plan(REAL, runs):
        looks = ville_first_looks(python, rule, setting, GOALS[:1], count, progress)
        row = power_row(rule, setting, looks[0])
        rows.append({"table": "power", **row})
        progress.line(f"{setting.told}: {rule} {row['power']:.1%} (day {row['median_days']})")
    return [{"peer": "ville", "version": version("ville"), **row} for row in rows]


def failure(peer: str, error: Exception) -> dict[str, Any]:
    print(f"{peer} is not available: {error}", file=sys.stderr)
    return {"peer": peer, "version": version(peer), "failure": str(error)}

"""How much the bandits earn on handwritten digits and what a decision costs, here and in MABWiser and river.

    python bench/bandits.py [--peers none] [--seeds 20] [--tuning-seeds 5]

scikit-learn's digits: 1,797 images of 8 x 8 pixels in one pass, in an order shuffled by a seed. The context is the
pixels / 16 and a constant 1 (65 numbers), an arm is a digit, and the reward is 1 if the arm is the digit, learned
before the next round. Nothing else is known of an image, so an arm learns only from the images that it was chosen for.

- Settings are chosen as the best of the grids in `GRIDS` by mean reward over tuning seeds (1000, 1001, ...); MABWiser,
  which is the same algorithm as our LinUCB, gets the same ones. What is reported is of other seeds (0, 1, ...).
- Reward: mean over all rounds of a pass; mean, standard deviation, smallest and largest over the seeds.
- Time of `choose` and of `learn`: the median round of a pass, and of these the median over the seeds, in µs; CPU of all
  threads over both and the loop around them. BLAS has one thread, everywhere, as in a server of Tropism.

Peers run from pinned versions (bench/bandit_peers/*.txt) in environments of their own. Needs PyPI the first time.
Everything is written to bench/results/bandits.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from feature_peers.contestants import Contestant, Worker
from measuring.environments import NotInstalled, environment, pinned
from measuring.machine import machine
from measuring.processes import stop_on_signals
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
PEERS_HERE = HERE / "bandit_peers"
RESULTS = HERE / "results" / "bandits.json"
PEERS = {"mabwiser": PEERS_HERE / "bandits-mabwiser.txt", "river": PEERS_HERE / "bandits-river.txt"}
TUNING = 1_000
TARGET = 0.85
LIMIT_US = 30.0
PATIENCE = 600.0
RIDGE = [1.0]
"""The identity that LinUCB begins with in its paper. MABWiser inverts another one only when an arm is first taught."""
GRIDS: dict[str, dict[str, list[Any]]] = {
    "linucb": {"ridge": RIDGE, "alpha": [0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0]},
    "linear-thompson": {"ridge": RIDGE, "spread": [0.05, 0.1, 0.15, 0.2]},
    "epsilon-greedy": {"ridge": RIDGE, "epsilon": [0.005, 0.01, 0.02, 0.05]},
    "softmax": {"ridge": RIDGE, "temperature": [0.03, 0.05, 0.07, 0.1]},
    "river": {"ridge": RIDGE, "beta": [5.0, 12.0, 25.0, 50.0]},
}


class Passes:
    """Passes over the digits, in one process for each contestant."""

    def __init__(self, data: Path, shape: dict[str, int]) -> None:
        self._data, self._shape = str(data), shape

    def run(self, worker: Worker, settings: dict[str, Any], seeds: list[int]) -> list[dict[str, Any]]:
        asked = {**self._shape, **settings}
        return [worker.ask(PATIENCE, do="run", path=self._data, seed=seed, settings=asked) for seed in seeds]

    def tuned(
        self, worker: Worker, grid: dict[str, list[Any]], fixed: dict[str, Any], seeds: list[int]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The best of a grid, and what all of it earned."""
        tried = []
        for values in product(*grid.values()):
            settings = dict(zip(grid, values, strict=True))
            passes = self.run(worker, {**fixed, **settings}, seeds)
            tried.append({**settings, "reward": round(statistics.mean(one["reward"] for one in passes), 4)})
        best = max(tried, key=lambda one: one["reward"])
        return {name: best[name] for name in grid}, tried


def summary(passes: list[dict[str, Any]]) -> dict[str, Any]:
    rewards = [one["reward"] for one in passes]
    times = ("choose_us", "choose_us_p99", "learn_us", "cpu_us")
    return {
        "reward": round(statistics.mean(rewards), 4),
        "reward_sd": round(statistics.stdev(rewards), 4) if len(rewards) > 1 else None,
        "reward_min": round(min(rewards), 4),
        "reward_max": round(max(rewards), 4),
        "reward_last_half": round(statistics.mean(one["last_half"] for one in passes), 4),
        **{name: round(statistics.median(one[name] for one in passes), 2) for name in times},
        "seeds": len(passes),
    }


def contestants(given: argparse.Namespace, work: Path) -> dict[str, Contestant]:
    """Raises `NotInstalled`."""
    names = {"all": list(PEERS), "none": []}.get(given.peers, [given.peers])
    pythons = {name: environment(PEERS[name], given.cache.expanduser()) / "bin" / "python" for name in names}
    quiet: list[Any] = ["env", "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", f"PYTHONPATH={HERE / 'feature_peers'}"]
    return {
        name: Contestant(name, [*quiet, python, "-W", "ignore", PEERS_HERE / f"{name}_worker.py"], {}, work)
        for name, python in {"tropism": Path(sys.executable), **pythons}.items()
    }


def compare(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The results file. Raises `NotInstalled`."""
    images, digits = load_digits(return_X_y=True)
    contexts = np.column_stack([images / 16, np.ones(len(images))])
    np.savez(work / "digits.npz", contexts=contexts, digits=digits)
    passes = Passes(work / "digits.npz", {"arms": 10, "features": contexts.shape[1]})
    tuning, reported = [TUNING + place for place in range(given.tuning_seeds)], list(range(given.seeds))
    found: dict[str, Any] = {}
    tried: dict[str, Any] = {}
    for name, contestant in contestants(given, work).items():
        policies = [one for one in GRIDS if one != "river"] if name == "tropism" else [name]
        for policy in policies:
            fixed = {"policy": policy} if name == "tropism" else {}
            with contestant.process() as worker:
                if policy in GRIDS:
                    settings, tried[policy] = passes.tuned(worker, GRIDS[policy], fixed, tuning)
                else:
                    settings = found["linucb"]["settings"]
                found[policy] = {
                    "settings": settings,
                    **summary(passes.run(worker, {**fixed, **settings}, reported)),
                }
            show(policy, found[policy])
    return {
        "target": {"reward": TARGET, "met": found["linucb"]["reward"] >= TARGET, "choose_us": LIMIT_US},
        "rounds": len(digits),
        "policies": found,
        "ratios": {name: ratio(found[name], found["linucb"]) for name in PEERS if name in found},
        "tuned_on": {"seeds": tuning, "tried": tried},
        **described([name for name in PEERS if name in found]),
    }


def ratio(peer: dict[str, Any], ours: dict[str, Any]) -> dict[str, float]:
    """What a peer costs and earns over what ours does."""
    return {name: round(peer[name] / ours[name], 3) for name in ("choose_us", "learn_us", "cpu_us", "reward")}


def show(name: str, one: dict[str, Any]) -> None:
    settings = " ".join(f"{key} {value}" for key, value in one["settings"].items())
    print(
        f"{name:16} reward {one['reward']:.4f} (sd {one['reward_sd']}, {one['reward_min']} to {one['reward_max']})  "
        f"choose {one['choose_us']:8.1f} µs  learn {one['learn_us']:8.1f} µs  CPU {one['cpu_us']:8.1f} µs  {settings}",
        flush=True,
    )


def described(peers: list[str]) -> dict[str, Any]:
    return {
        "machine": machine(),
        "versions": {
            **{name: version(name) for name in ("tropism", "numpy", "scikit-learn")},
            **{name: pinned(PEERS[name], name) for name in peers},
        },
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", choices=("all", "none", *PEERS), default="all")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tuning-seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tropism-bench")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS}, for everything in full")
    given = parser.parse_args()
    if given.out is None and all(
        getattr(given, name) == parser.get_default(name) for name in ("peers", "seeds", "tuning_seeds")
    ):
        given.out = RESULTS
    return given


def main() -> int:
    given = options()
    stop_on_signals()
    if os.getloadavg()[0] > 0.5:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): times are too long", flush=True)
    given.cache.expanduser().mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="run-", dir=given.cache.expanduser()) as folder:
            found = compare(given, Path(folder))
    except NotInstalled as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One pass over the rounds, the same for everybody. NumPy and the standard library only, since it runs in the
environments of others too."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Choose = Callable[[Any], int]
Learn = Callable[[int, Any, float], None]


def passed(path: str, seed: int, choose: Choose, learn: Learn, read: Callable[[Floats], Any]) -> dict[str, Any]:
    """Rounds in the order of a seed: reward 1 if the arm is the digit, learned before the next round.

    `read`: turns a context into what the contestant takes, off the clock. Times in µs: the median round's, and CPU of
    all threads over all rounds.
    """
    data = np.load(Path(path))
    contexts, digits = data["contexts"], data["digits"]
    order = np.random.default_rng(seed).permutation(len(digits))
    given = [read(contexts[row]) for row in order]
    rewards, choosing, learning = np.zeros(len(order)), np.zeros(len(order)), np.zeros(len(order))
    cpu = time.process_time()
    for place, row in enumerate(order):
        started = time.perf_counter()
        arm = choose(given[place])
        chosen = time.perf_counter()
        rewards[place] = float(arm == digits[row])
        learning_from = time.perf_counter()
        learn(arm, given[place], float(rewards[place]))
        choosing[place], learning[place] = chosen - started, time.perf_counter() - learning_from
    return {
        "reward": float(rewards.mean()),
        "last_half": float(rewards[len(rewards) // 2 :].mean()),
        "choose_us": float(np.median(choosing)) * 1e6,
        "choose_us_p99": float(np.quantile(choosing, 0.99)) * 1e6,
        "learn_us": float(np.median(learning)) * 1e6,
        "cpu_us": (time.process_time() - cpu) / len(order) * 1e6,
        "rounds": len(order),
    }

"""ville, in its own environment: the first day on which its A/B test finds more successes, and fewer.

Standard input: the path of an .npz with `n` and `ones`, units and successes, shape (runs, 2, days), the `test` and its
settings, and the `goals`: of "increase" and "decrease", those to look for. The units of a day come in an order of
their own, drawn here: no more is known of them. One line for each run: the day on which each goal was found, counted
from 1, 0 where it was not.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import ville

CHUNK = 10
"""Days given to the test at once, which changes nothing but the time it takes."""


def stream(rng, n, ones):
    """Outcome and variant of each unit, shape (days, units of a day)."""
    cells = np.stack([n[0] - ones[0], ones[0], n[1] - ones[1], ones[1]], axis=1)
    days = len(cells)
    kinds = np.repeat(np.tile(np.arange(4, dtype=np.int8), days), cells.ravel()).reshape(days, -1)
    kinds = rng.permuted(kinds, axis=1)
    return (kinds % 2).astype(float), (kinds >= 2).astype(float)


def first_days(outcome, treated, test, goals):
    """The bounds at the end of each day are looked at; what follows is left out once all goals were found."""
    first = dict.fromkeys(goals, 0)
    last = outcome.shape[1] * np.arange(1, len(outcome) + 1) - 1
    for start in range(0, len(outcome), CHUNK):
        rows = slice(start, start + CHUNK)
        test.update(outcome[rows].ravel(), treated[rows].ravel())
        bounds = {"increase": test.lower_[last[rows]] > 0, "decrease": test.upper_[last[rows]] < 0}
        for goal in goals:
            if not first[goal] and bounds[goal].any():
                first[goal] = start + int(bounds[goal].argmax()) + 1
        if all(first.values()):
            break
    return [first[goal] for goal in goals]


if __name__ == "__main__":
    given = json.load(sys.stdin)
    counts = np.load(given["counts"])
    rng = np.random.default_rng(given["seed"])
    for n, ones in zip(counts["n"], counts["ones"], strict=True):
        test = getattr(ville, given["test"])(**given["settings"])
        print(json.dumps(first_days(*stream(rng, n, ones), test, given["goals"])), flush=True)

"""Batches through trees: our tables beside LightGBM's own predictor, in CPU time. Run: python bench/trees.py

Binary models on twenty normal numbers, of which five matter. Every batch is of other rows: LightGBM is up to twice as
fast on rows that it has just seen, because the processor remembers which way their splits went. Rounds are interleaved
and the best of each counts. Scores must have equal bits, or it stops. Where we leave a model to LightGBM, it says so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import lightgbm
import numpy as np

from tropism.learners.base import Shape
from tropism.learners.leaf_masks import LeafMasks
from tropism.learners.lightgbm_text import audit, canonical, column_names
from tropism.learners.native_booster import NativeBooster

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WIDTH = 20
MODELS = ((100, 7), (200, 31), (500, 63))
BATCHES = (8, 16, 32, 64, 128, 256, 512, 1024)
ROWS, ROUNDS = 8192, 9


def train(trees: int, leaves: int) -> bytes:
    chance = np.random.default_rng(0)
    matrix = chance.normal(size=(20_000, WIDTH))
    labels = matrix[:, :5].sum(axis=1) + chance.normal(size=len(matrix)) > 0
    settings = {"objective": "binary", "num_leaves": leaves, "learning_rate": 0.05, "min_data_in_leaf": 50}
    quiet = {"num_threads": 1, "verbosity": -1}
    data = lightgbm.Dataset(matrix, labels, feature_name=column_names(WIDTH), params=quiet)
    return canonical(lightgbm.train({**settings, **quiet}, data, trees).model_to_string())


def cpu(predict: Callable[[NDArray[np.float64]], NDArray[np.float64]], batches: list[NDArray[np.float64]]) -> float:
    """CPU µs a row."""
    begin = time.process_time()
    for batch in batches:
        predict(batch)
    return (time.process_time() - begin) / ROWS * 1e6


def measure(trees: int, leaves: int) -> None:
    text, shape = train(trees, leaves), Shape("binary", 1, WIDTH)
    native = NativeBooster(text, WIDTH, 1)
    begin = time.process_time()
    masks = LeafMasks.of(audit(text, shape), shape)
    built = (time.process_time() - begin) * 1e3
    print(f"{trees} trees of {leaves} leaves: " + (f"tables in {built:.0f} ms" if masks else "left to LightGBM"))
    matrix = np.random.default_rng(1).normal(size=(ROWS, WIDTH))
    if masks is None:
        return
    if masks.predict(matrix).tobytes() != native.predict(matrix).tobytes():
        raise SystemExit("the scores differ")
    for rows in BATCHES:
        if rows < LeafMasks.least:
            print(f"{rows:6} rows  left to LightGBM")
            continue
        batches = [matrix[start : start + rows] for start in range(0, ROWS, rows)]
        rounds = [(cpu(native.predict, batches), cpu(masks.predict, batches)) for _ in range(ROUNDS)]
        theirs, ours = (min(times) for times in zip(*rounds, strict=True))
        print(f"{rows:6} rows  LightGBM {theirs:6.2f}  ours {ours:6.2f} µs a row  ratio {theirs / ours:5.2f}")


if __name__ == "__main__":
    for size in MODELS:
        measure(*size)

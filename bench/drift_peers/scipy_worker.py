"""scipy, column by column: the test of Kolmogorov and Smirnov, and Wasserstein's distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from answering import answer, measured
from scipy.stats import ks_2samp, wasserstein_distance
from simulated import FEATURES, MONTH, Rows, Stream
from watching import Judge, Verdict, delays, false_alarms, timed

LEVELS = {"ks": 0.05, "ks_bonferroni": 0.05 / FEATURES, "ks_one_a_month": 1 / (FEATURES * MONTH)}
"""Below which p-value of any feature a window is an alarm. The last is what one false alarm a month takes."""


def columns(path: str) -> list[Any]:
    table = pq.read_table(path)
    return [table[name].to_numpy() for name in table.column_names]


def compare(reference: list[Any], current: list[Any]) -> None:
    for old, new in zip(reference, current, strict=True):
        left, right = old[~np.isnan(old)], new[~np.isnan(new)]
        ks_2samp(left, right)
        wasserstein_distance(left, right)


def cost(reference: str, current: str) -> dict[str, Any]:
    left, right = columns(reference), columns(current)
    with measured() as found:
        compare(left, right)
    return {**found}


def windows(reference: str, current: str, rows: int, count: int, seconds: float) -> dict[str, Any]:
    left, right = columns(reference), columns(current)
    return timed(lambda start: compare(left, [column[start : start + rows] for column in right]), rows, count, seconds)


def judge_of(reference: Rows) -> Judge:
    def judge(rows: Rows) -> dict[str, Verdict]:
        tests = [ks_2samp(reference[:, k], rows[:, k]) for k in range(FEATURES)]
        lowest = min(test.pvalue for test in tests)
        named = int(np.argmax([test.statistic for test in tests]))
        return {rule: (bool(lowest < level), named) for rule, level in LEVELS.items()}

    return judge


def watch(seed: int, rho: float, reference_rows: int, windows: int, seconds: float) -> dict[str, Any]:
    stream = Stream(seed, rho)
    return false_alarms(judge_of(stream.reference(reference_rows)), stream, windows, seconds)


def find(seed: int, reference_rows: int, by: float, repetitions: int, seconds: float) -> dict[str, Any]:
    stream = Stream(seed)
    judge = judge_of(stream.reference(reference_rows))
    return delays(lambda: judge, stream, by, repetitions, 0, seconds)


if __name__ == "__main__":
    answer({"cost": cost, "windows": windows, "watch": watch, "find": find})

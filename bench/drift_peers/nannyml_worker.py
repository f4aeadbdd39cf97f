"""NannyML, in its own environment: its univariate drift by its defaults (Jensen-Shannon, an alert above the mean of
the reference's own chunks by three standard deviations), in chunks of a window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from answering import answer, measured
from nannyml import UnivariateDriftCalculator
from simulated import FEATURES, ROWS, Rows, Stream
from watching import Judge, Verdict, delays, false_alarms, timed

NAMES = [f"f_{k}" for k in range(FEATURES)]


def calculator(reference: pd.DataFrame, rows: int) -> Any:
    return UnivariateDriftCalculator(column_names=list(reference.columns), chunk_size=rows).fit(reference)


def cost(reference: str, current: str) -> dict[str, Any]:
    """`fit_cpu_seconds`: what is done once for a reference; `cpu_seconds`: for the data that is compared with it."""
    left, right = pd.read_parquet(reference), pd.read_parquet(current)
    with measured() as fit:
        made = calculator(left, len(right))
    with measured() as found:
        made.calculate(right)
    return {**found, "fit_cpu_seconds": fit["cpu_seconds"]}


def windows(reference: str, current: str, rows: int, count: int, seconds: float) -> dict[str, Any]:
    left, right = pd.read_parquet(reference), pd.read_parquet(current)
    made = calculator(left, len(left))
    return timed(lambda start: made.calculate(right.iloc[start : start + rows]), rows, count, seconds)


def judge_of(reference: Rows) -> Judge:
    made = calculator(pd.DataFrame(reference, columns=NAMES), min(ROWS, max(len(reference) // 10, 1)))

    def judge(rows: Rows) -> dict[str, Verdict]:
        methods = [made._column_to_models_mapping[name][0] for name in NAMES]
        values = [method.calculate(pd.Series(rows[:, k])) for k, method in enumerate(methods)]
        alerts = [bool(method.alert(value)) for method, value in zip(methods, values, strict=True)]
        over = [value - method.upper_threshold_value for method, value in zip(methods, values, strict=True)]
        return {"column": (any(alerts), int(np.argmax(over)))}

    return judge


def same_as_calculator(stream: Stream, reference: Rows) -> None:
    """Stops where asking the methods one by one gives other alerts than the calculator."""
    chunk = min(ROWS, max(len(reference) // 10, 1))
    made, rows = calculator(pd.DataFrame(reference, columns=NAMES), chunk), next(stream.windows())[:chunk]
    theirs = made.calculate(pd.DataFrame(rows, columns=NAMES)).filter(period="analysis").to_df()
    for k, name in enumerate(NAMES):
        value = made._column_to_models_mapping[name][0].calculate(pd.Series(rows[:, k]))
        np.testing.assert_allclose(value, theirs[name]["jensen_shannon"]["value"].iloc[0], rtol=1e-9)


def watch(seed: int, rho: float, reference_rows: int, windows: int, seconds: float) -> dict[str, Any]:
    stream = Stream(seed, rho)
    reference = stream.reference(reference_rows)
    same_as_calculator(stream, reference)
    return false_alarms(judge_of(reference), stream, windows, seconds)


def find(seed: int, reference_rows: int, by: float, repetitions: int, seconds: float) -> dict[str, Any]:
    stream = Stream(seed)
    judge = judge_of(stream.reference(reference_rows))
    return delays(lambda: judge, stream, by, repetitions, 0, seconds)


if __name__ == "__main__":
    answer({"cost": cost, "windows": windows, "watch": watch, "find": find})

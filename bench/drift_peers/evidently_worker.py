"""Evidently, in its own environment. Cost: a run of its preset. Rules: the tests that the preset chooses by itself,
called one by one, since a whole run takes seconds a window; they are first compared with a whole run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from answering import answer, measured
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset
from simulated import FEATURES, Rows, Stream, shifted
from watching import Judge, Verdict, delays, false_alarms, timed

TENTH = 10
SHARE = 0.5
"""`drift_share` of the preset: of its columns, from which the whole data set has drifted."""


def run(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Any]:
    definition = DataDefinition(numerical_columns=list(reference.columns))
    left, right = (Dataset.from_pandas(frame, data_definition=definition) for frame in (reference, current))
    found: dict[str, Any] = Report([DataDriftPreset()]).run(right, left).dict()
    return found


def part(path: str) -> pd.DataFrame:
    """Every tenth column: all of them take half an hour. Columns cost alike, so times are multiplied by ten."""
    frame = pd.read_parquet(path)
    return frame[frame.columns[::TENTH]]


def cost(reference: str, current: str) -> dict[str, Any]:
    left, right = part(reference), part(current)
    with measured() as found:
        run(left, right)
    scaled = {key: value * TENTH if key in ("cpu_seconds", "seconds") else value for key, value in found.items()}
    return {**scaled, "columns_measured": left.shape[1]}


def windows(reference: str, current: str, rows: int, count: int, seconds: float) -> dict[str, Any]:
    left, right = part(reference), part(current)
    found = timed(lambda start: run(left, right.iloc[start : start + rows]), rows, count, seconds)
    return {key: value * TENTH if key.endswith("_ms") else value for key, value in found.items()}


def judge_of(reference: Rows) -> Judge:
    old = [pd.Series(reference[:, k]) for k in range(FEATURES)]
    test = get_stattest(old[0], old[0], ColumnType.Numerical, None)

    def judge(rows: Rows) -> dict[str, Verdict]:
        found = [test(old[k], pd.Series(rows[:, k]), ColumnType.Numerical, None) for k in range(FEATURES)]
        drifted = sum(one.drifted for one in found)
        scores = [one.drift_score for one in found]
        named = int(np.argmin(scores) if test.name == "ks" else np.argmax(scores))
        return {"column": (bool(drifted), named), "dataset": (bool(drifted >= SHARE * FEATURES), named)}

    return judge


def same_as_report(stream: Stream, reference: Rows) -> None:
    """Stops where calling the tests one by one gives other scores than the preset."""
    rows = shifted(next(stream.windows()), 0.2)
    names = [f"f_{k}" for k in range(FEATURES)]
    report = run(pd.DataFrame(reference, columns=names), pd.DataFrame(rows, columns=names))
    theirs = [one["value"] for one in report["metrics"] if one["metric_name"].startswith("ValueDrift")]
    old = [pd.Series(reference[:, k]) for k in range(FEATURES)]
    test = get_stattest(old[0], old[0], ColumnType.Numerical, None)
    ours = [test(old[k], pd.Series(rows[:, k]), ColumnType.Numerical, None).drift_score for k in range(FEATURES)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def watch(seed: int, rho: float, reference_rows: int, windows: int, seconds: float) -> dict[str, Any]:
    stream = Stream(seed, rho)
    reference = stream.reference(reference_rows)
    same_as_report(stream, reference)
    return false_alarms(judge_of(reference), stream, windows, seconds)


def find(seed: int, reference_rows: int, by: float, repetitions: int, seconds: float) -> dict[str, Any]:
    """Of the rule of columns; where one of fifty shifts, the rule of half of them never has an alarm."""
    stream = Stream(seed)
    judge = judge_of(stream.reference(reference_rows))
    return delays(lambda: lambda rows: {"column": judge(rows)["column"]}, stream, by, repetitions, 0, seconds)


if __name__ == "__main__":
    answer({"cost": cost, "windows": windows, "watch": watch, "find": find})

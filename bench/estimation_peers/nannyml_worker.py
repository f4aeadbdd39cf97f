"""NannyML, in its own environment: reads one request of JSON, answers with estimates by chunk and the CPU it took.

A request names Parquet files of a reference (with labels) and of a window to estimate (without), the kind of estimator
and its columns. Loading and importing are not counted; fitting and estimating are, over all threads.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any

warnings.filterwarnings("ignore")

import nannyml  # noqa: E402
import pandas  # noqa: E402


def cbpe(asked: dict[str, Any]) -> Any:
    return nannyml.CBPE(
        y_true="label", y_pred="prediction", y_pred_proba="score", problem_type="classification_binary",
        metrics=asked["metrics"], chunk_size=asked["chunk_rows"],
    )  # fmt: skip


def dle(asked: dict[str, Any]) -> Any:
    return nannyml.DLE(
        feature_column_names=asked["features"], y_true="label", y_pred="prediction",
        metrics=asked["metrics"], chunk_size=asked["chunk_rows"],
    )  # fmt: skip


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    reference, window = pandas.read_parquet(asked["reference"]), pandas.read_parquet(asked["window"])
    estimator = {"cbpe": cbpe, "dle": dle}[asked["do"]](asked)
    start = time.process_time()
    estimator.fit(reference)
    fitted = time.process_time()
    found = estimator.estimate(window)
    ended = time.process_time()
    table = found.filter(period="analysis").to_df()
    estimates = {
        metric: [
            [float(row[metric, "value"]), float(row[metric, "lower_confidence_boundary"]),
             float(row[metric, "upper_confidence_boundary"])]
            for _, row in table.iterrows()
        ]
        for metric in asked["metrics"]
    }  # fmt: skip
    return {"estimates": estimates, "fit_cpu_s": fitted - start, "estimate_cpu_s": ended - fitted}


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to standard error
    print(json.dumps(answer(json.load(sys.stdin))), file=out, flush=True)

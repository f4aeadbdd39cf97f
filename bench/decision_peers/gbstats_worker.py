"""gbstats, in its own environment: reads cases of JSON, answers with the intervals of its sequential test."""

from __future__ import annotations

import json
import sys
from typing import Any

from gbstats.frequentist.tests import SequentialConfig, SequentialTwoSidedTTest
from gbstats.models.statistics import ProportionStatistic, SampleMeanStatistic


def statistic(group: dict[str, Any]) -> Any:
    if group["kind"] == "proportion":
        return ProportionStatistic(n=group["n"], sum=group["sum"])
    return SampleMeanStatistic(n=group["n"], sum=group["sum"], sum_squares=group["sum_squares"])


def interval(case: dict[str, Any]) -> dict[str, Any]:
    config = SequentialConfig(
        alpha=case["alpha"],
        sequential_tuning_parameter=case["tuned_at"],
        difference_type="relative" if case["relative"] else "absolute",
    )
    control, treatment = statistic(case["control"]), statistic(case["treatment"])
    found = SequentialTwoSidedTTest(control, treatment, config).compute_result()
    return {
        "interval": [float(bound) for bound in found.ci],
        "moments": [[one.n, float(one.mean), float(one.variance)] for one in (control, treatment)],
    }


if __name__ == "__main__":
    print(json.dumps([interval(case) for case in json.load(sys.stdin)]))

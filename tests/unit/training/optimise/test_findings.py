from __future__ import annotations

from collections.abc import Callable

import pytest

from tropism.evaluation.intervals import Interval
from tropism.learners.model import Model
from tropism.training.optimise.base import Sample
from tropism.training.optimise.findings import Report, examine, size_of
from tropism.training.optimise.latency import Latency
from tropism.training.optimise.pruning import Pruning
from tropism.training.optimise.quality import Judge, Quality

SURE_LOSS, SURE_GAIN, UNSURE = Interval(1.5, 1.4, 1.6), Interval(0.8, 0.75, 0.9), Interval(0.8, 0.5, 1.1)
SAME = Interval(1.0, 0.99, 1.01)


def _report(size: int = 1_000, one: Interval = SAME, many: Interval = SAME, worse: float = 0.0) -> Report:
    def latency(rows: int, ratio: Interval) -> Latency:
        return Latency(rows=rows, before_us=10.0, after_us=10.0 * ratio.value, ratio=ratio)

    return Report(
        size_before=1_000,
        size_after=size,
        quality=Quality(
            metric="brier",
            rows=500,
            before=0.2,
            after=0.2,
            difference=Interval(worse, worse - 0.001, worse + 0.001),
            allowed=0.002,
        ),
        one=latency(1, one),
        many=latency(64, many),
    )


@pytest.mark.parametrize(
    ("report", "outcome", "gains", "costs"),
    [
        (_report(), "no gain", (), ()),
        (_report(size=960), "no gain", (), ()),
        (_report(size=950), "passed", ("size",), ()),
        (_report(one=SURE_GAIN), "passed", ("1 row",), ()),
        (_report(many=SURE_GAIN), "passed", ("64 rows",), ()),
        (_report(one=UNSURE, many=UNSURE), "no gain", (), ()),
        (_report(size=500, one=SURE_LOSS), "passed", ("size",), ("1 row",)),
        (_report(size=1_100, many=SURE_GAIN), "passed", ("64 rows",), ("size",)),
        (_report(size=100, one=SURE_GAIN, many=SURE_GAIN, worse=0.003), "worse", ("size", "1 row", "64 rows"), ()),
        (_report(size=100, worse=0.0015), "not shown", ("size",), ()),
        (_report(size=100, worse=0.001), "passed", ("size",), ()),
    ],
)
def test_what_passes_is_as_good_and_better_in_something(
    report: Report, outcome: str, gains: tuple[str, ...], costs: tuple[str, ...]
) -> None:
    assert (report.outcome, report.gains, report.costs) == (outcome, gains, costs)


def test_a_changed_model_is_measured(trees_of: Callable[..., Model], rows_of: Callable[..., Sample]) -> None:
    model = trees_of("binary", "lightgbm", 300, 31)
    judge = Judge("binary", "brier", 0.2)
    made = Pruning(judge=judge).apply(model, rows_of("binary", 4_000, 1))
    found = examine(model, made, rows_of("binary", 500, 2), judge)
    assert (found.size_before, found.size_after) == (size_of(model), size_of(made))
    assert found.size_ratio < 0.5
    assert found.quality.rows == 500 and found.quality.before != found.quality.after
    assert (found.one.rows, found.many.rows) == (1, 64)
    assert "size" in found.gains

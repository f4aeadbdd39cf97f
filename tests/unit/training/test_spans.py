from __future__ import annotations

import numpy as np
import pytest

from tropism.core.task import Policy
from tropism.training.request import Span
from tropism.training.spans import spans

AT = np.arange(500, dtype=np.int64)


@pytest.mark.parametrize(
    ("windows", "changed", "expected"),
    [
        (("all",), None, (Span("all"),)),
        (("recent",), None, (Span("recent", rows=200),)),
        (("all", "recent"), None, (Span("all"), Span("recent", rows=200))),
        (("recent", "all"), None, (Span("recent", rows=200), Span("all"))),
        (("since-change",), 300, (Span("since-change", since=300),)),
        (("all", "since-change"), 300, (Span("all"), Span("since-change", since=300))),
        ((), None, (Span("all"),)),
        (("all", "all"), None, (Span("all"),)),
    ],
)
def test_windows_become_spans_in_their_order(
    windows: tuple[str, ...], changed: int | None, expected: tuple[Span, ...]
) -> None:
    assert spans(Policy(windows=windows, recent=200, min_training=100), AT, changed) == expected


@pytest.mark.parametrize(
    ("changed", "why"),
    [(None, "no change is known"), (450, "too few rows since"), (0, "every row is since"), (-5, "every row is since")],
)
def test_since_change_is_left_out_where_it_says_nothing(changed: int | None, why: str) -> None:
    policy = Policy(windows=("all", "since-change"), recent=200, min_training=100)
    assert spans(policy, AT, changed) == (Span("all"),), why


@pytest.mark.parametrize("rows", [0, 1, 100])
def test_recent_is_left_out_while_there_is_no_more_than_that(rows: int) -> None:
    assert spans(Policy(windows=("all", "recent"), recent=100), AT[:rows], None) == (Span("all"),)


def test_something_is_always_trained_on() -> None:
    assert spans(Policy(windows=("recent", "since-change"), recent=1_000), AT, None) == (Span("all"),)

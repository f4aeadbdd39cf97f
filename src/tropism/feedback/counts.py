"""Counts predictions and outcomes by what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tropism.feedback.joining import Answers


class OutcomeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions and outcomes of a task up to a moment. `tropism.feedback.cohorts` says what the words mean.

    Of predictions: `predictions` = `answered` + `waiting` + `unanswered`; `matured` are those whose window has
    closed. Of outcomes: `outcomes` = `answered` + `late` + `corrected` + `duplicate` + `unknown`, since the first
    one in time answers; `early` are those of these first ones that came before their prediction was made.
    """

    predictions: int
    answered: int
    waiting: int
    matured: int
    unanswered: int
    outcomes: int
    late: int
    duplicate: int
    corrected: int
    early: int
    unknown: int


def count(made: NDArray[np.int64], answers: Answers, window: int, now: int) -> OutcomeCounts:
    """Counts by `now` (µs), from the times at which predictions were made and all outcomes received by then."""
    closed = made + window <= now
    fresh = ~answers.repeated
    joined = fresh & (answers.rows >= 0)
    in_time = joined.copy()
    in_time[joined] = answers.received[joined] <= made[answers.rows[joined]] + window
    rows, values, received = answers.rows[in_time], answers.values[in_time], answers.received[in_time]
    order = np.argsort(rows, kind="stable")
    rows, values, received = rows[order], values[order], received[order]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    same = np.zeros(len(rows), dtype=np.bool_)
    same[1:] = values[1:] == values[:-1]
    answered = np.zeros(len(made), dtype=np.bool_)
    answered[rows] = True
    return OutcomeCounts(
        predictions=len(made),
        answered=int(answered.sum()),
        waiting=int((~answered & ~closed).sum()),
        matured=int(closed.sum()),
        unanswered=int((~answered & closed).sum()),
        outcomes=len(answers.rows),
        late=int((joined & ~in_time).sum()),
        duplicate=int(answers.repeated.sum() + (~first & same).sum()),
        corrected=int((~first & ~same).sum()),
        early=int((first & (received < made[rows])).sum()),
        unknown=int((fresh & (answers.rows < 0)).sum()),
    )

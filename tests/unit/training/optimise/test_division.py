from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tropism.core.errors import TrainingFailed
from tropism.training.optimise.division import MOST_CALIBRATION, MOST_HELD, divide

Rows = Callable[..., Any]


def test_the_last_third_is_held_out(rows_of: Rows) -> None:
    found = divide("sales", rows_of("binary", 900), trained=10**18)
    assert (len(found.calibration.labels), len(found.held.labels), found.fresh) == (600, 300, False)
    assert found.calibration.at[-1] < found.held.at[0]
    assert found.held.features.num_rows == 300


def test_rows_newer_than_the_model_are_held_out_where_there_are_enough(rows_of: Rows) -> None:
    rows = rows_of("binary", 900)
    found = divide("sales", rows, trained=int(rows.at[899 - 250]))
    assert (len(found.calibration.labels), len(found.held.labels), found.fresh) == (650, 250, True)
    few = divide("sales", rows, trained=int(rows.at[899 - 199]))
    assert (len(few.held.labels), few.fresh) == (300, False)
    all_new = divide("sales", rows, trained=-1)
    assert (len(all_new.held.labels), all_new.fresh) == (300, True)


def test_no_more_rows_than_are_needed(rows_of: Rows) -> None:
    found = divide("sales", rows_of("binary", 30_000), trained=-1)
    assert (len(found.calibration.labels), len(found.held.labels)) == (MOST_CALIBRATION, MOST_HELD)


def test_too_few_rows_say_how_to_get_more(rows_of: Rows) -> None:
    with pytest.raises(TrainingFailed, match="there are 199 labelled rows") as caught:
        divide("sales", rows_of("binary", 199), trained=0)
    assert "tropism train sales --data" in caught.value.faults[0].fix

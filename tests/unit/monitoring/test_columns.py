from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import DataInvalid
from tropism.monitoring import columns


def test_numbers_of_any_width_with_missing_ones() -> None:
    table = pa.table({"a": pa.array([1, None, 3], pa.int32()), "b": [1.5, float("nan"), None], "n": pa.nulls(3)})
    assert np.array_equal(columns.numbers(table, "a"), [1.0, np.nan, 3.0], equal_nan=True)
    assert np.array_equal(columns.numbers(table, "b"), [1.5, np.nan, np.nan], equal_nan=True)
    assert np.isnan(columns.numbers(table, "n")).all()
    assert len(columns.numbers(table.slice(0, 0), "a")) == 0


def test_scores_of_rows_that_have_any() -> None:
    table = pa.table({"scores": pa.array([[0.2, 0.8], [], None, [0.9, 0.1]], pa.list_(pa.float64()))})
    assert columns.score_width(table) == 2
    assert columns.first_scores(table).tolist() == [0.2, 0.9]
    assert columns.likeliest(table).tolist() == [1, 0]
    assert columns.score_width(table.slice(1, 2)) == 0


def test_scores_survive_a_filtered_table() -> None:
    table = pa.table({"scores": [[0.1], [0.2], [0.3]]}).filter(pa.array([False, True, True])).slice(1)
    assert columns.first_scores(table).tolist() == [0.3]


def test_what_cannot_be_read_is_named() -> None:
    table = pa.table({"a": ["x"], "l": [[1.0]], "r": [[[1.0]]], "scores": pa.array([[1.0]])})
    for read, name in ((columns.numbers, "a"), (columns.numbers, "l"), (columns.numbers, "gone"), (columns.text, "r")):
        with pytest.raises(DataInvalid) as caught:
            read(table, name)
        assert name in caught.value.message
    with pytest.raises(DataInvalid):
        columns.first_scores(table, "a")
    with pytest.raises(DataInvalid, match="differ"):
        columns.score_width(pa.table({"scores": [[1.0], [0.5, 0.5]]}))

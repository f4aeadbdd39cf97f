from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import ArtifactRefused, InvalidInput
from tropism.monitoring.estimation import DLE, direct_loss
from tropism.monitoring.estimation.loss import Floats


def _rows(rng: np.random.Generator, rows: int, shift: float = 0.0) -> tuple[pa.Table, Floats, Floats]:
    """Errors that grow with one input and are larger in one town."""
    x = rng.normal(shift, 1, (rows, 2))
    town = rng.choice(["Bern", "Oslo"], rows)
    prediction = 2 * x[:, 0]
    noise = rng.normal(size=rows) * np.exp(0.4 * x[:, 1]) * np.where(town == "Oslo", 1.5, 1.0)
    table = pa.table({"x": x[:, 0], "wide": x[:, 1], "town": pa.array(town).dictionary_encode()})
    return table, prediction[:, None], prediction + noise


def _true(scores: Floats, labels: Floats) -> float:
    return float(np.mean(np.abs(scores[:, 0] - labels)))


@pytest.mark.parametrize("shift", [0.0, 0.5], ids=["same inputs", "shifted inputs"])
def test_intervals_hold_what_the_labels_show_later(shift: float) -> None:
    """95% are stated; 48 windows after 8 references hold at least 85% (each reference's windows go together)."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(8):
        estimator = direct_loss(*_rows(rng, 600))
        features, scores, labels = _rows(rng, 2_400, shift)
        for chunk in estimator.series(np.arange(2_400), features, scores, range(0, 2_401, 400)):
            found, rows = chunk.estimates["mae"], slice(chunk.start, chunk.end)
            assert found.low is not None and found.high is not None
            held += found.low <= _true(scores[rows], labels[rows]) <= found.high
    assert held >= 0.85 * 48


def test_shifted_inputs_are_told_better_than_by_the_references_own_error() -> None:
    rng = np.random.default_rng(2)
    reference = _rows(rng, 3_000)
    features, scores, labels = _rows(rng, 3_000, 0.7)
    found, truth = direct_loss(*reference).estimate(features, scores)["mae"], _true(scores, labels)
    assert found.value is not None
    assert abs(found.value - truth) < abs(_true(reference[1], reference[2]) - truth) / 2


def test_concept_shift_is_not_seen_which_is_what_the_assumption_says() -> None:
    rng = np.random.default_rng(3)
    estimator = direct_loss(*_rows(rng, 1_000))
    features, scores, labels = _rows(rng, 1_000)
    found = estimator.estimate(features, scores)["mae"]
    assert found.high is not None and _true(scores, labels + 5) > 2 * found.high
    assert "Concept shift" in estimator.assumption


def test_root_and_square_agree() -> None:
    rng = np.random.default_rng(4)
    features, scores, labels = _rows(rng, 500)
    found = direct_loss(features, scores, labels, "mse").estimate(features, scores)
    assert found["mse"].value is not None and found["rmse"].value == pytest.approx(found["mse"].value ** 0.5)


def test_what_is_stored_estimates_the_same_and_chunks_do() -> None:
    rng = np.random.default_rng(5)
    estimator = direct_loss(*_rows(rng, 500))
    features, scores, _ = _rows(rng, 200)
    data = estimator.to_bytes()
    again = DLE.from_bytes(data)
    chunks = again.series(np.arange(200), features, scores, [0, 200, 300])
    assert chunks[0].estimates == estimator.estimate(features, scores)
    assert chunks[1].estimates["mae"].value is None
    with pytest.raises(ArtifactRefused, match="DLE"):
        DLE.from_bytes(data[:-5])


def test_columns_that_went_away_or_changed_are_told_and_do_not_fail() -> None:
    rng = np.random.default_rng(6)
    estimator = direct_loss(*_rows(rng, 500))
    features, scores, _ = _rows(rng, 200)
    changed = features.drop_columns(["x"]).set_column(0, "wide", pa.array(["a"] * 200))
    found = estimator.estimate(changed, scores)["mae"]
    assert found.value is not None and "columns gone or of another type: x, wide" in found.note
    unseen = features.set_column(2, "town", pa.array(["Rome"] * 200))
    assert "100% of the rows have values that the reference never had" in estimator.estimate(unseen, scores)["mae"].note


def test_odd_columns_and_values_do_not_fail() -> None:
    rng = np.random.default_rng(7)
    _, scores, labels = _rows(rng, 300)
    table = pa.table({
        "nothing": pa.nulls(300, pa.float64()), "constant": np.ones(300), "lists": [[1]] * 300,
        "infinite": np.full(300, np.inf), "many": [str(index) for index in range(300)], "yes": [True] * 300,
    })  # fmt: skip
    assert direct_loss(table, scores, labels).estimate(table, scores)["mae"].value is not None
    none = table.select(["lists"])
    assert direct_loss(none, scores, labels).estimate(none, scores)["mae"].value is not None


def test_a_model_without_errors_has_none_expected() -> None:
    features, scores, _ = _rows(np.random.default_rng(8), 300)
    found = direct_loss(features, scores, scores[:, 0]).estimate(features, scores)["mae"]
    assert (found.value, found.high) == (0.0, 0.0)


def test_bad_rows_are_left_out_and_too_few_say_so() -> None:
    features, scores, labels = _rows(np.random.default_rng(9), 400)
    half = labels.copy()
    half[::2] = np.nan
    estimator = direct_loss(features, scores, half)
    assert "200 of the reference's 400 rows" in estimator.estimate(features, scores)["mae"].note
    broken = scores.copy()
    broken[:3] = np.nan
    assert estimator.estimate(features, broken)["mae"].rows == 397
    half[150:] = np.nan
    few = direct_loss(features, scores, half).estimate(features, scores)["mae"]
    assert few.value is None and "75 rows with a label; 100 are needed" in few.note
    empty = estimator.estimate(features.slice(0, 0), scores[:0])["mae"]
    assert empty.value is None and "there are no rows" in empty.note


def test_what_cannot_be_meant_is_refused() -> None:
    features, scores, labels = _rows(np.random.default_rng(10), 120)
    with pytest.raises(InvalidInput, match="line up"):
        direct_loss(features, scores[:5], labels)
    with pytest.raises(InvalidInput, match="labels"):
        direct_loss(features, scores, labels[:5])
    with pytest.raises(InvalidInput, match="metric"):
        direct_loss(features, scores, labels, "r2")  # type: ignore[arg-type]

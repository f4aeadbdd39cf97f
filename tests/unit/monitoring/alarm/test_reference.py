from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.clock import DAY
from tropism.core.errors import DataInvalid
from tropism.core.task import Feature
from tropism.monitoring.alarm.losses import refer_losses
from tropism.monitoring.alarm.reference import PREDICTION, Reference, refer

RNG = np.random.default_rng(7)
N = 1_000
AT = np.arange(N) * DAY // N


def test_every_kind_of_column_has_its_stream_and_bad_ones_are_named() -> None:
    table = pa.table(
        {
            "f_number": RNG.normal(size=N),
            "f_category": RNG.choice(["x", "y"], N),
            "f_boolean": RNG.integers(0, 2, N).astype(bool),
            "f_null": pa.nulls(N),
            "f_constant": np.ones(N),
            "f_infinite": np.where(np.arange(N) % 2, np.inf, 1.0),
            "f_million": [f"user-{i}" for i in range(N)],
            "f_text": ["words"] * N,
        }
    )
    features = [
        Feature("number"),
        Feature("category", "category"),
        Feature("boolean", "boolean"),
        Feature("null"),
        Feature("constant"),
        Feature("infinite"),
        Feature("million", "category"),
        Feature("text"),
        Feature("gone"),
    ]
    found = refer(table, AT, features)
    assert found.names == ("number", "category", "boolean", "null", "constant", "infinite", "million")
    assert set(found.problems) == {"text", "gone"}
    assert all(sum(stream.counts) == N for stream in found.streams)


def test_predictions_are_a_number_or_a_class() -> None:
    one = refer(pa.table({"scores": [[0.5]] * 200 + [[]] * 100}), AT[:300], ())
    assert one.names == (PREDICTION,)
    assert one.streams[0].type == "number"
    assert one.streams[0].counts[-1] == 100  # rows that no model answered
    several = refer(pa.table({"scores": [[0.1, 0.9], [0.8, 0.2]] * 150}), AT[:300], ())
    assert several.streams[0].binning.names == ("0", "1")


def test_ignored_features_are_not_watched() -> None:
    table = pa.table({"f_a": RNG.normal(size=N), "f_serial": np.arange(N, dtype=float)})
    assert refer(table, AT, [Feature("a"), Feature("serial")], ignore=["serial"]).names == ("a",)


def test_too_few_rows_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataInvalid, match="too few rows"):
        refer(pa.table({"f_a": [1.0]}), AT[:1], [Feature("a")])
    with pytest.raises(DataInvalid, match="too few outcomes"):
        refer_losses([0.1] * 5, 0, 1)


def test_a_reference_survives_storage_and_damage_is_told() -> None:
    found = refer(pa.table({"f_a": RNG.normal(size=N)}), AT, [Feature("a")], origin="test")
    assert Reference.from_bytes(found.to_bytes()) == found
    with pytest.raises(DataInvalid, match="damaged"):
        Reference.from_bytes(b"\x00nonsense")


def test_the_state_of_a_feature_fits_into_a_kilobyte() -> None:
    numbers = refer(pa.table({"f_a": RNG.normal(size=100_000)}), np.arange(100_000), [Feature("a")])
    names = [f"category {i:04d} with a long name" for i in range(300)]
    categories = refer(pa.table({"f_a": RNG.choice(names, 20_000)}), np.arange(20_000), [Feature("a", "category")])
    from tropism.monitoring.alarm.detector import Detector, examined

    for found in (numbers, categories):
        state = Detector(examined(found), run_length=86_400).start(0)
        assert len(found.to_bytes()) + sum(map(len, (state.evidence, state.rise, state.began))) <= 1_024, found.streams[
            0
        ].type


def test_losses_keep_the_mean_of_each_bin() -> None:
    losses = np.where(np.arange(1_000) % 10 == 0, 1.0, 0.0)
    stream = refer_losses(losses, 0, 1).streams[0]
    assert np.asarray(stream.counts) @ np.asarray(stream.means) == pytest.approx(100)
    assert refer_losses([0.0] * 100, 0, 1).streams[0].scores.values.max() > 1  # a first error counts

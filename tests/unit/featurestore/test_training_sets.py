from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.featurestore.test_filling import clock, store

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.core.task import Feature, Task
from tropism.featurestore import FeatureStore
from tropism.featurestore.training_sets import keep_training_set, names_of, read_labels, write_table

__all__ = ["clock", "store"]


def test_features_of_a_task_are_those_of_the_versions_it_is_bound_to() -> None:
    features = (
        Feature("amount"),
        Feature("spend.count_7d", view="spend@2"),
        Feature("ratio", view="ratio"),
    )
    task = Task(name="t", kind="binary", target="y", features=features, views=("spend@2", "ratio"))
    assert names_of(task) == ["spend@2.count_7d", "ratio"]
    with pytest.raises(InvalidInput, match="no features from the store"):
        names_of(Task(name="t", kind="binary", target="y", features=features[:1]))


def test_versions_of_a_training_set_are_numbered_and_stay(store: FeatureStore) -> None:
    table = pa.table(
        {
            "at": pa.array([1, 2], pa.timestamp("ns", "Europe/Berlin")),
            "shop": pa.array(["x", None]).dictionary_encode(),
            "vector": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
            "nothing": pa.nulls(2),
            "large": pa.array(["y", "z"], pa.large_string()),
        }
    )
    for version in (1, 2):
        assert keep_training_set(store, "mine", table, ["spend"]) == version
    assert keep_training_set(store, "mine", table.select(["shop"]), ["spend"]) == 3
    rows = store.opened.lake.read("_training_sets/mine")
    assert rows["seq"].to_pylist().count(2) == 2
    first = rows.filter(pa.compute.equal(rows["seq"], 1))
    assert first["vector"].to_pylist() == [[1.0, 2.0], None]
    assert first["shop"].to_pylist() == ["x", None]
    with pytest.raises(DataInvalid, match="another type"):
        keep_training_set(store, "mine", pa.table({"shop": [1]}), ["spend"])
    with pytest.raises(InvalidInput, match="is empty"):
        keep_training_set(store, "mine", table.slice(0, 0), ["spend"])


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    table = pa.table({"a": [1], "v": pa.array([[1.0]], pa.list_(pa.float32(), 1))})
    with pytest.raises(InvalidInput, match="CSV holds no vectors"):
        write_table(table, tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []
    for name in ("x.parquet", "x.arrow"):
        write_table(table, tmp_path / name)
        assert read_labels(tmp_path / name).to_pylist() == [{"a": 1, "v": [1.0]}]
    write_table(table.select(["a"]), tmp_path / "x.csv")
    assert read_labels(tmp_path / "x.csv").to_pylist() == [{"a": 1}]

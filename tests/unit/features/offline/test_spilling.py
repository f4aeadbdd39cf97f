from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import DiskFull, NotWritable
from tropism.features import Entity, FeatureView, Field, ParquetSource
from tropism.features.offline import spilling, training_set
from tropism.features.offline.spilling import gather, join_in_parts, parts_needed

VIEW = FeatureView(
    "profile",
    entity=Entity("account", key="account_id"),
    source=ParquetSource("profiles.parquet", timestamp="ts", created="seen"),
    ttl="90d",
    fields=(Field("score"), Field("name", str)),
)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tables(rows: int = 20_000, labels: int = 10_000) -> tuple[pa.Table, pa.Table]:
    random = np.random.default_rng(7)
    times = random.integers(0, 10**13, rows)
    ids = pa.array(random.integers(0, 500, rows)).cast(pa.string())
    source = pa.table(
        {
            "account_id": ids,
            "ts": pa.array(times, pa.timestamp("us", "UTC")),
            "seen": pa.array(times + random.integers(0, 2, rows) * 10**10, pa.timestamp("us")),
            "score": random.random(rows),
            "name": pa.array(np.char.add("n", random.integers(0, 99, rows).astype(str)).tolist()),
        }
    )
    at = pa.array(random.integers(0, 10**13, labels), pa.timestamp("us"))
    return pa.table({"account_id": random.integers(0, 600, labels), "at": at}), source


def made(memory: int, work: Path) -> pa.Table:
    labels, source = tables()
    return training_set(labels, [VIEW], lambda view, columns: source, at="at", memory=memory, work=work)


def test_in_parts_the_values_are_the_same(tmp_path: Path) -> None:
    at_once = made(2**31, tmp_path)
    assert 0 < at_once["profile.name"].null_count < at_once.num_rows
    for memory in (2_000_000, 300_000, 1):
        assert made(memory, tmp_path / "work").equals(at_once)
        assert list((tmp_path / "work").iterdir()) == []


def test_parts_grow_with_rows_labels_and_features() -> None:
    rows = pa.table({"a": np.zeros(1_000)})
    few = parts_needed(rows, 1_000, 1, 20_000)
    assert 1 < few < parts_needed(rows, 2_000, 1, 20_000)
    assert few < parts_needed(rows, 1_000, 20, 20_000)
    assert parts_needed(rows, 1_000, 1, 2**31) == 1
    assert parts_needed(rows.slice(0, 0), 0, 1, 1) == 1


def test_no_room_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with file_size_limit(20_000), pytest.raises(DiskFull) as caught:
        made(300_000, tmp_path)
    assert caught.value.faults[0].value == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotWritable) as caught:
        made(300_000, tmp_path / "file")
    assert caught.value.faults[0].value == str(tmp_path / "file")


def test_an_error_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    calls = []

    def join(rows: pa.Table, labels: pa.Table) -> pa.Table:
        calls.append(len(rows))
        if len(calls) == 2:
            raise ZeroDivisionError
        return labels

    sides = pa.table({"a": [1.0, 2.0]}), pa.table({"b": [1.0, 2.0]})
    codes = np.array([0, 1]), np.array([1, -1])
    with pytest.raises(ZeroDivisionError):
        join_in_parts(sides, codes, join, 3, tmp_path)
    assert calls == [1, 1]
    assert list(tmp_path.iterdir()) == []


def test_much_text_comes_in_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As text beyond 2 GiB must, which one chunk cannot hold."""
    column = pa.chunked_array([["a" * 50, None], ["b" * 50, "c"]])
    places = pa.array([3, None, 0, 0, 2, 1] * 5)
    wanted = column.take(places)
    monkeypatch.setattr(spilling, "_CHUNK", 100)
    found = gather(column, places)
    assert found.num_chunks > 5
    assert found.equals(wanted)
    assert gather(column.slice(0, 0), pa.array([None], pa.int64())).to_pylist() == [None]


@pytest.mark.parametrize(
    "kind", [pa.float64(), pa.int64(), pa.timestamp("us", "UTC"), pa.decimal128(30, 2), pa.bool_()]
)
@pytest.mark.parametrize("missing", [True, False])
def test_values_are_taken_as_arrow_takes_them(kind: pa.DataType, missing: bool) -> None:
    """From chunks that begin within their memory, some of them empty."""
    values = pa.array([None if missing and place % 5 == 2 else place % 2 for place in range(60)], pa.int64())
    whole = values.cast(pa.timestamp("us")).cast(kind) if pa.types.is_timestamp(kind) else values.cast(kind)
    column = pa.chunked_array([whole.slice(3, 20), whole.slice(0, 0), whole.slice(30), whole.slice(11, 1)])
    for places in ([None, 0, 50, 3, 3, None, 19, 20], [7, 0, 50, 49], [], [None, None]):
        at = pa.array([9, *places, 9], pa.int64()).slice(1, len(places))
        found = gather(column, at)
        found.validate(full=True)
        assert found.type == kind
        assert found.equals(column.take(at))


def test_nothing_of_other_rows_is_left_under_a_null() -> None:
    found = gather(pa.chunked_array([[7.5, 8.5]]), pa.array([None, 1, None], pa.int64())).chunk(0)
    assert np.frombuffer(found.buffers()[1], np.float64).tolist() == [0.0, 8.5, 0.0]

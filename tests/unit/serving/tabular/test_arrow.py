from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.core.errors import InvalidInput, MalformedBody, TooLarge, TropismError
from tropism.core.task import Feature, Task
from tropism.serving.tabular import Limits, decode

KIND = "application/vnd.apache.arrow.stream"


@pytest.fixture
def small() -> Task:
    return Task(name="t", kind="binary", target="y", features=(Feature("a"), Feature("c", "category", default="x")))


def written(table: pa.Table, compression: str | None = None, rows: int | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_batches_follow_one_another(compression: str | None, small: Task, limits: Limits) -> None:
    table = pa.table({"a": np.arange(100.0), "c": pa.array(["x", "y"] * 50).dictionary_encode()})
    found = decode(written(table, compression, rows=30), KIND, small, limits)
    assert found.column("a").to_pylist() == table.column("a").to_pylist()
    assert found.column("c").to_pylist() == ["x", "y"] * 50


def test_a_file_may_be_called_a_stream_and_the_other_way_round(small: Task, limits: Limits) -> None:
    table = pa.table({"a": [1.0]})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for body in (sink.getvalue(), written(table)):
        for kind in (KIND, KIND.replace("stream", "file")):
            assert decode(body, kind, small, limits).num_rows == 1


def test_a_stream_without_its_end_is_cut_off(small: Task, limits: Limits) -> None:
    body = written(pa.table({"a": np.arange(100.0)}), rows=50)
    end = body[-8:]
    assert end == b"\xff\xff\xff\xff\0\0\0\0"
    with pytest.raises(MalformedBody, match="not an Arrow IPC stream"):
        decode(body[:-8], KIND, small, limits)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_what_would_grow_beyond_the_limit_is_not_decompressed(compression: str, small: Task, limits: Limits) -> None:
    body = written(pa.table({"a": [1.0], "c": ["x" * (8 << 20)]}), compression)
    assert len(body) < 100_000
    with pytest.raises(TooLarge, match="too large, counted without compression"):
        decode(body, KIND, small, limits)


def test_rows_that_take_no_room_are_counted(small: Task, limits: Limits) -> None:
    body = written(pa.table({"a": pa.nulls(1 << 30)}))
    assert len(body) < 1_000
    with pytest.raises(TooLarge, match="1073741824 rows are too many"):
        decode(body, KIND, small, limits)


def test_offsets_that_point_outside_are_found(small: Task, limits: Limits) -> None:
    """Reading such a column would read whatever lies there in memory."""
    body = written(pa.table({"a": [1.0, 2.0], "c": ["abcd", "efgh"]}))
    offsets = np.array([0, 4, 8], np.int32).tobytes()
    assert body.count(offsets) == 1
    with pytest.raises(MalformedBody):
        decode(body.replace(offsets, np.array([0, 1 << 20, 1 << 20], np.int32).tobytes()), KIND, small, limits)


@pytest.mark.parametrize("compression", [None, "lz4"])
@pytest.mark.parametrize("seed", range(2))
def test_damaged_streams_are_told(seed: int, compression: str | None, small: Task, limits: Limits) -> None:
    chance = random.Random(seed)
    table: Any = pa.table({"a": np.arange(200.0), "c": pa.array(["x", None, "yy", "z"] * 50).dictionary_encode()})
    whole = written(table, compression, rows=70)
    refused = 0
    for _ in range(800):
        body = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        try:
            decode(bytes(body), KIND, small, limits)
        except TropismError:
            refused += 1
    assert refused > 200


def test_a_column_of_another_type_is_named(small: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match="feature 'a' is not a number") as caught:
        decode(written(pa.table({"a": ["1", "2"]})), KIND, small, limits)
    assert caught.value.faults[0].field == "row 1, a"

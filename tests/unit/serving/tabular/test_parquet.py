from __future__ import annotations

import io
import subprocess
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import InvalidInput, MalformedBody, TooLarge
from tropism.core.task import Feature, Task
from tropism.serving.tabular import Limits, decode

KIND = "application/vnd.apache.parquet"


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@pytest.fixture
def small() -> Task:
    return Task(name="t", kind="binary", target="y", features=(Feature("a"), Feature("c", "category", default="x")))


@pytest.mark.parametrize(
    "kind",
    ["int8", "uint8", "int32", "int64", "uint64", "float32", "float64", pa.decimal128(9, 2), pa.float16()],
    ids=str,
)
def test_every_kind_of_number_is_a_number(kind: Any, small: Task, limits: Limits) -> None:
    make = {"decimal128(9, 2)": Decimal, "halffloat": np.float16}.get(str(kind), int)
    table = pa.table({"a": pa.array([make(1), make(2), None], kind)})
    assert decode(written(table), KIND, small, limits).column("a").to_pylist() == [1.0, 2.0, None]


def test_nan_is_a_missing_value_and_infinity_is_none(small: Task, limits: Limits) -> None:
    found = decode(written(pa.table({"a": [1.0, np.nan, None]})), KIND, small, limits)
    assert found.column("a").to_pylist() == [1.0, None, None]
    with pytest.raises(InvalidInput, match="feature 'a' is not a number") as caught:
        decode(written(pa.table({"a": [np.nan, np.inf, -np.inf]})), KIND, small, limits)
    assert [(one.field, one.value) for one in caught.value.faults] == [("row 2, a", "inf"), ("row 3, a", "-inf")]


@pytest.mark.parametrize(
    ("column", "held"),
    [
        (pa.array([None, "1.5"]), "string"),
        (pa.array([None, True]), "bool"),
        (pa.array([None, "x"]).dictionary_encode(), "dictionary"),
        (pa.array([None, 0], pa.timestamp("us")), "timestamp"),
    ],
    ids=["text", "boolean", "dictionary", "time"],
)
def test_a_column_of_another_type_is_named_with_its_first_value(
    column: pa.Array, held: str, small: Task, limits: Limits
) -> None:
    with pytest.raises(InvalidInput, match="feature 'a' is not a number") as caught:
        decode(written(pa.table({"a": column})), KIND, small, limits)
    (fault,) = caught.value.faults
    assert fault.field == "row 2, a"
    assert fault.value in ('"1.5"', "true", '"x"', "1970-01-01 00:00:00")
    assert "store numbers" in fault.fix
    assert held in fault.fix


def test_numbers_are_no_category(small: Task, limits: Limits) -> None:
    with pytest.raises(InvalidInput, match="feature 'c' is not a category") as caught:
        decode(written(pa.table({"a": [1.0], "c": [7]})), KIND, small, limits)
    assert "store text" in caught.value.faults[0].fix


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.0]]),
        pa.array([{"x": 1.0}]),
        pa.array([b"\xff"]),
        pa.array([0], pa.time64("us")),
    ],
    ids=["list", "struct", "bytes", "time of day"],
)
def test_columns_that_are_not_flat_are_refused_before_they_are_read(
    column: pa.Array, small: Task, limits: Limits
) -> None:
    with pytest.raises(InvalidInput, match="the column 'a' cannot be read"):
        decode(written(pa.table({"a": column})), KIND, small, limits)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_every_kind_of_text_is_a_category(kind: pa.DataType, small: Task, limits: Limits) -> None:
    table = pa.table({"a": [1.0, 2.0, 3.0], "c": pa.array(["x", None, ""]).cast(kind)})
    assert decode(written(table), KIND, small, limits).column("c").to_pylist() == ["x", None, ""]


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("s"), pa.timestamp("ms", "Europe/Oslo"), pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.date32()],
    ids=str,
)
def test_times_of_every_unit_are_moments(kind: pa.DataType, small: Task, limits: Limits) -> None:
    day = pa.array([86_400, None]).cast(pa.timestamp("s")).cast(kind)
    found = decode(written(pa.table({"a": [1.0, 2.0], "at": day})), KIND, small, limits)
    assert found.column("at").cast(pa.int64()).to_pylist() == [86_400 * SECOND, None]


def test_times_beyond_all_years_are_told(small: Task, limits: Limits) -> None:
    table = pa.table({"a": [1.0], "at": pa.array([2**62]).cast(pa.timestamp("ms"))})
    with pytest.raises(InvalidInput, match="'at' is not a time"):
        decode(written(table), KIND, small, limits)


def test_the_index_of_pandas_is_left_out(small: Task, limits: Limits) -> None:
    table = pa.table({"a": [1.0], "__index_level_0__": [7]})
    assert decode(written(table), KIND, small, limits).column_names == ["a", "c"]


def test_what_would_grow_beyond_the_limit_is_not_decompressed(small: Task, limits: Limits) -> None:
    text = pa.array(["x" * (8 << 20)])
    body = written(pa.table({"a": [1.0], "c": text}), compression="zstd")
    assert len(body) < 50_000
    with pytest.raises(TooLarge, match="too large, counted without compression"):
        decode(body, KIND, small, limits)


def test_a_long_text_in_many_rows_is_not_spread(small: Task, limits: Limits) -> None:
    """A megabyte for the dictionary, a gigabyte for the rows."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000, pa.int32()), pa.array(["x" * (1 << 20)]))
    table = pa.table({"a": np.zeros(1_000), "c": texts})
    body = written(table, compression="zstd")
    program = (
        "import resource, sys\n"
        "from tropism.core.task import Feature, Task\n"
        "from tropism.serving.tabular import Limits, decode\n"
        "features = (Feature('a'), Feature('c', 'category'))\n"
        "task = Task(name='t', kind='binary', target='y', features=features)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        f"    decode(sys.stdin.buffer.read(), '{KIND}', task, Limits(1_000, 4 << 20, 0))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error.message)\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=body, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"InvalidInput feature 'c' is not a category")


def test_texts_that_begin_like_the_one_before_are_refused(small: Task, limits: Limits) -> None:
    table = pa.table({"a": [1.0, 2.0], "c": ["xa", "xb"]})
    body = written(table, use_dictionary=False, column_encoding={"c": "DELTA_BYTE_ARRAY", "a": "PLAIN"})
    with pytest.raises(MalformedBody) as caught:
        decode(body, KIND, small, limits)
    assert caught.value.faults[0].value == "DELTA_BYTE_ARRAY"


def test_more_rows_than_a_footer_admits_are_not_read(small: Task, limits: Limits) -> None:
    body = written(pa.table({"a": np.zeros(5_000)}), row_group_size=100)
    with pytest.raises(TooLarge, match="5000 rows are too many"):
        decode(body, KIND, small, limits)


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_told_and_end_nothing(seed: int, small: Task, limits: Limits) -> None:
    """In a process of its own: some of pyarrow's accessors end it when a footer is damaged."""
    program = f"""
import io, random
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from tropism.core.errors import TropismError
from tropism.core.task import Feature, Task
from tropism.serving.tabular import Limits, decode
task = Task(name="t", kind="binary", target="y", features=(Feature("a"), Feature("c", "category")))
chance = random.Random({seed})
sink = io.BytesIO()
table = pa.table({{"a": np.arange(200.0), "c": ["x", None, "yy", "zzz"] * 50}})
pq.write_table(table, sink, compression="zstd", row_group_size=70, data_page_version=chance.choice(["1.0", "2.0"]))
whole = sink.getvalue()
refused = 0
for _ in range(800):
    body = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    try:
        decode(bytes(body), "{KIND}", task, Limits(1_000, 1 << 20, 0))
    except TropismError:
        refused += 1
print(refused)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 400

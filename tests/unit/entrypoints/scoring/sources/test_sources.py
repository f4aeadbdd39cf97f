from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.core.task import Feature, Task
from tropism.entrypoints.scoring.parts import Part
from tropism.entrypoints.scoring.sources.base import Chosen, Source
from tropism.entrypoints.scoring.sources.opening import open_source

TASK = Task(name="t", kind="binary", target="y", features=(Feature("a"), Feature("c", "category")))
Make = Callable[..., Source]


def table(count: int) -> pa.Table:
    return pa.table({"a": np.arange(float(count)), "c": ["x", None] * (count // 2) + ["y"] * (count % 2)})


def opened(path: Path, chosen: Chosen = Chosen()) -> Source:  # noqa: B008
    return open_source(path, TASK, chosen)


def held(parts: Any) -> list[list[Any]]:
    return [pa.ipc.open_stream(pa.py_buffer(part.data)).read_all().column("a").to_pylist() for part in parts]


def write_parquet(path: Path, rows: pa.Table, size: int) -> None:
    pq.write_table(rows, path, row_group_size=size)


def write_arrow(path: Path, rows: pa.Table, size: int) -> None:
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=size)


def write_stream(path: Path, rows: pa.Table, size: int) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=size)


@pytest.mark.parametrize("write", [write_parquet, write_arrow, write_stream])
@pytest.mark.parametrize("size", [1, 7, 10, 33, 1_000])
def test_parts_are_the_same_however_the_file_is_cut_up(
    write: Callable[[Path, pa.Table, int], None], size: int, tmp_path: Path
) -> None:
    path = tmp_path / "rows"
    write(path, table(95), size)
    parts = list(opened(path).parts(10, lambda index: True))
    assert held(parts) == [[float(n) for n in range(start, min(start + 10, 95))] for start in range(0, 95, 10)]
    assert [(part.index, part.first, part.rows, part.last) for part in parts][-1] == (9, 91, 5, 95)
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    some = list(opened(path).parts(10, lambda index: index in (4, 9)))
    assert held(some) == [held(parts)[4], held(parts)[9]]
    assert [part.share for part in some] == [parts[4].share, parts[9].share]
    assert list(opened(path).parts(10, lambda index: False)) == []


def test_csv_and_json_lines_are_cut_the_same_way(tmp_path: Path) -> None:
    csv, lines = tmp_path / "rows.csv", tmp_path / "rows.jsonl"
    csv.write_text("a,c\n" + "".join(f"{n},x\n" for n in range(95)))
    lines.write_text("".join(f'{{"a": {n}, "c": "x"}}\n\n' for n in range(95)))
    for path in (csv, lines):
        parts = list(opened(path).parts(10, lambda index: True))
        assert [(part.index, part.first, part.rows) for part in parts] == [
            (n, 10 * n + 1, 10 if n < 9 else 5) for n in range(10)
        ]
        assert sum(part.share for part in parts) == pytest.approx(1.0)
        some = list(opened(path).parts(10, lambda index: index in (4, 9)))
        assert some == [parts[4], parts[9]]


def test_a_part_holds_what_stands_between_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = [f"{n},x" for n in range(1, 31)]
    for row in (1, 10, 11, 12, 25, 30):
        lines[row - 1] += ",odd"
    path.write_text("\n".join(["a,c", *lines]))
    parts = list(opened(path).parts(8, lambda index: True))
    assert [[one.row for one in part.ragged] for part in parts] == [[1], [10, 11, 12], [25, 30]]
    everything = sorted([n for part in parts for n in part.numbers.tolist()] + [r.row for p in parts for r in p.ragged])
    assert everything == list(range(1, 31))
    for part, rows in zip(parts, held(parts), strict=True):
        assert [float(text) for text in rows] == [float(number) for number in part.numbers]
    assert parts[0].ragged[0].text == "1,x,odd"


def test_only_what_is_needed_is_read_of_a_wide_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    wide = table(10).append_column("note", pa.array(["z" * 100] * 10)).append_column("nested", pa.array([[1]] * 10))
    pq.write_table(wide, path)
    source = opened(path, Chosen(("nested",), ("*",)))
    (part,) = source.parts(10, lambda index: True)
    assert pa.ipc.open_stream(pa.py_buffer(part.data)).schema.names == ["a", "c", "nested"]
    assert source.beside.names == ["nested"]


def test_a_column_to_keep_loses_its_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(table(4).append_column("k", pa.array(["u", "v"] * 2).dictionary_encode()), path)
    source = opened(path, Chosen(("k",)))
    (part,) = source.parts(10, lambda index: True)
    assert pa.ipc.open_stream(pa.py_buffer(part.data)).schema.field("k").type == pa.string()
    assert source.beside.field("k").type == pa.string()


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "rows.arrows"])
def test_damage_is_told_when_it_is_met(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write = {"rows.parquet": write_parquet, "rows.arrow": write_arrow, "rows.arrows": write_stream}[name]
    write(path, table(2_000), 500)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    if name == "rows.parquet":
        data[middle : middle + 200] = b"\xff" * 200
    else:
        del data[middle:]
    path.write_bytes(bytes(data))
    with pytest.raises(DataInvalid, match="cannot be read") as caught:
        list(opened(path).parts(100, lambda index: True))
    assert "write it again" in caught.value.faults[0].fix


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.csv", None, "there is no file"),
        ("empty.csv", b"", "is empty"),
        ("spaces.csv", b" \n", "is empty"),
        ("rows.csv.gz", b"\x1f\x8b\x08rest", "compressed with gzip"),
        ("rows.xlsx", b"PK\x03\x04rest", "a zip or Excel file"),
        ("rows.parquet", b"a,c\n1,x\n", "does not begin as Parquet does"),
        ("rows.parquet", b"PAR1 and no more", "not a readable Parquet file"),
        ("rows.arrow", b"ARROW1\0\0and no more", "not a readable Arrow file"),
        ("rows.json", b'[{"a": 1, "c": "x"}]', "is a JSON list"),
        ("utf16.csv", "a,c\n1,x\n".encode("utf-16"), "not UTF-8"),
        ("latin.csv", b"a,c\n1,x\n2,\xe9\n", "not UTF-8"),
    ],
)
def test_what_is_no_file_of_rows_is_told(name: str, content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataInvalid, match=words) as caught:
        list(opened(path).parts(10, lambda index: True))
    assert caught.value.faults[0].fix


def test_a_folder_and_a_name_that_is_nearly_right_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="is a folder"):
        opened(tmp_path)
    (tmp_path / "march.csv").write_text("a,c\n")
    with pytest.raises(DataInvalid) as caught:
        opened(tmp_path / "marhc.csv")
    assert "did you mean" in caught.value.faults[0].fix


def test_quotation_marks_that_are_not_closed_are_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,c\n1,x\n2,"x\n' + "3,x\n" * 20)
    with pytest.raises(DataInvalid, match="a quotation mark is never closed, in row 2"):
        list(opened(path).parts(5, lambda index: True))
    path.write_text('a,c\n1,x\n2,"x\n' + "3,x\n" * 3_000_000)
    with pytest.raises(DataInvalid, match="or a quotation mark is never closed"):
        list(opened(path).parts(5, lambda index: True))


def test_a_line_of_json_that_is_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1, "c": "x"}\n{"a": 1, "c": "' + b"x" * (17 << 20) + b'"}\n')
    with pytest.raises(DataInvalid, match="row 2 is too long"):
        opened(path)


def test_columns_that_cannot_be_read_are_told_before_anything_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [[1.0]], "c": ["x"]}), path)
    with pytest.raises(InvalidInput, match="the column 'a' cannot be read"):
        opened(path)


def test_what_json_lines_carry_is_settled_by_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1, "c": "x"}\n{"a": 1, "c": "x", "unit": "u", "extra": 5}\n')
    source = opened(path, Chosen(("*",)))
    assert source.layout.carried == ("unit",)
    assert source.layout.kept == ("extra",)
    part: Part = next(source.parts(10, lambda index: True))
    assert part.rows == 2

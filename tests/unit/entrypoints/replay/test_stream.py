from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.core.clock import DAY
from tropism.core.errors import DataInvalid
from tropism.entrypoints.replay.ordering import START
from tropism.entrypoints.replay.stream import FEWEST, read_stream

Save = Callable[..., Path]
SHARED = Path(__file__).parents[4].parent / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")


def test_a_plain_file_needs_nothing_but_its_target(rows: Save) -> None:
    stream = read_stream(rows(), target="y")
    assert (len(stream), stream.task.kind, stream.task.name) == (300, "binary", "data")
    assert stream.task.feature_names == ("x",)
    assert stream.features.column_names == ["x"]
    assert stream.features["x"][3].as_py() == 1.5
    assert stream.at[0] == START
    assert stream.known_from.tolist() == list(range(1, 301))
    assert stream.task.outcome_window == "0"
    assert stream.outcome(1) is True
    assert any(note.startswith("kind: binary") for note in stream.notes)
    assert any(note == 'features: every column but "y" (1 number)' for note in stream.notes)


def test_rows_are_put_in_order_with_their_labels_and_times(save: Save) -> None:
    days = [(i * 7) % 250 for i in range(250)]
    lines = [f"{np.datetime64('2020-01-01') + day},{day},{'up' if day % 3 else 'down'}" for day in days]
    stream = read_stream(save("\n".join(["when,x,y", *lines])), target="y", time="when", label_delay="2d")
    assert stream.features["x"].to_pylist() == [float(day) for day in range(250)]
    assert stream.labels.tolist() == [float(day % 3 > 0) for day in range(250)]
    assert stream.label_at.tolist() == (stream.at + 2 * DAY).tolist()
    assert stream.task.outcome_window == "2d"
    assert stream.time == "when"


def test_a_parquet_file_gives_the_same_stream(rows: Save, tmp_path: Path) -> None:
    written = read_stream(rows(), target="y", label_delay="48")
    table = pa.table({"x": written.features["x"], "y": pa.array(written.labels.astype(int))})
    pq.write_table(table, tmp_path / "data.parquet")
    read = read_stream(tmp_path / "data.parquet", target="y", label_delay="48")
    assert read.features.equals(written.features)
    assert read.labels.tolist() == written.labels.tolist()
    assert read.label_at.tolist() == written.label_at.tolist()


def test_every_label_arrives_within_the_outcome_window(save: Save) -> None:
    seconds = np.cumsum(np.random.default_rng(0).exponential(40, 300)) + 1.5e9
    path = save("when,x,y\n" + "".join(f"{s:.3f},1.{i},{i % 2}\n" for i, s in enumerate(seconds)))
    stream = read_stream(path, target="y", time="when", label_delay="48")
    assert np.all(stream.label_at - stream.at <= stream.task.window)
    assert any(note.startswith("label delay: 48 events take") for note in stream.notes)


def test_features_are_taken_as_named_and_in_that_order(save: Save) -> None:
    path = save("a,b,c,y\n" + "".join(f"{i},t{i % 3},{i}.5,{i % 2}\n" for i in range(300)))
    stream = read_stream(path, target="y", features=["c", "b"])
    assert stream.task.feature_names == ("c", "b")
    assert [feature.type for feature in stream.task.features] == ["number", "category"]
    assert stream.features.schema.types == [pa.float64(), pa.string()]


def test_the_limit_keeps_the_first_events(rows: Save) -> None:
    assert len(read_stream(rows(), target="y", limit=250)) == 250


@pytest.mark.parametrize(
    ("change", "options", "problem", "field"),
    [
        ({}, {"target": "z"}, "no column 'z'", "--target"),
        ({}, {"time": "z"}, "no column 'z'", "--time"),
        ({}, {"time": "y"}, "the target cannot be the time", "--time"),
        ({}, {"features": ["x", "z"]}, "no column 'z'", "--features"),
        ({}, {"features": ["x", "y"]}, "the target is among the features", "--features"),
        ({}, {"features": []}, "no feature", "--features"),
        ({}, {"limit": 10}, "the limit is too small", "--limit"),
        ({}, {"label_delay": "-1"}, "before its event", "--label-delay"),
        ({}, {"label_delay": "soon"}, "cannot be read", "--label-delay"),
        ({}, {"label_delay": "300"}, "no label would be known", "--label-delay"),
        ({}, {"label_delay": "2d"}, "no label would be known", "--label-delay"),
        ({7: "1,2,3"}, {}, "line 9: the row has 3 cells, not 2", "line 9"),
        ({7: "abc,1"}, {}, "line 9: x is not a number", "x"),
        ({7: "1,"}, {}, "line 9: y is the target and has no value", "y"),
        ({7: "1,maybe"}, {}, "line 9: y is not a number", "y"),
        ({i: f"{i},0" for i in range(300)}, {}, "one class only", "--target"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_remedy(
    rows: Save, change: dict[int, str], options: dict[str, Any], problem: str, field: str
) -> None:
    with pytest.raises(DataInvalid, match=problem) as caught:
        read_stream(rows(change), **{"target": "y", **options})
    fault = caught.value.faults[0]
    assert fault.field == field
    assert fault.fix


def test_a_small_file_is_refused(rows: Save) -> None:
    with pytest.raises(DataInvalid, match="too few rows"):
        read_stream(rows(count=FEWEST - 1), target="y")


def test_a_limit_before_the_target_changes_is_refused(rows: Save) -> None:
    with pytest.raises(DataInvalid, match="one value in all events used") as caught:
        read_stream(rows({i: f"{i},0" for i in range(250)}), target="y", limit=220)
    assert caught.value.faults[0].field == "--limit"


def test_nothing_is_drawn_from_the_future_when_times_are_shared(save: Save) -> None:
    path = save("when,x,y\n" + "".join(f"2020-01-{1 + i // 50:02d},{i}.5,{i % 2}\n" for i in range(300)))
    stream = read_stream(path, target="y", time="when", label_delay="10")
    assert stream.known_from.tolist() == [min(i + 10, 300) for i in range(300)]
    delayed = read_stream(path, target="y", time="when", label_delay="1d")
    assert delayed.known_from[:50].tolist() == [50] * 50


@shared
def test_the_electricity_file_reads_as_expected() -> None:
    stream = read_stream(SHARED / "electricity.csv", target="class", label_delay="48")
    assert (len(stream), stream.task.kind) == (45_312, "binary")
    assert stream.labels.sum() == 19_237


@shared
def test_a_file_without_a_header_is_refused() -> None:
    with pytest.raises(DataInvalid, match="no header"):
        read_stream(SHARED / "adult.data", target="income")

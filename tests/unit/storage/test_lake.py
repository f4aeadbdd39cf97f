from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tropism.core.clock import SECOND
from tropism.core.errors import (
    DataInvalid,
    IntegrityError,
    InvalidInput,
    NotFound,
    NotWritable,
    SettingInvalid,
)
from tropism.storage.lake import Appended, Lake, LakeSettings, TableVersion
from tropism.storage.lake.positions import PositionLog

if TYPE_CHECKING:
    from pathlib import Path

NAME = "price/predictions"
HOUR = 3_600 * SECOND


def rows(first: int, last: int, writer: str = "w0", **more: Any) -> pa.Table:
    """Rows `first` to `last` of a writer, one a second."""
    numbers = range(first, last + 1)
    return pa.table(
        {
            "id": [f"{writer}-{number:06}" for number in numbers],
            "at": pa.array([number * SECOND for number in numbers], pa.timestamp("us", "UTC")),
            "writer": [writer] * len(numbers),
            "seq": pa.array(numbers, pa.int64()),
            **more,
        }
    )


def seqs(table: pa.Table) -> list[int]:
    return sorted(table["seq"].to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", LakeSettings(compact_after=4, checkpoint_every=4))


@pytest.fixture
def other(tmp_path: Path) -> Lake:
    """The lake as another process sees it."""
    return Lake(tmp_path / "lake", LakeSettings(compact_after=4, checkpoint_every=4))


def fill(lake: Lake, commits: int, name: str = NAME) -> None:
    """Ten rows a commit, after those that are there."""
    start = lake.position(name, "w0")
    for number in range(start, start + 10 * commits, 10):
        lake.append(name, rows(number + 1, number + 10), positions={"w0": number + 10})


def files(lake: Lake, tmp_path: Path) -> list[Path]:
    """Data files, the oldest first."""
    return sorted((tmp_path / "lake" / NAME).glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)


class TestAppend:
    def test_creates_the_table(self, lake: Lake) -> None:
        assert (lake.version(NAME), lake.names()) == (-1, [])
        assert lake.append(NAME, rows(1, 3), positions={"w0": 3}).rows == 3
        assert lake.version(NAME) >= 0
        assert lake.names() == [NAME]
        assert lake.position(NAME, "w0") == 3
        assert lake.position(NAME, "w1") == 0

    def test_no_rows_create_nothing(self, lake: Lake) -> None:
        assert lake.append(NAME, rows(1, 0), positions={"w0": 3}) == Appended(-1, 0)
        assert lake.names() == []

    def test_what_was_appended_before_is_left_out(self, lake: Lake) -> None:
        lake.append(NAME, rows(1, 3), positions={"w0": 3})
        version = lake.version(NAME)
        assert lake.append(NAME, rows(1, 3), positions={"w0": 3}) == Appended(version, 0)
        assert lake.append(NAME, rows(2, 5), positions={"w0": 5}).rows == 2
        assert seqs(lake.read(NAME)) == [1, 2, 3, 4, 5]

    def test_each_writer_has_its_own_position(self, lake: Lake) -> None:
        lake.append(NAME, rows(1, 3), positions={"w0": 3})
        both = pa.concat_tables([rows(1, 4), rows(1, 2, "w1")])
        assert lake.append(NAME, both, positions={"w0": 4, "w1": 2}).rows == 3
        assert lake.state(NAME).positions == {"w0": 4, "w1": 2}

    def test_a_position_never_goes_back(self, lake: Lake) -> None:
        lake.append(NAME, rows(1, 9), positions={"w0": 9})
        lake.append(NAME, pa.concat_tables([rows(1, 5), rows(1, 1, "w1")]), positions={"w0": 5, "w1": 1})
        assert lake.state(NAME).positions == {"w0": 9, "w1": 1}

    def test_a_position_moves_past_records_that_went_elsewhere(self, lake: Lake) -> None:
        lake.append(NAME, rows(1, 3), positions={"w0": 8})
        assert lake.append(NAME, rows(8, 9), positions={"w0": 9}).rows == 1

    def test_another_process_is_noticed(self, lake: Lake, other: Lake) -> None:
        lake.append(NAME, rows(1, 3), positions={"w0": 3})
        assert other.append(NAME, rows(1, 5), positions={"w0": 5}).rows == 2
        assert lake.append(NAME, rows(1, 6), positions={"w0": 6}).rows == 1
        assert seqs(other.read(NAME)) == [1, 2, 3, 4, 5, 6]

    def test_many_who_append_the_same_at_once_append_it_once(self, tmp_path: Path) -> None:
        barrier = threading.Barrier(4)
        new: list[int] = []

        def work() -> None:
            mine = Lake(tmp_path / "lake", LakeSettings(durability="os"))
            barrier.wait()
            for last in range(10, 101, 10):
                new.append(mine.append(NAME, rows(1, last), positions={"w0": last}).rows)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(new) == 100
        assert seqs(Lake(tmp_path / "lake").read(NAME)) == list(range(1, 101))

    def test_without_positions_rows_are_added_as_they_are(self, lake: Lake) -> None:
        for _ in range(2):
            lake.append("metrics", pa.table({"value": [1.0]}))
        assert lake.read("metrics").num_rows == 2
        assert lake.state("metrics").positions is None

    def test_positions_need_their_columns(self, lake: Lake) -> None:
        with pytest.raises(InvalidInput, match="'writer' and 'seq'"):
            lake.append(NAME, pa.table({"value": [1.0]}), positions={"w0": 1})

    def test_a_new_column_is_null_in_older_rows(self, lake: Lake) -> None:
        strange: dict[str, Any] = {"f_a b.c": ["x"]}
        lake.append(NAME, rows(1, 1), positions={"w0": 1})
        lake.append(NAME, rows(2, 2, **strange), positions={"w0": 2})
        lake.append(NAME, rows(3, 3), positions={"w0": 3})
        found = lake.read(NAME)
        assert dict(zip(found["seq"].to_pylist(), found["f_a b.c"].to_pylist(), strict=True)) == {
            1: None,
            2: "x",
            3: None,
        }

    def test_a_column_keeps_its_type(self, lake: Lake) -> None:
        lake.append(NAME, rows(1, 1, f_a=[1.5]), positions={"w0": 1})
        with pytest.raises(DataInvalid, match="f_a") as raised:
            lake.append(NAME, rows(2, 2, f_a=["2"]), positions={"w0": 2})
        assert raised.value.faults[0].value == "string"
        assert seqs(lake.read(NAME)) == [1]

    def test_names_that_differ_only_in_case_are_refused(self, lake: Lake) -> None:
        lake.append(NAME, rows(1, 1, f_a=[1.5]), positions={"w0": 1})
        with pytest.raises(DataInvalid, match="upper and lower case"):
            lake.append(NAME, rows(2, 2, f_A=[1.5]), positions={"w0": 2})
        assert seqs(lake.read(NAME)) == [1]

    @pytest.mark.parametrize("name", ["", "/x", "x/", "../x", "x//y", "Price", "a b"])
    def test_a_name_stays_inside_the_lake(self, lake: Lake, name: str) -> None:
        with pytest.raises(InvalidInput, match="not a table's name"):
            lake.append(name, rows(1, 1))


class TestRead:
    def test_spans_include_their_beginning_and_not_their_end(self, lake: Lake) -> None:
        fill(lake, 3)
        assert seqs(lake.read(NAME, since=10 * SECOND, until=12 * SECOND)) == [10, 11]
        assert seqs(lake.read(NAME, since=29 * SECOND + 1)) == [30]
        assert seqs(lake.read(NAME, until=2 * SECOND)) == [1]

    def test_ids(self, lake: Lake) -> None:
        fill(lake, 2)
        assert seqs(lake.read(NAME, ids=["w0-000003", "w0-000017", "o'x"])) == [3, 17]
        assert lake.read(NAME, ids=[]).num_rows == 0

    def test_columns(self, lake: Lake) -> None:
        fill(lake, 1)
        found = lake.read(NAME, columns=["seq"], since=9 * SECOND)
        assert found.to_pydict() == {"seq": [9, 10]}

    def test_a_schema_adds_what_is_missing(self, lake: Lake) -> None:
        schema = pa.schema([("seq", pa.int64()), ("f_a", pa.float64())])
        assert lake.read(NAME, schema=schema).schema == schema
        fill(lake, 1)
        assert lake.read(NAME, schema=schema, until=2 * SECOND).to_pydict() == {"seq": [1], "f_a": [None]}

    def test_files_outside_the_span_are_not_opened(self, lake: Lake, tmp_path: Path) -> None:
        fill(lake, 3)
        for path in files(lake, tmp_path)[:2]:
            path.write_bytes(b"damaged")
        assert seqs(lake.read(NAME, since=21 * SECOND)) == list(range(21, 31))
        assert seqs(lake.read(NAME, ids=["w0-000025"])) == [25]
        with pytest.raises(IntegrityError, match=NAME):
            lake.read(NAME, since=20 * SECOND)

    def test_microseconds_are_told_apart(self, lake: Lake) -> None:
        moments = [1_700_000_000_123_457 + step for step in (0, 1, 2)]
        for seq, moment in enumerate(moments, start=1):
            row = rows(seq, seq).set_column(1, "at", pa.array([moment], pa.timestamp("us", "UTC")))
            lake.append(NAME, row, positions={"w0": seq})
        assert seqs(lake.read(NAME, since=moments[1])) == [2, 3]
        assert seqs(lake.read(NAME, until=moments[1])) == [1]
        assert seqs(lake.read(NAME, since=moments[2], until=moments[2] + 1)) == [3]

    def test_rows_of_a_span_can_be_bounded_without_reading_them(self, lake: Lake) -> None:
        fill(lake, 2)
        assert lake.at_most(NAME) == 20
        assert lake.at_most(NAME, until=0) == 0
        assert lake.at_most("none") == 0

    def test_what_another_process_appends_is_seen_at_once(self, lake: Lake, other: Lake) -> None:
        fill(lake, 1)
        assert len(seqs(lake.read(NAME))) == 10
        for step in range(20):
            other.append(NAME, rows(11 + step, 11 + step), positions={"w0": 11 + step})
            assert len(seqs(lake.read(NAME))) == 11 + step

    def test_a_table_that_does_not_exist_is_empty(self, lake: Lake) -> None:
        assert lake.read("none").num_rows == 0

    def test_a_path_with_special_characters(self, tmp_path: Path) -> None:
        lake = Lake(tmp_path / "a b ü#?+'x")
        fill(lake, 2)
        assert len(seqs(lake.read(NAME, since=0))) == 20

    def test_a_path_that_delta_would_decode_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingInvalid, match="without '%'"):
            Lake(tmp_path / "a%20b")


class TestVersions:
    def test_a_version_is_read_as_it_was(self, lake: Lake) -> None:
        fill(lake, 2)
        version = lake.version(NAME)
        fill(lake, 2)
        assert seqs(lake.read(NAME, version=version)) == list(range(1, 21))

    def test_a_state_is_read_as_it_was_after_compaction(self, lake: Lake, other: Lake) -> None:
        lake.append(NAME, rows(1, 4, "w1"), positions={"w1": 4})
        fill(lake, 2)
        state = lake.state(NAME)
        lake.append(NAME, rows(1, 9, "w2"), positions={"w2": 9})
        fill(lake, 4)
        assert lake.compact(NAME) == 8
        for reader in (lake, other):
            assert reader.read(NAME, version=state).num_rows == 24
            assert reader.read(NAME, version=state, since=20 * SECOND).num_rows == 1
            assert reader.read(NAME, version=state.version).num_rows == 24

    def test_before_the_first_version_there_is_nothing(self, lake: Lake) -> None:
        state = lake.state(NAME)
        fill(lake, 1)
        assert state == TableVersion(-1, {})
        assert lake.read(NAME, version=state).num_rows == 0
        assert lake.read(NAME, version=-1).num_rows == 0

    def test_a_version_that_never_was(self, lake: Lake) -> None:
        fill(lake, 1)
        with pytest.raises(NotFound, match="version 99"):
            lake.read(NAME, version=99)

    def test_positions_are_known_in_any_version(self, lake: Lake, other: Lake, tmp_path: Path) -> None:
        lake.append(NAME, rows(1, 4, "w1"), positions={"w1": 4})
        log = PositionLog(tmp_path / "lake" / NAME)
        for number in range(11):
            fill(lake, 1)
            state = lake.state(NAME)
            assert state.positions == {"w0": 10 * number + 10, "w1": 4}
            assert log.at(state.version) == other.state(NAME).positions == state.positions
        assert log.at(lake.version(NAME) - 3) == {"w0": 80, "w1": 4}
        assert PositionLog(tmp_path / "lake" / NAME).at(1) == {"w1": 4}


class TestMaintenance:
    def test_few_files_are_left_alone(self, lake: Lake) -> None:
        fill(lake, 4)
        version = lake.version(NAME)
        assert lake.maintain(NAME).merged == 0
        assert lake.version(NAME) == version

    def test_many_files_are_merged_and_nothing_else_changes(self, lake: Lake, other: Lake) -> None:
        fill(lake, 5)
        before = lake.read(NAME).sort_by("seq")
        assert other.maintain(NAME).merged == 5
        assert lake.read(NAME).sort_by("seq").equals(before)
        assert lake.state(NAME).positions == {"w0": 50}
        assert lake.append(NAME, rows(41, 51), positions={"w0": 51}).rows == 1

    def test_a_merge_does_not_keep_others_from_appending(self, lake: Lake, other: Lake) -> None:
        fill(lake, 6)
        done = threading.Event()

        def merge() -> None:
            while not done.is_set():
                other.compact(NAME)

        thread = threading.Thread(target=merge)
        thread.start()
        fill(lake, 20)
        done.set()
        thread.join()
        assert seqs(lake.read(NAME)) == list(range(1, 261))

    def test_what_a_failed_write_left_behind_is_deleted_once_it_is_old(self, lake: Lake, tmp_path: Path) -> None:
        fill(lake, 1)
        for name, hours in (("old", 3), ("young", 0)):
            path = tmp_path / "lake" / NAME / f"{name}.parquet"
            path.write_bytes(b"left behind")
            os.utime(path, (time.time() - 3_600 * hours,) * 2)
        assert lake.maintain(NAME).deleted == 1
        assert "young.parquet" in {path.name for path in files(lake, tmp_path)}
        assert len(seqs(lake.read(NAME))) == 10

    def test_old_versions_go_and_states_stay_readable(self, lake: Lake, other: Lake, tmp_path: Path) -> None:
        fill(lake, 3)
        state = lake.state(NAME)
        fill(lake, 3)
        lake.maintain(NAME)
        log = tmp_path / "lake" / NAME / "_delta_log"
        for path in log.iterdir():
            os.utime(path, (time.time() - 3_600 * 3,) * 2)
        lake.maintain(NAME)
        assert not (log / f"{0:020}.json").exists()
        for reader in (lake, other):
            assert seqs(reader.read(NAME, version=state)) == list(range(1, 31))
            assert reader.state(NAME).positions == {"w0": 60}
            with pytest.raises(NotFound, match="not kept"):
                reader.read(NAME, version=state.version)

    def test_settings_that_change_reach_old_tables(self, lake: Lake, tmp_path: Path) -> None:
        fill(lake, 1)
        Lake(tmp_path / "lake", LakeSettings(keep_versions="3h")).maintain(NAME)
        text = "".join(path.read_text() for path in (tmp_path / "lake" / NAME / "_delta_log").glob("*.json"))
        assert "interval 10800 seconds" in text
        fill(lake, 1)
        assert len(seqs(lake.read(NAME))) == 20

    def test_expired_rows_are_gone(self, lake: Lake) -> None:
        fill(lake, 2)
        assert lake.expire(NAME, 15 * SECOND) == 14
        assert seqs(lake.read(NAME)) == [15, 16, 17, 18, 19, 20]
        assert lake.append(NAME, rows(1, 20), positions={"w0": 20}).rows == 0

    def test_a_table_that_does_not_exist_needs_nothing(self, lake: Lake) -> None:
        assert lake.maintain("none") == (0, 0)
        assert (lake.compact("none"), lake.vacuum("none", HOUR), lake.expire("none", 5)) == (0, 0, 0)


class TestFailures:
    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "lake").write_text("a file")
        with pytest.raises((NotWritable, IntegrityError)):
            Lake(tmp_path / "lake").append(NAME, rows(1, 1), positions={"w0": 1})

    @pytest.mark.parametrize("half", [b"", b'{"add":{"path":"part', bytes(200)])
    def test_a_commit_torn_by_a_power_cut_never_was(self, lake: Lake, other: Lake, tmp_path: Path, half: bytes) -> None:
        fill(lake, 2)
        last = tmp_path / "lake" / NAME / "_delta_log" / f"{lake.version(NAME):020}.json"
        last.write_bytes(half)
        assert seqs(other.read(NAME)) == list(range(1, 11))
        assert other.append(NAME, rows(1, 20), positions={"w0": 20}).rows == 10
        assert seqs(other.read(NAME)) == list(range(1, 21))

    def test_a_lost_file_is_named(self, lake: Lake, tmp_path: Path) -> None:
        fill(lake, 1)
        files(lake, tmp_path)[0].unlink()
        with pytest.raises(IntegrityError, match=NAME) as raised:
            lake.read(NAME)
        assert "backup" in raised.value.faults[0].fix

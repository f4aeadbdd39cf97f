from __future__ import annotations

import os
from pathlib import Path

import pytest

from tropism.core.clock import SystemClock
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter, Record
from tropism.storage.journal.framing import HEADER
from tropism.storage.journal.segments import HEADER_SIZE, segment_path

SMALL = JournalSettings(fsync="os", reserve=0, segment_bytes=4_096)


def follow(reader: JournalReader, limit: int = 10_000) -> list[Record]:
    records: list[Record] = []
    position: dict[str, int] = {}
    while more := reader.read(position, limit):
        records += more
        position |= {record.writer: record.seq for record in more}
    return records


def test_an_empty_or_absent_journal_reads_as_nothing(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "absent"):
        reader = JournalReader(root)
        assert (reader.read({}), reader.heads(), reader.verify(), reader.discard({})) == ([], {}, [], 0)


def test_a_slot_without_records_has_head_0(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    assert JournalReader(tmp_path).heads() == {"w0": 0}
    writer.close()


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1_000])
def test_a_limit_gives_the_same_records_in_pieces(tmp_path: Path, limit: int) -> None:
    first, second = JournalWriter(tmp_path, SMALL), JournalWriter(tmp_path, SMALL)
    for index in range(30):
        first.append([b"%d.%d" % (index, part) + b"x" * 200 for part in range(index % 5 + 1)])
        second.append([b"other"])
    first.close()
    second.close()
    reader = JournalReader(tmp_path)

    assert len(reader.read({}, limit)) <= limit
    records = follow(JournalReader(tmp_path), limit)

    heads = reader.heads()
    for name in ("w0", "w1"):
        assert [record.seq for record in records if record.writer == name] == list(range(1, heads[name] + 1))


def test_a_busy_slot_does_not_keep_another_waiting(tmp_path: Path) -> None:
    busy, quiet = JournalWriter(tmp_path, SMALL), JournalWriter(tmp_path, SMALL)
    busy.append([b"busy"] * 100)
    quiet.append([b"quiet"])
    reader = JournalReader(tmp_path)
    position: dict[str, int] = {}
    seen: list[str] = []
    for _ in range(3):
        busy.append([b"busy"] * 10)
        records = reader.read(position, limit=10)
        position |= {record.writer: record.seq for record in records}
        seen += [record.writer for record in records]
    busy.close()
    quiet.close()

    assert "w1" in seen


def test_the_same_position_gives_the_same_records_again(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    for index in range(100):
        writer.append([b"%d" % index + b"x" * 150])
    writer.close()
    reader = JournalReader(tmp_path)

    assert reader.read({"w0": 40}) == reader.read({"w0": 40}) == JournalReader(tmp_path).read({"w0": 40})
    assert [record.seq for record in reader.read({"w0": 98})] == [99, 100]
    assert [record.seq for record in reader.read({"w0": 10}, limit=2)] == [11, 12]
    assert reader.read({"w0": 100}) == []


def test_what_is_appended_while_reading_is_seen_at_the_next_look(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    reader = JournalReader(tmp_path)
    for number in range(1, 200):
        assert reader.read({"w0": number - 1}) == []
        writer.append([b"x" * 300])
        assert [record.seq for record in reader.read({"w0": number - 1})] == [number]
        assert reader.heads() == {"w0": number}
    writer.close()


@pytest.mark.parametrize("cut", [1, 10, 40, 50, 90, 95])
def test_an_append_that_is_not_whole_yet_is_not_handed_out(tmp_path: Path, cut: int) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    writer.append([b"first"])
    before = (tmp_path / "w0" / "00000000000000000001.seg").stat().st_size
    writer.append([b"second", b"third"])
    writer.close()
    path = tmp_path / "w0" / "00000000000000000001.seg"
    data = path.read_bytes()
    reader = JournalReader(tmp_path)

    path.write_bytes(data[: min(before + cut, len(data) - 1)])
    assert [record.payload for record in reader.read({})] == [b"first"]
    assert (reader.heads(), reader.damaged) == ({"w0": 1}, [])

    path.write_bytes(data)
    assert [record.payload for record in reader.read({"w0": 1})] == [b"second", b"third"]
    assert reader.heads() == {"w0": 3}


def test_ingested_segments_are_discarded_but_never_the_one_being_written(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    for _ in range(100):
        writer.append([b"x" * 500])
    reader = JournalReader(tmp_path)
    firsts = sorted(int(path.stem) for path in (tmp_path / "w0").glob("*.seg"))
    boundary = firsts[3] - 1

    assert reader.discard({}) == 0
    assert reader.discard({"w0": boundary - 1}) == 2
    assert reader.discard({"w0": boundary}) == 1
    assert [record.seq for record in reader.read({"w0": boundary})] == list(range(boundary + 1, 101))
    assert reader.discard({"w0": 100}) == len(firsts) - 4
    assert reader.discard({"w0": 100}) == 0
    assert reader.heads() == {"w0": 100}

    writer.append([b"more"])
    writer.close()
    again = JournalWriter(tmp_path, SMALL)
    assert again.append([b"y"]) == 102
    again.close()
    assert reader.verify() == []
    assert [record.payload for record in reader.read({"w0": 100})] == [b"more", b"y"]


def test_segments_written_lately_are_kept(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    for _ in range(50):
        writer.append([b"x" * 500])
    writer.close()
    old, *_ = sorted((tmp_path / "w0").glob("*.seg"))
    os.utime(old, (1_000, 1_000))
    reader = JournalReader(tmp_path)

    assert reader.discard({"w0": 50}, before=1_000 * 1_000_000) == 0
    assert reader.discard({"w0": 50}, before=SystemClock().now() - 3_600_000_000) == 1


def test_a_reader_goes_on_when_segments_before_it_or_under_it_are_discarded(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    for _ in range(100):
        writer.append([b"x" * 500])
    slow, other = JournalReader(tmp_path), JournalReader(tmp_path)
    assert [record.seq for record in slow.read({}, limit=3)] == [1, 2, 3]
    other.discard({"w0": 100})

    left = slow.read({"w0": 3})
    assert left
    assert [record.seq for record in left] == list(range(left[0].seq, 101))
    expected = f"records 4 to {left[0].seq - 1} were discarded before they were read"
    assert [(one.seq, one.problem) for one in slow.damaged] == [(4, expected)]
    writer.close()


def test_a_position_ahead_of_the_journal_is_reported(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    writer.append([b"a"] * 5)
    writer.close()
    reader = JournalReader(tmp_path)

    assert reader.read({"w0": 9}) == []
    assert [(finding.writer, finding.seq) for finding in reader.damaged] == [("w0", 6)]
    assert "ahead" in reader.damaged[0].problem


def test_a_damaged_record_is_left_out_reported_once_and_blocks_nothing(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    for index in range(5):
        writer.append([b"%d" % index * 100])
    path = tmp_path / "w0" / "00000000000000000001.seg"
    data = bytearray(path.read_bytes())
    offset = HEADER_SIZE + 2 * (100 + HEADER.size)
    data[offset + 60] ^= 1
    path.write_bytes(bytes(data))
    reader = JournalReader(tmp_path)

    for _ in range(2):
        assert [record.seq for record in reader.read({})] == [1, 2, 4, 5]
    assert [(f.writer, f.segment, f.offset, f.seq) for f in reader.damaged] == [("w0", path.name, offset, 3)]
    assert reader.read({"w0": 5}) == []
    writer.append([b"next"])
    writer.close()
    assert [record.seq for record in reader.read({"w0": 5})] == [6]


@pytest.mark.parametrize("size", [0, HEADER_SIZE - 1])
def test_a_segment_that_was_never_begun_does_not_end_the_one_before(tmp_path: Path, size: int) -> None:
    writer = JournalWriter(tmp_path, SMALL)
    writer.append([b"x" * 100] * 5)
    stillborn = segment_path(tmp_path / "w0", 6)
    stillborn.write_bytes(b"\xf7" * size)  # what a disk that is full leaves for a moment
    reader = JournalReader(tmp_path)
    assert len(reader.read({})) == 5
    assert reader.heads() == {"w0": 5}
    stillborn.unlink()
    for _ in range(20):
        writer.append([b"y" * 500])
    writer.close()

    assert [record.seq for record in reader.read({"w0": 5})] == list(range(6, 26))
    assert reader.heads() == {"w0": 25}

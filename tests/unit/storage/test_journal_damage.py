"""Every byte of a journal is changed in turn: it must be found and named, and cost no other record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.journal.framing import HEADER, pack, scan
from tropism.storage.journal.segments import HEADER_SIZE, list_segments

SETTINGS = JournalSettings(fsync="os", reserve=0, segment_bytes=4_096)
SIZE = 1_200
LAST = 8


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Records 1 to 8, the last two in one append, in three segments."""
    writer = JournalWriter(tmp_path, SETTINGS)
    for index in range(1, LAST - 1):
        writer.append([bytes([index]) * SIZE])
    writer.append([bytes([LAST - 1]) * 300, bytes([LAST]) * 300])
    writer.close()
    assert len(list_segments(tmp_path / "w0")) == 3
    return tmp_path


def places(data: bytes) -> Iterator[tuple[int, int]]:
    """Offsets worth changing, and the record each belongs to: all of the headers, and some of the payloads."""
    for frame in scan(data, HEADER_SIZE, complete=True):
        yield from ((frame.offset + at, frame.seq) for at in range(HEADER.size))
        yield from ((at, frame.seq) for at in range(frame.offset + HEADER.size, frame.end, 97))
        yield frame.end - 1, frame.seq


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_a_changed_byte_is_named_and_costs_only_its_record(root: Path, number: int, flip: int) -> None:
    segment = list_segments(root / "w0")[number]
    data = segment.path.read_bytes()
    for at, seq in places(data):
        segment.path.write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
        reader = JournalReader(root)

        findings = reader.verify()
        assert [(one.writer, one.segment, one.seq) for one in findings] == [("w0", segment.name, seq)], at
        assert findings[0].offset <= at
        read = [record.seq for record in reader.read({})]
        # The last append is withheld until something written after it shows that it had ended.
        whole = seq == LAST and number == 2
        assert read == [one for one in range(1, LAST + 1) if one != seq and not (whole and one == LAST - 1)], at


@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_a_restart_keeps_the_finding_and_never_gives_a_number_twice(root: Path, flip: int) -> None:
    segment = list_segments(root / "w0")[2]
    data = segment.path.read_bytes()
    for at, seq in places(data):
        segment.path.write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
        writer = JournalWriter(root, SETTINGS)
        following = writer.append([b"after"])
        writer.close()
        reader = JournalReader(root)

        assert following == LAST + 1, at
        assert [record.seq for record in reader.read({})] == [one for one in range(1, LAST + 2) if one != seq], at
        assert [one.seq for one in reader.damaged] == [one.seq for one in reader.verify()] == [seq], at


def test_a_changed_segment_header_is_named_and_costs_nothing(root: Path) -> None:
    for segment in list_segments(root / "w0"):
        data = segment.path.read_bytes()
        for at in range(HEADER_SIZE):
            segment.path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            reader = JournalReader(root)
            assert [(one.segment, one.offset) for one in reader.verify()] == [(segment.name, 0)]
            assert [record.seq for record in reader.read({})] == list(range(1, LAST + 1))
        segment.path.write_bytes(data)


def test_a_forged_record_with_a_checksum_of_its_own_is_named(root: Path) -> None:
    segment = list_segments(root / "w0")[0]
    data = segment.path.read_bytes()
    second = list(scan(data, HEADER_SIZE, complete=True))[1]
    forged, _ = pack([b"!" * SIZE], 1, second.previous)
    segment.path.write_bytes(data[: second.offset] + forged + data[second.end :])

    assert [(one.offset, one.seq) for one in JournalReader(root).verify()] == [(second.offset, 2)]


def test_removed_records_are_named(root: Path) -> None:
    segment = list_segments(root / "w0")[0]
    data = segment.path.read_bytes()
    second = list(scan(data, HEADER_SIZE, complete=True))[1]
    segment.path.write_bytes(data[: second.offset] + data[second.end :])
    reader = JournalReader(root)

    assert [(one.seq, one.problem) for one in reader.verify()] == [(2, "record 2 is missing")]
    assert [record.seq for record in reader.read({})] == [1, 3, 4, 5, 6, 7, 8]
    assert [one.seq for one in reader.damaged] == [2]


def test_a_removed_segment_is_named(root: Path) -> None:
    _, middle, last = list_segments(root / "w0")
    middle.path.unlink()
    reader = JournalReader(root)

    expected = f"records {middle.first} to {last.first - 1} are missing"
    assert [(one.segment, one.seq, one.problem) for one in reader.verify()] == [(last.name, middle.first, expected)]
    assert [record.seq for record in reader.read({})] == [*range(1, middle.first), *range(last.first, LAST + 1)]


def test_a_cut_segment_in_the_middle_is_named(root: Path) -> None:
    segment = list_segments(root / "w0")[0]
    data = segment.path.read_bytes()
    segment.path.write_bytes(data[:-10])
    reader = JournalReader(root)

    assert [(one.segment, one.seq) for one in reader.verify()] == [(segment.name, 3)]
    assert [record.seq for record in reader.read({})] == [1, 2, 4, 5, 6, 7, 8]


def test_bytes_put_in_between_are_named_and_cost_nothing(root: Path) -> None:
    segment = list_segments(root / "w0")[0]
    data = segment.path.read_bytes()
    second = list(scan(data, HEADER_SIZE, complete=True))[1]
    segment.path.write_bytes(data[: second.offset] + b"graffiti" * 9 + data[second.offset :])
    reader = JournalReader(root)

    assert [one.offset for one in reader.verify()] == [second.offset]
    assert [record.seq for record in reader.read({})] == list(range(1, LAST + 1))


def test_a_record_written_twice_is_named_and_read_once(root: Path) -> None:
    segment = list_segments(root / "w0")[0]
    data = segment.path.read_bytes()
    first = next(scan(data, HEADER_SIZE, complete=True))
    segment.path.write_bytes(data[: first.end] + data[first.offset : first.end] + data[first.end :])
    reader = JournalReader(root)

    assert [(one.offset, one.seq) for one in reader.verify()] == [(first.end, 1)]
    assert [record.seq for record in reader.read({})] == list(range(1, LAST + 1))


def test_a_wiped_stretch_over_several_records_is_named_and_the_rest_is_read(root: Path) -> None:
    segment = list_segments(root / "w0")[0]
    data = segment.path.read_bytes()
    frames = list(scan(data, HEADER_SIZE, complete=True))
    start, end = frames[0].offset + 500, frames[2].offset
    segment.path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    reader = JournalReader(root)

    assert [(one.offset, one.seq) for one in reader.verify()] == [(frames[0].offset, 1), (frames[2].offset, 2)]
    assert [record.seq for record in reader.read({})] == list(range(3, LAST + 1))

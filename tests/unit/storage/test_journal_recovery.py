from __future__ import annotations

from pathlib import Path

import pytest

from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.journal.framing import pack, scan
from tropism.storage.journal.segments import HEADER_SIZE, list_segments, segment_path

SETTINGS = JournalSettings(fsync="os", reserve=0, segment_bytes=4_096)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = JournalWriter(tmp_path, SETTINGS)
    writer.append([b"one"])
    writer.append([b"two"])
    writer.close()
    return list_segments(tmp_path / "w0")[-1].path


def reopen(path: Path) -> JournalWriter:
    return JournalWriter(path.parent.parent, SETTINGS)


def payloads(path: Path) -> list[bytes]:
    return [record.payload for record in JournalReader(path.parent.parent).read({})]


def test_an_append_cut_short_anywhere_is_taken_back(path: Path) -> None:
    whole = path.read_bytes()
    last = list(scan(whole, HEADER_SIZE, complete=True))[-1].digest
    more, _ = pack([b"three", b"four" * 20, b"five"], 2, last)
    for cut in range(1, len(more)):
        path.write_bytes(whole + more[:cut])
        assert JournalReader(path.parent.parent).verify() == []

        writer = reopen(path)
        assert writer.recovered is not None
        assert (writer.recovered.seq, writer.recovered.offset) == (3, len(whole))
        assert path.read_bytes() == whole
        assert writer.append([b"next"]) == 3
        writer.close()
        assert payloads(path) == [b"one", b"two", b"next"]


@pytest.mark.parametrize("tail", [b"\0" * 5_000, b"\0" * 3, b"no record at all" * 10])
def test_what_never_was_a_record_is_removed_from_the_end(path: Path, tail: bytes) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + tail)

    writer = reopen(path)
    assert writer.append([b"three"]) == 3
    writer.close()

    assert payloads(path) == [b"one", b"two", b"three"]
    assert JournalReader(path.parent.parent).verify() == []


def test_an_undisturbed_end_is_left_as_it_is(path: Path) -> None:
    whole = path.read_bytes()
    writer = reopen(path)
    assert writer.recovered is None
    writer.close()
    assert path.read_bytes() == whole


def test_damage_in_the_middle_is_left_for_the_finding_while_the_end_is_recovered(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[HEADER_SIZE + 37] ^= 1
    path.write_bytes(bytes(whole) + b"\0" * 10)

    writer = reopen(path)
    writer.append([b"three"])
    writer.close()

    assert payloads(path) == [b"two", b"three"]
    assert [finding.seq for finding in JournalReader(path.parent.parent).verify()] == [1]


@pytest.mark.parametrize("size", [0, 1, HEADER_SIZE - 1])
def test_a_segment_whose_creation_was_cut_short_is_begun_anew(path: Path, size: int) -> None:
    segment_path(path.parent, 3).write_bytes(b"\xf7" * size)
    reader = JournalReader(path.parent.parent)
    assert reader.verify() == []
    assert reader.heads() == {"w0": 2}
    assert reader.discard({"w0": 2}) == 0  # the segment before is still what numbering goes on from

    writer = reopen(path)
    assert writer.append([b"three"]) == 3
    writer.close()
    assert payloads(path) == [b"one", b"two", b"three"]
    assert reader.verify() == []


def test_a_first_segment_whose_creation_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "w0").mkdir()
    segment_path(tmp_path / "w0", 1).write_bytes(b"")
    writer = JournalWriter(tmp_path, SETTINGS)
    assert writer.append([b"one"]) == 1
    writer.close()
    assert JournalReader(tmp_path).verify() == []


def test_an_empty_last_segment_goes_on_from_its_header(path: Path) -> None:
    writer = JournalWriter(path.parent.parent, SETTINGS)
    writer.append([b"x" * 4_050])
    writer.append([b"y"])
    writer.close()
    former, last = list_segments(path.parent)[-2:]
    last.path.write_bytes(last.path.read_bytes()[:HEADER_SIZE])
    assert JournalReader(path.parent.parent).discard({"w0": 3}) >= 1
    assert not former.path.exists()

    writer = JournalWriter(path.parent.parent, SETTINGS)
    assert writer.append([b"z"]) == 4
    writer.close()
    assert JournalReader(path.parent.parent).verify() == []

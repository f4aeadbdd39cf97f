"""The journal's contract, for each way of making records durable and for small and large segments."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tropism.core.errors import NotReady
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter, Record


@pytest.fixture(params=["os-small", "os-large", "group-small", "group-large"])
def settings(request: pytest.FixtureRequest) -> JournalSettings:
    fsync, size = request.param.split("-")
    return JournalSettings(fsync=fsync, segment_bytes=4_096 if size == "small" else 1 << 20, reserve=0)


async def test_what_is_durable_is_read_once_in_order_by_a_reader_of_its_own(
    tmp_path: Path, settings: JournalSettings
) -> None:
    writer = JournalWriter(tmp_path, settings)
    for index in range(100):
        seq = writer.append([b"%d-%d" % (index, part) * 20 for part in range(3)])
        if index % 10 == 0:
            await writer.durable(seq)
    await writer.durable(seq)

    records = JournalReader(tmp_path).read({})

    assert [record.seq for record in records] == list(range(1, 301))
    assert [record.payload for record in records] == [
        b"%d-%d" % (index, part) * 20 for index in range(100) for part in range(3)
    ]
    assert {record.writer for record in records} == {writer.name}
    assert JournalReader(tmp_path).heads() == {writer.name: 300}
    writer.close()


def test_any_bytes_are_a_payload(tmp_path: Path, settings: JournalSettings) -> None:
    payloads = [b"", b"\0" * 100, bytes(range(256)), "ключ ☃".encode(), b"\xf7TJ\x01" * 50, b"x" * 2_000_000]
    writer = JournalWriter(tmp_path, settings)
    for payload in payloads:
        writer.append([payload])
    writer.append(payloads)
    writer.close()

    assert [record.payload for record in JournalReader(tmp_path).read({})] == payloads * 2
    assert JournalReader(tmp_path).verify() == []


def test_a_closed_writer_takes_nothing_and_the_next_goes_on(tmp_path: Path, settings: JournalSettings) -> None:
    writer = JournalWriter(tmp_path, settings)
    assert writer.append([b"a", b"b"]) == 2
    writer.close()
    with pytest.raises(NotReady):
        writer.append([b"c"])

    again = JournalWriter(tmp_path, settings)
    assert (again.name, again.append([b"c"])) == (writer.name, 3)
    again.close()
    assert [record.payload for record in JournalReader(tmp_path).read({})] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_writers_and_readers_do_everything_is_read_exactly_once(
    tmp_path: Path, settings: JournalSettings, seed: int
) -> None:
    chance = random.Random(seed)
    writers: dict[str, JournalWriter] = {}
    written: dict[str, list[bytes]] = {}
    read: dict[str, list[bytes]] = {}
    position: dict[str, int] = {}
    reader = JournalReader(tmp_path)

    def take(records: list[Record]) -> None:
        for record in records:
            read.setdefault(record.writer, []).append(record.payload)
            assert record.seq == position.get(record.writer, 0) + 1
            position[record.writer] = record.seq

    for _ in range(400):
        action = chance.choice(["open", "append", "append", "append", "read", "reader", "close", "discard", "heads"])
        if action == "open" and len(writers) < 3:
            writer = JournalWriter(tmp_path, settings)
            assert writer.name not in writers
            writers[writer.name] = writer
        elif action == "append" and writers:
            name = chance.choice(sorted(writers))
            payloads = [chance.randbytes(chance.choice([0, 5, 300, 1_500])) for _ in range(chance.randrange(1, 6))]
            written.setdefault(name, []).extend(payloads)
            assert writers[name].append(payloads) == len(written[name])
        elif action == "read":
            take(reader.read(position, chance.choice([1, 3, 10_000])))
        elif action == "reader":
            reader = JournalReader(tmp_path)
        elif action == "close" and writers:
            writers.pop(chance.choice(sorted(writers))).close()
        elif action == "discard":
            reader.discard(position)
        elif action == "heads":
            assert {name: head for name, head in reader.heads().items() if head} == {
                name: len(payloads) for name, payloads in written.items()
            }
    for writer in writers.values():
        writer.close()
    while records := reader.read(position):
        take(records)

    assert read == written
    assert reader.verify() == reader.damaged == []

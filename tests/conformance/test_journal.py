"""The journal's contract, for each way of making records durable and for small and large segments."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tropism.core.errors import NotReady
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter


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


class Model:
    """Does what writers and a consumer do, and remembers what must come out."""

    def __init__(self, root: Path, settings: JournalSettings, chance: random.Random) -> None:
        self.root, self.settings, self.chance = root, settings, chance
        self.writers: dict[str, JournalWriter] = {}
        self.written: dict[str, list[bytes]] = {}
        self.taken: dict[str, list[bytes]] = {}
        self.position: dict[str, int] = {}
        self.reader = JournalReader(root)

    def open(self) -> None:
        if len(self.writers) < 3:
            writer = JournalWriter(self.root, self.settings)
            assert writer.name not in self.writers
            self.writers[writer.name] = writer

    def append(self) -> None:
        for name in self.chance.sample(sorted(self.writers), min(1, len(self.writers))):
            sizes = self.chance.choices([0, 5, 300, 1_500], k=self.chance.randrange(1, 6))
            payloads = [self.chance.randbytes(size) for size in sizes]
            self.written.setdefault(name, []).extend(payloads)
            assert self.writers[name].append(payloads) == len(self.written[name])

    def read(self, limit: int | None = None) -> int:
        records = self.reader.read(self.position, limit or self.chance.choice([1, 3, 10_000]))
        for record in records:
            self.taken.setdefault(record.writer, []).append(record.payload)
            assert record.seq == self.position.get(record.writer, 0) + 1
            self.position[record.writer] = record.seq
        return len(records)

    def restart_reader(self) -> None:
        self.reader = JournalReader(self.root)

    def close(self) -> None:
        for name in self.chance.sample(sorted(self.writers), min(1, len(self.writers))):
            self.writers.pop(name).close()

    def discard(self) -> None:
        self.reader.discard(self.position)

    def heads(self) -> None:
        heads = {name: head for name, head in self.reader.heads().items() if head}
        assert heads == {name: len(payloads) for name, payloads in self.written.items()}


@pytest.mark.parametrize("seed", range(5))
def test_whatever_writers_and_readers_do_everything_is_read_exactly_once(
    tmp_path: Path, settings: JournalSettings, seed: int
) -> None:
    chance = random.Random(seed)
    model = Model(tmp_path, settings, chance)
    actions: list[Callable[[], object]] = [model.open, model.read, model.restart_reader, model.close]
    actions += [model.discard, model.heads, model.append, model.append, model.append]
    for _ in range(400):
        chance.choice(actions)()
    while model.writers:
        model.close()
    while model.read(10_000):
        pass

    assert model.taken == model.written
    assert model.reader.verify() == model.reader.damaged == []

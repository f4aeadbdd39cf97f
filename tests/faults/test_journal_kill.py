"""A writer is killed at random moments; nothing it had acknowledged may be lost, doubled or damaged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter, Record
from tropism.storage.journal.framing import pack, scan
from tropism.storage.journal.segments import HEADER_SIZE, list_segments

pytestmark = pytest.mark.fault

KILLS = int(os.environ.get("TROPISM_FAULT_ROUNDS", "24"))
SETTINGS = JournalSettings(fsync="os", reserve=0, segment_bytes=300_000)
CHILD = """
import asyncio, os, random, sys
from pathlib import Path
from tropism.storage.journal import JournalSettings, JournalWriter

root, fsync, life = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
chance = random.Random(life)
writer = JournalWriter(root, JournalSettings(fsync=fsync, reserve=0, segment_bytes=300_000))

async def client(name):
    for index in range(1_000_000):
        names = [f"{life}/{name}/{index}/{part}" for part in range(chance.choice([1, 1, 1, 2, 9]))]
        size = chance.choice([20, 200, 200, 20_000])
        seq = writer.append([text.encode() + b" " + b"." * size for text in names])
        await writer.durable(seq)
        os.write(1, b"".join(b"%s %d %s\\n" % (writer.name.encode(), seq - len(names) + 1 + part, text.encode())
                             for part, text in enumerate(names)))
        await asyncio.sleep(0)

async def main():
    await asyncio.gather(*(client(name) for name in range(4)))

asyncio.run(main())
"""

Acknowledged = dict[str, tuple[str, int]]


def start(root: Path, fsync: str, life: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(root), fsync, life], stdout=subprocess.PIPE)


def kill_after(child: subprocess.Popen[bytes], count: int) -> Acknowledged:
    """Kill the child once it has acknowledged `count` records; all that it had, to the last whole line."""
    assert child.stdout is not None
    lines: list[bytes] = [child.stdout.readline() for _ in range(count)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    parts = [line.decode().split() for line in lines if line.endswith(b"\n")]
    assert len(parts) >= count
    return {name: (writer, int(seq)) for writer, seq, name in parts}


def name_of(record: Record) -> str:
    return record.payload.split(b" ")[0].decode()


@pytest.mark.parametrize("fsync", ["group", "os"])
def test_every_acknowledged_record_is_read_exactly_once(tmp_path: Path, fsync: str) -> None:
    chance = random.Random(fsync)
    acknowledged: Acknowledged = {}
    follower, followed, position = JournalReader(tmp_path), list[Record](), dict[str, int]()
    for life in range(KILLS // 4):
        # Two at a time, in two slots; the slots of the dead are taken again.
        children = [start(tmp_path, fsync, f"{life}{side}") for side in "ab"]
        for child in children:
            acknowledged |= kill_after(child, chance.randrange(1, 400))
            for record in follower.read(position, 1_000_000):
                followed.append(record)
                position[record.writer] = record.seq

    reader = JournalReader(tmp_path)
    records = reader.read({}, 1_000_000)

    counted = Counter(name_of(record) for record in records)
    assert [name for name, count in counted.items() if count > 1] == []
    assert [name for name in acknowledged if name not in counted] == []
    places = {name_of(record): (record.writer, record.seq) for record in records}
    assert {name: places[name] for name in acknowledged} == acknowledged
    assert set(places.values()) == {
        (writer, seq) for writer, head in reader.heads().items() for seq in range(1, head + 1)
    }
    assert reader.heads().keys() == {"w0", "w1"}
    assert reader.verify() == reader.damaged == follower.damaged == []
    # Who read along while writers died has read the same.
    assert sorted(followed) == sorted(records)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_a_torn_tail_after_a_kill_is_recovered(tmp_path: Path, share: float) -> None:
    acknowledged = kill_after(start(tmp_path, "os", "torn"), 50)
    writer = JournalWriter(tmp_path, SETTINGS)  # removes what the kill itself may have torn
    head = writer.append([b"before"])
    writer.close()
    reader = JournalReader(tmp_path)
    before = reader.read({}, 1_000_000)
    assert before[-1].seq == head
    segment = list_segments(tmp_path / "w0")[-1]
    last = list(scan(segment.path.read_bytes(), HEADER_SIZE, complete=True))[-1]
    torn, _ = pack([b"torn " * 100, b"never acknowledged " * 100], last.seq, last.digest)
    with segment.path.open("ab") as file:
        file.write(torn[: int(len(torn) * share)])
    position = {"w0": before[-1].seq}

    assert reader.read(position) == []
    assert reader.verify() == []
    writer = JournalWriter(tmp_path, SETTINGS)
    assert writer.recovered is not None
    assert writer.append([b"after"]) == before[-1].seq + 1
    writer.close()

    assert [record.payload for record in reader.read(position)] == [b"after"]
    assert acknowledged.keys() <= {name_of(record) for record in JournalReader(tmp_path).read({}, 1_000_000)}
    assert reader.verify() == reader.damaged == []

"""Four writers append events, one consumer brings them into the lake and into windows, and one process reads features.

Two of the writers and the consumer are killed on the way and others go on. Afterwards every event that was acknowledged
is in the lake once, and every read equals what the lake's rows give for it offline, to the last bit.
`TROPISM_FAULTS=full` does it with 300,000 events. Run as a script, this file is one of those processes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from tests.faults.test_ingestion_kill import FileCursors

from tropism.core.clock import SECOND, SystemClock
from tropism.core.events import Push, encode
from tropism.features import Decimal, Entity, FeatureView, StreamSource, agg
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.features.store import StoredView
from tropism.features.store.following import Follower
from tropism.features.store.stamping import Stamps
from tropism.features.store.streams import events_of, stamps_of, stream_rows
from tropism.features.windows import WindowStore, window_values
from tropism.feedback import Ingestion, Streams
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.lake import Lake, LakeSettings

pytestmark = pytest.mark.fault

FULL = os.environ.get("TROPISM_FAULTS") == "full"
SEED = int(os.environ.get("TROPISM_FAULTS_SEED", "20264"))
EVENTS, WRITERS = 300_000 if FULL else 40_000, 4
READS, AFTER = 3_000, 300
"""All reads, and those of them that are taken after everything."""
ACCOUNTS = 300
LATE = 0.02
BATCH = 100
"""Records that the consumer takes at a time, of ten events each as a rule."""
LINE = 256
"""Bytes of an acknowledgement: so many that the pipe stops a writer whose acknowledgements nobody reads."""
SCHEMA = {"account": str, "number": int, "amount": float, "price": Decimal(2), "shop": str}
STREAM = StreamSource("payments", timestamp="at", schema=SCHEMA)
SPEND = FeatureView(
    "spend",
    entity=Entity("account", key="account"),
    source=STREAM,
    fields=(
        agg.count("10s", hop="1s"),
        agg.count("6h"),
        agg.sum("amount", "1m", hop="5s"),
        agg.mean("price", "1h"),
        agg.std("amount", "6h"),
        agg.max("amount", "1h"),
        agg.last("shop", "6h"),
        agg.distinct("shop", "6h"),
    ),
)
EVENT_TIME = FeatureView(
    "happened", entity=SPEND.entity, source=STREAM, fields=(agg.count("1m"), agg.sum("price", "3h")), known="event"
)
VIEWS = [StoredView(SPEND, "spend@1"), StoredView(EVENT_TIME, "happened@1")]


class Reading(NamedTuple):
    """A read as the reading process wrote it down: the view's place, and values as JSON has them."""

    view: int
    key: str
    at: int
    known: int
    values: dict[str, Any]


def write(folder: Path, writer: int, start: int) -> None:
    """Appends the writer's events from its number `start` on, and acknowledges each push by the number after it."""
    clock, share = SystemClock(), EVENTS // WRITERS
    journal = JournalWriter(folder / "journal", JournalSettings(fsync="os", reserve=0, segment_bytes=1 << 20))
    while start < share:
        chance = random.Random(f"{SEED}/{writer}/{start}")
        end, now = min(share, start + chance.randrange(1, 20)), clock.now()
        rows = [
            (
                f"a{min(int(chance.paretovariate(0.5)), ACCOUNTS)}",
                writer * share + number,
                now - chance.randrange(4 * 3600 * SECOND if chance.random() < LATE else 2_000),
                chance.lognormvariate(3, 2) if chance.random() < 0.95 else None,
                f"{chance.randrange(-(10**6), 10**9) / 100:.2f}",
                f"s{chance.randrange(400)}",
            )
            for number in range(start, end)
        ]
        names = ("account", "number", "at", "amount", "price", "shop")
        push = Push(source="payments", received=now, names=names, rows=rows, id=f"{writer}#{start}")
        journal.append([encode(push)])
        sys.stdout.write(f"{end:<{LINE - 1}}\n")
        sys.stdout.flush()
        start = end
    journal.close()


def consume(folder: Path) -> None:
    """Moves events into the lake and from there into windows, and tells how many events came in."""
    lake = Lake(folder / "lake", LakeSettings(compact_after=8, durability="os"))
    cursors, clock = FileCursors(folder / "cursors.json"), SystemClock()
    reader = JournalReader(folder / "journal")
    streams = Streams({"payments": STREAM}.get, Stamps(folder / "stamps"), clock)
    ingestion = Ingestion(reader, lake, lambda _: None, cursors, clock, streams)
    store = WindowStore(folder / "windows.sqlite", clock)
    follower = Follower(lake, SQLiteOnlineStore(str(folder / "online.sqlite")), store)
    events, busy = 0, clock.now()
    while clock.now() - busy < 60 * SECOND:  # it ends if what it waits for does not come
        events += ingestion.run(limit=BATCH).events
        lake.maintain("_streams/payments")
        if follower.run(VIEWS):
            busy = clock.now()
            sys.stdout.write(f"{events}\n")
            sys.stdout.flush()


def read(folder: Path) -> None:
    """For each line that comes in takes so many reads, at moments about now."""
    chance, clock = random.Random(SEED), SystemClock()
    store = WindowStore(folder / "windows.sqlite", clock)
    with (folder / "reads").open("wb") as file:
        for line in sys.stdin:
            wanted = int(line)
            while wanted:
                view, key = chance.randrange(2), f"a{min(int(chance.paretovariate(0.5)), ACCOUNTS + 1)}"
                at = clock.now() + chance.randrange(-SECOND // 10, SECOND // 10)
                found = store.read(VIEWS[view].view, [key], at)
                if clock.now() - at < SECOND // 2:  # what took longer may lie before what the store allows
                    file.write(msgspec.json.encode([view, key, at, found.known, found.values[0]]) + b"\n")
                    wanted -= 1
            file.flush()
            sys.stdout.write("done\n")
            sys.stdout.flush()


def out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def killed(process: subprocess.Popen[str], seconds: float) -> list[str]:
    """Kills a process that is at work; the whole lines that it had still written."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    rest = process.communicate()[0]
    return rest.splitlines()[: rest.count("\n")]


class Run:
    """All processes, and how far they are: events that the consumer has brought in, and reads meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chance = folder, random.Random(SEED)
        self.processes: list[subprocess.Popen[str]] = []
        self.reader, self.consumer = self.start("read"), self.start("consume")
        self.reads = self.before = self.events = 0

    def start(self, *what: object, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.faults.test_window_kill", str(self.folder), *map(str, what)]
        root = Path(__file__).parents[2]
        self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, text=True, cwd=root))
        return self.processes[-1]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def cut_short(self, writer: int) -> int:
        """Starts a writer and kills it on its way; how far it had been acknowledged."""
        share, process = EVENTS // WRITERS, self.start("write", writer, 0)
        lines = [out(process).readline() for _ in range(self.chance.randrange(share // 60, share // 30))]
        lines += killed(process, self.chance.uniform(0, 0.01))
        assert 0 < int(lines[-1]) < share
        return int(lines[-1])

    def follow(self, until: int, reads: int) -> None:
        """Waits until so many events are in; takes so many reads after each of the consumer's rounds."""
        while self.events < until:
            line = out(self.consumer).readline()
            assert line, f"{self.events} of {until} events came in"
            self.events = self.before + int(line)
            self.read(min(reads, READS - AFTER - self.reads))

    def read(self, count: int) -> None:
        assert self.reader.stdin is not None
        if count > 0:
            self.reader.stdin.write(f"{count}\n")
            self.reader.stdin.flush()
            assert out(self.reader).readline() == "done\n"
            self.reads += count

    def restart_consumer(self) -> None:
        killed(self.consumer, self.chance.uniform(0, 0.1))
        self.before = Lake(self.folder / "lake").read("_streams/payments", columns=["seq"]).num_rows
        self.consumer = self.start("consume")

    def play(self) -> None:
        devnull = subprocess.DEVNULL
        writers = [self.start("write", writer, 0, stdout=devnull) for writer in range(2, WRITERS)]
        acknowledged = [self.cut_short(writer) for writer in range(2)]
        self.follow(EVENTS // 4, 8 if FULL else 60)
        self.restart_consumer()
        writers += [self.start("write", *resumed, stdout=devnull) for resumed in enumerate(acknowledged)]
        self.follow(EVENTS, 8 if FULL else 60)
        for process in writers:
            assert process.wait(60) == 0
        self.read(READS - self.reads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the processes left."""
    found = tmp_path_factory.mktemp("streams")
    run = Run(found)
    try:
        run.play()
    finally:
        run.close()
    yield found


def readings(folder: Path) -> list[Reading]:
    return [msgspec.json.decode(line, type=Reading) for line in (folder / "reads").read_bytes().splitlines()]


def history(folder: Path) -> pa.Table:
    return stream_rows(Lake(folder / "lake"), STREAM, list(SCHEMA))


def test_every_event_is_in_the_lake_once(folder: Path) -> None:
    assert sorted(history(folder)["c_number"].to_pylist()) == list(range(EVENTS))


def test_reads_were_taken_of_windows_that_were_behind(folder: Path) -> None:
    """Without what the windows say they had, the replay could not know."""
    reads, stamps = readings(folder), np.unique(stamps_of(history(folder)))
    following = np.append(stamps, 1 << 62)[np.searchsorted(stamps, [one.known for one in reads], "right")]
    assert sum(following <= [one.at for one in reads]) > 100
    assert len({one.known for one in reads}) > 10


def test_every_read_equals_its_replay_from_the_lake(folder: Path) -> None:
    reads, events, wrong = readings(folder), events_of(history(folder)), []
    assert len(reads) == READS
    for place, stored in enumerate(VIEWS):
        mine = [one for one in reads if one.view == place]
        at = pa.array([one.at for one in mine], pa.timestamp("us", "UTC"))
        labels = pa.table({"account": [one.key for one in mine], "at": at, "known": [one.known for one in mine]})
        found = window_values(stored.view, events, labels, "at", known="known").to_pylist()
        for one, values in zip(mine, found, strict=True):
            if one.values != msgspec.json.decode(msgspec.json.encode(values)):
                wrong.append((one, values))
    assert wrong == []


if __name__ == "__main__":
    if sys.argv[2] == "write":
        write(Path(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[2] == "consume":
        consume(Path(sys.argv[1]))
    else:
        read(Path(sys.argv[1]))

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tropism.core.errors import DiskFull, InvalidInput, NotReady, NotWritable, SettingInvalid
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.journal.syncing import GroupSync

OS = JournalSettings(fsync="os", reserve=0)
GROUP = JournalSettings(fsync="group", reserve=0)


def payloads(root: Path) -> list[bytes]:
    return [record.payload for record in JournalReader(root).read({})]


def test_numbers_go_on_over_appends_segments_and_restarts(tmp_path: Path) -> None:
    settings = JournalSettings(fsync="os", reserve=0, segment_bytes=4_096)
    numbers = []
    for _ in range(5):
        writer = JournalWriter(tmp_path, settings)
        assert writer.name == "w0"
        numbers += [writer.append([b"x" * 500] * count) for count in (1, 3, 2)]
        writer.close()

    assert numbers == [sum((1, 3, 2)[: index % 3 + 1]) + 6 * (index // 3) for index in range(15)]
    assert [record.seq for record in JournalReader(tmp_path).read({})] == list(range(1, 31))
    assert len(list((tmp_path / "w0").glob("*.seg"))) > 3


def test_appending_nothing_changes_nothing(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, OS)
    assert writer.append([]) == 0
    assert writer.append([b"", b"a"]) == 2
    assert writer.append([]) == 2
    writer.close()
    assert payloads(tmp_path) == [b"", b"a"]


def test_an_append_larger_than_a_segment_is_kept_whole(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, JournalSettings(fsync="os", reserve=0, segment_bytes=4_096))
    large = [bytes([index]) * 3_000_000 for index in range(4)]
    writer.append([b"small"])
    writer.append(large)
    writer.append([b"small"])
    writer.close()

    assert payloads(tmp_path) == [b"small", *large, b"small"]
    assert JournalReader(tmp_path).verify() == []


def test_each_writer_has_a_slot_of_its_own_and_a_closed_one_is_taken_again(tmp_path: Path) -> None:
    first, second = JournalWriter(tmp_path, OS), JournalWriter(tmp_path, OS)
    assert (first.name, second.name) == ("w0", "w1")
    first.close()
    third = JournalWriter(tmp_path, OS)
    assert third.name == "w0"
    second.close()
    third.close()


def test_a_slot_held_by_another_process_is_passed_over_until_that_process_ends(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from tropism.storage.journal import JournalSettings, JournalWriter\n"
        "writer = JournalWriter(pathlib.Path(sys.argv[1]), JournalSettings(fsync='os', reserve=0))\n"
        "writer.append([b'theirs'])\n"
        "print(writer.name, flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "w0\n"
        mine = JournalWriter(tmp_path, OS)
        assert mine.name == "w1"
        mine.append([b"mine"])
        child.kill()
    mine.close()

    again = JournalWriter(tmp_path, OS)
    assert (again.name, again.append([b"next"])) == ("w0", 2)
    again.close()
    assert JournalReader(tmp_path).heads() == {"w0": 2, "w1": 1}


def test_threads_may_append_at_once(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, JournalSettings(fsync="os", reserve=0, segment_bytes=8_192))

    def work(name: int) -> None:
        for index in range(300):
            writer.append([b"%d-%d" % (name, index), b"%d+%d" % (name, index)])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()

    found = payloads(tmp_path)
    assert sorted(found) == sorted(
        b"%d%s%d" % (name, sign, index) for name in range(6) for index in range(300) for sign in (b"-", b"+")
    )
    assert JournalReader(tmp_path).verify() == []
    # The two records of an append stand side by side.
    assert all(a.replace(b"-", b"+") == b for a, b in zip(found[::2], found[1::2], strict=True))


async def test_group_fsync_releases_everybody_who_waits(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)

    async def request(number: int) -> int:
        seq = writer.append([b"%d" % number])
        await writer.durable(seq)
        return seq

    numbers = await asyncio.gather(*(request(number) for number in range(500)))
    await writer.durable(1)

    assert sorted(numbers) == list(range(1, 501))
    writer.close()


async def test_without_group_fsync_nobody_waits(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, OS)
    waiting = writer.durable(writer.append([b"a"]))
    with pytest.raises(StopIteration):
        waiting.send(None)  # it ends at its first step
    writer.close()


def test_several_event_loops_wait_on_one_writer(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)
    done: list[int] = []

    async def requests() -> None:
        async def one() -> None:
            seq = writer.append([b"x"])
            await writer.durable(seq)
            done.append(seq)

        for _ in range(20):
            await asyncio.gather(*(one() for _ in range(10)))

    threads = [threading.Thread(target=asyncio.run, args=(requests(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()

    assert sorted(done) == list(range(1, 601))


async def test_a_waiter_that_gave_up_disturbs_nobody(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)
    seq = writer.append([b"a"])
    impatient = asyncio.create_task(writer.durable(seq))
    patient = asyncio.create_task(writer.durable(seq))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
    writer.close()


async def test_waiting_for_a_record_that_was_not_appended_is_refused(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)
    with pytest.raises(InvalidInput, match="seq"):
        await writer.durable(1)
    writer.close()


async def test_after_a_failed_fsync_waiters_and_later_appends_hear_of_it(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)
    seq = writer.append([b"a"])
    shutil.rmtree(tmp_path / "w0")  # the folder's fsync now fails

    waiting = [asyncio.create_task(writer.durable(seq)) for _ in range(3)]
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(result) for result in results] == [NotReady] * 3
    with pytest.raises(NotReady, match="restart"):
        writer.append([b"b"])
    with pytest.raises(NotReady):
        await writer.durable(seq)
    writer.close()


async def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)
    seq = writer.append([b"a"])
    writer.close()
    writer.close()

    await writer.durable(seq)  # closing made it durable
    with pytest.raises(NotReady, match="closed"):
        writer.append([b"b"])


async def test_while_the_reserve_is_not_free_nothing_is_taken(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    writer = JournalWriter(tmp_path, JournalSettings(fsync="os", reserve=free * 2))
    for _ in range(2):
        with pytest.raises(DiskFull, match="reserve"):
            writer.append([b"a"])
    writer.close()

    again = JournalWriter(tmp_path, OS)
    assert again.append([b"a"]) == 1
    again.close()
    assert payloads(tmp_path) == [b"a"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotWritable) as caught:
        JournalWriter(tmp_path / "file", OS)
    assert str(tmp_path / "file") in caught.value.faults[0].value


def test_an_interrupt_in_an_append_stops_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JournalWriter(tmp_path, OS)
    writer.append([b"a"])

    def interrupted(data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.append([b"b"])
    with pytest.raises(NotReady, match="interrupted"):
        writer.append([b"c"])
    writer.close()


@pytest.mark.parametrize(
    ("field", "value"), [("segment_bytes", 10), ("reserve", -1), ("keep", "a while")], ids=lambda value: str(value)
)
def test_settings_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(SettingInvalid, match=rf"journal\.{field}"):
        JournalSettings(**{field: value})  # type: ignore[arg-type]


async def test_flushing_is_done_when_the_record_is_safe(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)
    seq = writer.append([b"a"])
    flushing = writer.flushing(seq)
    assert flushing is not None
    await flushing
    assert writer.flushing(seq) is None, "it is already"
    later = writer.append([b"b"])
    assert writer.flushing(later) is not None
    await writer.durable(later)
    writer.close()


async def test_with_fsync_by_the_system_nobody_waits(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, OS)
    assert writer.flushing(writer.append([b"a"])) is None
    writer.close()


async def test_flushing_what_was_never_appended_is_refused(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, GROUP)
    with pytest.raises(InvalidInput):
        writer.flushing(1)
    seq = writer.append([b"a"])
    writer.close()
    assert writer.flushing(seq) is None, "closing made it safe"
    with pytest.raises(NotReady):
        writer.flushing(seq + 1)


async def test_a_flush_that_fails_is_told_and_nothing_is_taken_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    writer = JournalWriter(tmp_path, GROUP)
    seq = writer.append([b"a"])
    monkeypatch.setattr("tropism.storage.journal.writer._flush_file", fail)
    flushing = writer.flushing(seq)
    assert flushing is not None
    with pytest.raises(NotReady):
        await flushing
    with pytest.raises(NotReady):
        writer.flushing(seq)
    with pytest.raises(NotReady):
        writer.append([b"b"])
    writer.close()


async def test_on_a_quick_disk_a_record_is_safe_at_once_and_a_failure_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GroupSync, "quick", True)  # whatever this disk takes
    writer = JournalWriter(tmp_path, JournalSettings(reserve=0, segment_bytes=4_096))
    for number in range(1, 21):  # over several segments
        seq = writer.append([bytes(1_000)])
        assert writer.flushing(seq) is None
        assert writer._synced == seq == number

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    seq = writer.append([b"lost?"])
    monkeypatch.setattr("tropism.storage.journal.writer._flush_file", fail)
    with pytest.raises(NotReady):
        writer.flushing(seq)
    with pytest.raises(NotReady):
        writer.append([b"more"])
    writer.close()

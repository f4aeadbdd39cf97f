"""The disk fills up while records are appended: refused whole, nothing half-written, and it goes on afterwards."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tropism.core.errors import DiskFull
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter

pytestmark = pytest.mark.fault


class Disk(NamedTuple):
    """A place to write to that is soon full, and how to make room there again."""

    root: Path
    free: Callable[[], None]


def mounted(folder: Path, size: str) -> bool:
    if os.geteuid() != 0:
        return False
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    with suppress(FileNotFoundError):
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    return False


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    if not mounted(folder, "512k"):
        pytest.skip("needs root and the right to mount a tmpfs; the file-size limit is tested instead")
    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * 262_144)
    yield Disk(folder / "journal", ballast.unlink)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def size_limit(tmp_path: Path) -> Iterator[Disk]:
    # Python ignores SIGXFSZ, so a write beyond the limit fails with EFBIG instead of ending the process.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def free() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    yield Disk(tmp_path / "journal", free)
    free()


@pytest.fixture(params=["tiny_disk", "size_limit"])
def disk(request: pytest.FixtureRequest) -> Disk:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Disk)
    return found


def settings(segment_bytes: int = 64 << 20, reserve: int = 0) -> JournalSettings:
    return JournalSettings(fsync="group", segment_bytes=segment_bytes, reserve=reserve)


def payloads(root: Path) -> list[bytes]:
    return [record.payload for record in JournalReader(root).read({}, 1_000_000)]


@pytest.mark.parametrize(("count", "size"), [(1, 700), (5, 3_000), (3, 100_000)])
async def test_a_full_disk_is_said_and_loses_nothing(disk: Disk, count: int, size: int) -> None:
    writer = JournalWriter(disk.root, settings())
    written: list[bytes] = []

    def batch() -> list[bytes]:
        return [b"%d/%d " % (len(written), part) + b"x" * size for part in range(count)]

    with pytest.raises(DiskFull) as caught:
        for _ in range(2_000):
            more = batch()
            seq = writer.append(more)
            written += more
            await writer.durable(seq)
    assert "free space" in caught.value.faults[0].fix
    for _ in range(3):
        with pytest.raises(DiskFull):
            writer.append(batch())
    assert payloads(disk.root) == written
    assert JournalReader(disk.root).verify() == []

    disk.free()

    for _ in range(2 if size < 100_000 else 0):
        more = batch()
        await writer.durable(writer.append(more))
        written += more
    await writer.durable(writer.append([b"last"]))
    writer.close()
    reader = JournalReader(disk.root)
    assert payloads(disk.root) == [*written, b"last"]
    assert reader.heads() == {"w0": len(written) + 1}
    assert reader.verify() == reader.damaged == []


def test_a_disk_too_full_for_a_new_segment_is_said_and_loses_nothing(tiny_disk: Disk) -> None:
    writer = JournalWriter(tiny_disk.root, settings(segment_bytes=4_096))
    written = 0
    with pytest.raises(DiskFull):
        for _ in range(2_000):
            writer.append([b"x" * 1_500])
            written += 1
    tiny_disk.free()

    assert writer.append([b"y"]) == written + 1
    writer.close()
    assert JournalReader(tiny_disk.root).verify() == []
    assert len(payloads(tiny_disk.root)) == written + 1


def test_a_writer_opens_on_a_full_disk_and_takes_records_when_there_is_room(tiny_disk: Disk) -> None:
    JournalWriter(tiny_disk.root, settings()).close()
    filler = tiny_disk.root / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4_096)

    writer = JournalWriter(tiny_disk.root, settings())
    with pytest.raises(DiskFull):
        writer.append([b"a"])
    filler.unlink()
    assert writer.append([b"a"]) == 1
    writer.close()
    assert payloads(tiny_disk.root) == [b"a"]


def test_the_reserve_is_left_free(tiny_disk: Disk) -> None:
    reserve = 100_000
    writer = JournalWriter(tiny_disk.root, settings(reserve=reserve))
    with pytest.raises(DiskFull, match="reserve"):
        for _ in range(2_000):
            writer.append([b"x" * 1_000])
    space = os.statvfs(tiny_disk.root)
    assert reserve - 8_192 <= space.f_bavail * space.f_frsize < reserve

    tiny_disk.free()
    seq = writer.append([b"y"])
    writer.close()
    assert len(payloads(tiny_disk.root)) == seq

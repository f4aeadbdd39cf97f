"""A disk that is full, or fills up during a write: the table stays as it was, and the write can be repeated."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tropism.core.errors import DiskFull
from tropism.storage.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "price/predictions"


def rows(first: int, last: int, **more: Any) -> pa.Table:
    seq = pa.array(range(first, last + 1), pa.int64())
    at = seq.cast(pa.timestamp("us", "UTC"))
    return pa.table({"id": seq.cast(pa.string()), "at": at, "writer": ["w0"] * len(seq), "seq": seq, **more})


def seqs(table: pa.Table) -> list[int]:
    return sorted(table["seq"].to_pylist())


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("needs root and mount to make a disk that can be filled")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.fault
def test_a_full_disk_leaves_the_table_as_it_was(small: Path) -> None:
    lake = Lake(small / "lake")
    lake.append(NAME, rows(1, 100), positions={"w0": 100})
    filler = small / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))
    for _ in range(2):
        with pytest.raises(DiskFull, match="free some space"):
            lake.append(NAME, rows(101, 5_000), positions={"w0": 5_000})
        with pytest.raises(DiskFull):
            lake.append("price/outcomes", rows(1, 10), positions={"w0": 10})
    for reader in (lake, Lake(small / "lake")):
        assert seqs(reader.read(NAME)) == list(range(1, 101))
        assert reader.state(NAME).positions == {"w0": 100}
    filler.unlink()
    assert lake.append(NAME, rows(1, 5_000), positions={"w0": 5_000}).rows == 4_900
    assert lake.append("price/outcomes", rows(1, 10), positions={"w0": 10}).rows == 10
    assert seqs(lake.read(NAME)) == list(range(1, 5_001))


@pytest.mark.fault
def test_a_disk_that_fills_up_during_the_write(small: Path) -> None:
    lake = Lake(small / "lake")
    lake.append(NAME, rows(1, 100), positions={"w0": 100})
    noise = pa.array([os.urandom(400).hex() for _ in range(20_000)])
    with pytest.raises(DiskFull):
        lake.append(NAME, rows(101, 20_100, f_noise=noise), positions={"w0": 20_100})
    assert seqs(lake.read(NAME)) == list(range(1, 101))
    assert lake.append(NAME, rows(101, 200), positions={"w0": 200}).rows == 100

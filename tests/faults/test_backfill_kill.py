"""A backfill is killed half-way, again and again, and started anew; a disk is full and then has room.

Afterwards every row of the file is in the lake once, and the windows have what the file's rows give. Run as a script,
this file is the backfill. `TROPISM_FAULTS=full` does it with more rows.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.config import load_settings
from tropism.core.clock import DAY, SystemClock
from tropism.entrypoints.cli import main
from tropism.featurestore import filling
from tropism.wiring import Platform, open_platform

pytestmark = pytest.mark.fault

FULL = os.environ.get("TROPISM_FAULTS") == "full"
SEED = int(os.environ.get("TROPISM_FAULTS_SEED", "20265"))
ROWS = 400_000 if FULL else 20_000
CHUNK = ROWS // (80 if FULL else 40)
ACCOUNTS = 50
DEFINED = """\
from tropism.features import Entity, FeatureView, Field, StreamSource, agg

account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "number": int, "amount": float})
spend = FeatureView("spend", entity=account, source=payments, fields=[agg.count("7d"), agg.sum("amount", "7d")])
latest = FeatureView("latest", entity=account, source=payments, fields=[Field("number", int)])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = written(tmp_path / "store")
    assert main(["-C", str(found), "features", "apply", "--yes"]) == 0
    return found


def written(folder: Path) -> Path:
    folder.mkdir()
    (folder / "project.py").write_text(DEFINED)
    (folder / "tropism.toml").write_text('[lake]\ndurability = "os"\n')
    return folder


def platform_of(folder: Path) -> Platform:
    return open_platform(load_settings(folder, environment={}))


def history(path: Path, rows: int = ROWS) -> pa.Table:
    chance = np.random.default_rng(SEED)
    ages = np.sort(chance.integers(DAY // 100, 6 * DAY, rows))[::-1]
    table = pa.table(
        {
            "account_id": [f"a{number}" for number in chance.integers(ACCOUNTS, size=rows)],
            "number": pa.array(range(rows), pa.int64()),
            "amount": np.round(chance.lognormal(3, 1, rows), 2),
            "at": pa.array(SystemClock().now() - ages).cast(pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, path)
    return table


def brought(folder: Path) -> list[int]:
    rows = platform_of(folder).lake.read("_streams/payments", schema=pa.schema([("c_number", pa.int64())]))
    found: list[int] = rows["c_number"].to_pylist()
    return found


def require_all(folder: Path, table: pa.Table) -> None:
    """Each row is in the lake once, stamped in the order of the file, and in the views."""
    platform = platform_of(folder)
    rows = platform.lake.read("_streams/payments").sort_by("seq")
    assert rows["c_number"].to_pylist() == table["number"].to_pylist()
    assert rows["seq"].to_pylist() == list(range(1, len(table) + 1))
    assert (np.diff(rows["at"].cast(pa.int64()).to_numpy()) >= 0).all()
    reader = platform.features.reader(["spend", "latest"])
    keys = [f"a{number}" for number in range(ACCOUNTS)]
    reads = reader.read([{"account_id": key} for key in keys], [{}] * len(keys), platform.clock.now())
    accounts, numbers, amounts = (table[name].to_numpy() for name in ("account_id", "number", "amount"))
    for key, read in zip(keys, reads, strict=True):
        mine = accounts == key
        assert read.values["spend.count_7d"] == mine.sum()
        assert read.values["spend.sum_amount_7d"] == pytest.approx(amounts[mine].sum())
        assert read.values["latest.number"] == numbers[mine].max()


def test_a_backfill_that_is_killed_again_and_again(folder: Path, tmp_path: Path) -> None:
    path, chance = tmp_path / "history.parquet", random.Random(SEED)
    table = history(path)
    command = [sys.executable, "-m", "tests.faults.test_backfill_kill", str(folder), str(path)]
    begun: set[int] = set()
    for _ in range(6 if FULL else 4):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 4)):
            assert process.stdout.readline() == "chunk\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.02))
        process.kill()
        process.communicate()
        found = brought(folder)
        assert sorted(found) == list(range(len(found)))
        begun.add(len(found))
    assert len(begun) > 1 and max(begun) < ROWS
    assert main(["-C", str(folder), "features", "backfill", "payments", str(path)]) == 0
    require_all(folder, table)
    assert main(["-C", str(folder), "features", "backfill", "payments", str(path)]) == 0
    require_all(folder, table)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    found = tmp_path / "small"
    found.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("needs root and mount to make a disk that can be filled")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(found)], check=False)
    if mounted.returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    yield found
    subprocess.run(["umount", str(found)], check=True)


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`tropism features ARGUMENTS` in a process of its own, with small chunks."""
    text = "import sys; from tropism.featurestore import filling; from tropism.entrypoints.cli import main; "
    text += "filling.CHUNK = 1_000; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", text, "-C", str(folder), "features", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_full_disk_is_told_and_the_same_command_goes_on(small: Path, tmp_path: Path) -> None:
    folder, path = written(small / "store"), tmp_path / "history.parquet"
    table = history(path, 20_000)
    assert run(folder, "apply", "--yes").returncode == 0
    filler = small / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small).free - 250_000))
    said = run(folder, "backfill", "payments", path)
    assert (said.returncode, "error [disk-full]" in said.stderr) == (1, True)
    assert "Traceback" not in said.stderr
    found = brought(folder)
    assert sorted(found) == list(range(len(found)))
    assert 0 < len(found) < 20_000
    filler.unlink()
    assert run(folder, "backfill", "payments", path).returncode == 0
    require_all(Path(shutil.copytree(folder, tmp_path / "copy")), table)


if __name__ == "__main__":
    filling.CHUNK = CHUNK
    store = platform_of(Path(sys.argv[1])).features
    filling.backfill(store, "payments", Path(sys.argv[2]), progress=lambda *_: click.echo("chunk"))
    filling.follow(store, "payments")

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tropism.config import load_settings
from tropism.core.errors import DataInvalid
from tropism.core.task import Task
from tropism.entrypoints.importing import import_history
from tropism.featurestore.filling import backfill
from tropism.wiring import Platform, apply_project, open_platform

COUNT = 240
BEGUN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=COUNT + 1)
DEFINED = """\
from tropism import Feature, Task
from tropism.features import Entity, FeatureView, Field, ParquetSource, StreamSource, agg, on_demand

account = Entity("account", key="account_id")
payments = StreamSource("payments", timestamp="at", schema={"account_id": str, "amount": float})
spend = FeatureView("spend", entity=account, source=payments, fields=[agg.count("24h", hop="1h")])
profiles = ParquetSource("profiles.parquet", timestamp="updated_at")
profile = FeatureView("profile", entity=account, source=profiles, fields=[Field("limit", float)])
ratio = on_demand(lambda f, request: request["amount"] / f["profile.limit"], name="ratio")
fraud = Task(
    name="fraud",
    kind="binary",
    target="fraud",
    features=(Feature("amount"), Feature("profile.limit", default=7)),
    views=("spend", "profile", "ratio"),
)
bare = Task(name="bare", kind="binary", target="fraud", views=("profile",))
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """With a profile of the account `a` from the 100th hour on, and a payment in each of the first 50 hours."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "project.py").write_text(DEFINED)
    (folder / "tropism.toml").write_text('[journal]\nfsync = "os"\n[lake]\ndurability = "os"\n')
    profiles = {"account_id": ["a"], "updated_at": [BEGUN + timedelta(hours=100)], "limit": [50.0]}
    pq.write_table(pa.table(profiles), folder / "profiles.parquet")
    settings = load_settings(folder, environment={})
    apply_project(settings)
    made = open_platform(settings)
    yield made
    made.database.dispose()


@pytest.fixture
def paid(platform: Platform, tmp_path: Path) -> None:
    times = [BEGUN + timedelta(hours=hour, minutes=30) for hour in range(50)]
    pq.write_table(pa.table({"account_id": ["a"] * 50, "amount": [1.0] * 50, "at": times}), tmp_path / "p.parquet")
    backfill(platform.features, "payments", tmp_path / "p.parquet")


@pytest.fixture
def fraud(platform: Platform) -> Task:
    return platform.registry.tasks.get("fraud")


def rows(path: Path, drop: tuple[str, ...] = (), **columns: Any) -> Path:
    """A row an hour, latest first: accounts `a` and `z` by turns."""
    hours = range(COUNT - 1, -1, -1)
    table = {
        "account_id": ["az"[hour % 2] for hour in hours],
        "amount": [float(hour) for hour in hours],
        "fraud": [hour % 3 == 0 for hour in hours],
        "at": [BEGUN + timedelta(hours=hour) for hour in hours],
    } | columns
    made = pa.table({name: values for name, values in table.items() if name not in drop})
    if path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(made, path)
    else:
        pq.write_table(made, path)
    return path


def known(platform: Platform, task: Task) -> pa.Table:
    platform.ingest()
    return platform.cohorts.known(task, now=platform.clock.now()).table.sort_by("at")


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("name", ["past.parquet", "past.csv"])
def test_features_that_a_file_lacks_are_those_that_were_known_then(
    platform: Platform, fraud: Task, tmp_path: Path, name: str
) -> None:
    assert import_history(platform, fraud, rows(tmp_path / name), "at") == COUNT
    table = known(platform, fraud)
    hours = range(COUNT)
    assert table["f_amount"].to_pylist() == [float(hour) for hour in hours]
    limits = [50.0 if hour % 2 == 0 and hour >= 100 else 7.0 for hour in hours]
    assert table["f_profile.limit"].to_pylist() == limits
    ratios = [hour / 50 if hour % 2 == 0 and hour >= 100 else None for hour in hours]
    assert table["f_ratio"].to_pylist() == ratios
    counts = table["f_spend.count_24h"].to_pylist()
    assert counts[1::2] == [0.0] * (COUNT // 2)
    assert counts[:40:10] == [0.0, 10.0, 20.0, 24.0]
    assert counts[80] == 0.0
    assert platform.lake.read("fraud/predictions")["served"].null_count == COUNT


@pytest.mark.usefixtures("paid")
def test_the_same_rows_count_once_though_the_store_has_more_now(
    platform: Platform, fraud: Task, tmp_path: Path
) -> None:
    path = rows(tmp_path / "past.parquet")
    import_history(platform, fraud, path, "at")
    more = pa.table({"account_id": ["a"], "amount": [1.0], "at": [BEGUN]})
    pq.write_table(more, tmp_path / "more.parquet")
    backfill(platform.features, "payments", tmp_path / "more.parquet")
    import_history(platform, fraud, path, "at")
    platform.ingest()
    found = platform.cohorts.counts(fraud, platform.clock.now())
    assert (found.predictions, found.duplicate) == (COUNT, COUNT)


def test_columns_that_are_there_are_taken_as_they_are(platform: Platform, fraud: Task, tmp_path: Path) -> None:
    counts = [float(hour) for hour in range(COUNT)]
    columns = {"spend.count_24h": counts, "profile.limit": counts, "ratio": counts}
    path = rows(tmp_path / "past.parquet", ("account_id",), **columns)
    import_history(platform, fraud, path, None)
    table = known(platform, fraud)
    assert all(table[f"f_{name}"].to_pylist() == counts for name in columns)


def test_a_task_that_takes_all_from_the_store(platform: Platform, tmp_path: Path) -> None:
    bare = platform.registry.tasks.get("bare")
    import_history(platform, bare, rows(tmp_path / "past.parquet", ("amount",)), "at")
    limits = known(platform, bare)["f_profile.limit"].to_pylist()
    assert (limits[98:102], limits[-2]) == ([None, None, 50.0, None], 50.0)


def test_what_is_missing_for_the_join_is_named(platform: Platform, fraud: Task, tmp_path: Path) -> None:
    path = rows(tmp_path / "past.parquet", ("account_id",))
    with pytest.raises(DataInvalid, match="features of 'fraud' cannot be joined from the store") as refused:
        import_history(platform, fraud, path, None)
    key, time = refused.value.faults
    assert (key.field, key.value) == ("past.parquet account_id", "missing")
    assert "or the columns profile.limit, spend.count_24h, ratio" in key.fix
    assert time.field == "--time"


def test_a_stream_without_history_is_named(platform: Platform, fraud: Task, tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="no history") as refused:
        import_history(platform, fraud, rows(tmp_path / "past.parquet"), "at")
    assert "tropism features backfill payments FILE" in refused.value.faults[0].fix
    platform.ingest()
    assert platform.lake.version("fraud/predictions") < 0

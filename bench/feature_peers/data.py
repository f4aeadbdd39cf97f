"""The rows, the labels, and what is right: drawn with a fixed seed, the truth found in one sort."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = [f"f{index}" for index in range(20)]
KEY, TIME, CREATED, LABEL = "account_id", "event_timestamp", "created", "label"
VIEW = "profile"
DAYS, TTL_DAYS = 90, 30
DAY = 86_400_000_000
SEED = 3
DESCRIPTION = {
    "features": len(FEATURES), "days": DAYS, "ttl_days": TTL_DAYS, "seed": SEED,
    "nulls": "1% of values", "created": "10 minutes after the event in the mean",
    "corrections": "1% of rows have the key and event time of another and a later creation time",
    "unknown": "1% of labels are of keys without rows", "repeated": "0.1% of labels have key and time of another",
}  # fmt: skip

Numbers = npt.NDArray[np.int64]


class Data(NamedTuple):
    """What is compared. `end`: µs; the last midnight, so that rows of the last `TTL_DAYS` are not expired online."""

    rows: pa.Table
    labels: pa.Table
    end: int


def generate(entities: int, rows: int, labels: int) -> Data:
    random = np.random.default_rng(SEED)
    today = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    end = int(today.timestamp()) * 1_000_000
    return Data(_rows(random, entities, rows, end), _labels(random, entities, labels, end), end)


def _rows(random: np.random.Generator, entities: int, count: int, end: int) -> pa.Table:
    keys, times = random.integers(0, entities, count), end - random.integers(DAY, DAYS * DAY, count)
    created = times + random.exponential(600e6, count).astype(np.int64) + 1
    corrections = random.choice(count, count // 100, replace=False)
    corrected = (corrections + 1) % count
    keys[corrections], times[corrections] = keys[corrected], times[corrected]
    created[corrections] = created[corrected] + random.integers(1, DAY, len(corrections))
    order = np.argsort(created, kind="stable")
    columns = {KEY: keys[order], TIME: _times(times[order]), CREATED: _times(created[order])}
    for name in FEATURES:
        columns[name] = pa.array(random.normal(size=count), mask=random.random(count) < 0.01)
    return pa.table(columns)


def _labels(random: np.random.Generator, entities: int, count: int, end: int) -> pa.Table:
    keys, times = random.integers(0, entities, count), end - random.integers(0, DAYS * DAY, count)
    unknown = random.random(count) < 0.01
    keys[unknown] += entities
    repeats = random.choice(count, count // 1000, replace=False)
    repeated = (repeats + 1) % count
    keys[repeats], times[repeats] = keys[repeated], times[repeated]
    return pa.table({KEY: keys, TIME: _times(times), LABEL: np.arange(count)})


def _times(micros: Numbers) -> pa.Array:
    return pa.array(micros, pa.timestamp("us", "UTC"))


def write(data: Data, folder: Path) -> None:
    """`rows.parquet` and `labels.parquet`."""
    pq.write_table(data.rows, folder / "rows.parquet")
    pq.write_table(data.labels, folder / "labels.parquet")


def micros(table: pa.Table, column: str) -> Numbers:
    found: Numbers = table[column].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return found


def truth(rows: pa.Table, keys: Numbers, times: Numbers, ttl_days: int) -> Numbers:
    """For each key and time the number of the row that counts, -1 for none: of the rows that were true by then the one
    with the largest (event time, creation time), if it is younger than `ttl_days`; 0 is for ever."""
    owners, events = rows[KEY].to_numpy(), micros(rows, TIME)
    order = np.lexsort((micros(rows, CREATED), events, owners))
    first = int(events.min())
    span = int(max(events.max(), times.max())) - first + 2
    asked = keys * span + np.maximum(times - first, -1)
    places = np.searchsorted((owners * span + events - first)[order], asked, "right")
    found = order[np.maximum(places - 1, 0)]
    good = (places > 0) & (owners[found] == keys) & (events[found] <= times)
    if ttl_days:
        good &= times - events[found] < ttl_days * DAY
    return np.where(good, found, -1)


def values(table: pa.Table, names: list[str]) -> npt.NDArray[np.float64]:
    """Columns side by side; NaN for null."""
    columns = [table[name].cast(pa.float64()).to_numpy().astype(np.float64) for name in names]
    return np.stack(columns, axis=1)


def expected(rows: pa.Table, chosen: Numbers) -> npt.NDArray[np.float64]:
    """The features of the rows so numbered; NaN for -1."""
    found = values(rows.take(pa.array(np.maximum(chosen, 0))), FEATURES)
    found[chosen < 0] = np.nan
    return found

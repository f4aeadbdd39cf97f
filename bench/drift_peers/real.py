"""The real streams: rows in time order with a label, when each was, and what a fixed model is fit on."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from sklearn.feature_extraction.text import HashingVectorizer


class Real(NamedTuple):
    """`table`: what is watched, columns named "f_" + feature; `inputs`: of the model, (n, k); `dates`: as people read
    them. The first `known` rows make the reference; labels come `late` windows after their rows."""

    name: str
    table: pa.Table
    inputs: Any
    labels: Any
    dates: list[str]
    known: int
    window: int
    late: int


def electricity(folder: Path) -> Real:
    """Half-hours from 7 May 1996; windows of a week, labels a week late."""
    table = pacsv.read_csv(folder / "electricity.csv")
    names = [name for name in table.column_names if name != "class"]
    watched = pa.table({f"f_{name}": table[name].cast(pa.float64()) for name in names})
    start = datetime(1996, 5, 7, tzinfo=UTC)
    dates = [str((start + timedelta(minutes=30 * row)).date()) for row in range(len(table))]
    return Real("electricity", watched, _matrix(watched), table["class"].to_numpy(), dates, 336 * 20, 336, 1)


def employment(folder: Path) -> Real:
    """Census rows of 2015, then of 2016 to 2018, whose labels are in a file of their own and taken to come late."""
    before, rows, late = (
        pq.read_table(folder / f"employment_MA_{part}.parquet") for part in ("reference", "analysis", "analysis_target")
    )
    place = np.argsort(late["id"].to_numpy())
    place = place[np.searchsorted(late["id"].to_numpy(), rows["id"].to_numpy(), sorter=place)]
    labels = np.concatenate([before["employed"].to_numpy(), late["employed"].to_numpy()[place]])
    given = {"id", "year", "employed", "prediction", "predicted_probability"}
    names = [name for name in before.column_names if name not in given]
    joined = {}
    for name in names:
        kind = pa.float64() if name == "AGEP" else pa.string()
        chunks = [chunk for one in (before, rows) for chunk in one[name].cast(kind).chunks]
        joined[f"f_{name}"] = pa.chunked_array(chunks)
    watched = pa.table(joined)
    years = np.concatenate([before["year"].to_numpy(), rows["year"].to_numpy()])
    return Real(
        "employment_MA", watched, _matrix(watched), labels, [str(year) for year in years], len(before), 2_000, 20
    )


def gold(folder: Path) -> Real:
    """Headlines by date, those with a malformed one left out; does the price go up? Watched: 32 hashed words' sums."""
    found = []
    with (folder / "gold_headlines.tsv").open(encoding="utf-8", errors="replace") as file:
        for line in csv.DictReader(file, delimiter="\t"):
            try:
                date = datetime.strptime(line["Dates"], "%d-%m-%Y").date()  # noqa: DTZ007
                found.append((str(date), line["News"], int(line["Price Direction Up"])))
            except (ValueError, TypeError):
                continue
    found.sort(key=lambda row: row[0])
    dates, texts, labels = (list(column) for column in zip(*found, strict=True))
    small = HashingVectorizer(n_features=32, norm=None).transform(texts).toarray()
    large = HashingVectorizer(n_features=2_048).transform(texts).toarray()
    words = {f"f_words_{k}": small[:, k] for k in range(small.shape[1])}
    watched = pa.table({**words, "f_length": [float(len(text)) for text in texts]})
    known = sum(date < "2008" for date in dates)
    return Real("gold_headlines", watched, large, np.array(labels), dates, known, 250, 1)


def trust(folder: Path) -> Real:
    """Ratings between traders; is this one below 0? From what both did so far."""
    table = pacsv.read_csv(folder / "bitcoin_otc.csv")
    order = np.argsort(table["TIME_SINCE_EPOCH"].to_numpy(), kind="stable")
    source, target, rating, at = (table[name].to_numpy()[order] for name in table.column_names)
    given: dict[int, list[float]] = {}
    got: dict[int, list[float]] = {}
    rows = []
    for who, whom, value in zip(source.tolist(), target.tolist(), rating.tolist(), strict=True):
        sums, received = given.setdefault(who, [0.0, 0.0]), got.setdefault(whom, [0.0, 0.0])
        counts = np.log1p(sums[0]), np.log1p(received[0])
        rows.append((*counts, sums[1] / max(sums[0], 1), received[1] / max(received[0], 1)))
        for one in (sums, received):
            one[0] += 1
            one[1] += value
    names = ("given", "received", "mean_given", "mean_received")
    watched = pa.table({f"f_{name}": np.array(rows)[:, k] for k, name in enumerate(names)})
    dates = [str(datetime.fromtimestamp(moment, UTC).date()) for moment in at]
    return Real("bitcoin_otc", watched, _matrix(watched), (rating < 0).astype(int), dates, 8_000, 500, 1)


STREAMS = {
    "electricity.csv": electricity,
    "employment_MA_reference.parquet": employment,
    "gold_headlines.tsv": gold,
    "bitcoin_otc.csv": trust,
}
"""By a file that they need."""


def _matrix(table: pa.Table) -> Any:
    """Numbers as they are, categories as one column each."""
    parts = []
    for column in table.columns:
        if pa.types.is_floating(column.type):
            parts.append(column.to_numpy()[:, None])
        else:
            codes = column.combine_chunks().dictionary_encode()
            parts.append(np.eye(len(codes.dictionary))[codes.indices.to_numpy()])
    return np.hstack(parts)

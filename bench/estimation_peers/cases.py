"""What is estimated: predictions of models on real and simulated rows, with the labels that came later."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

Floats = NDArray[np.float64]
AHEAD = 24
"""Hours that the transformer's temperature is predicted ahead."""
TRAINED, REFERENCE = 0.4, 0.7
"""Where training ends and where the reference ends, as shares of the transformer's rows."""


class Case(NamedTuple):
    """`reference` and `window`: features, `score` or `prediction`, and in the reference `label`. `labels` (n,): of
    the window, for nobody but the judge. Metrics by NannyML's names."""

    name: str
    does: str
    reference: pa.Table
    window: pa.Table
    labels: Floats
    features: list[str]
    metrics: list[str]
    chunk_rows: int


def employment(folder: Path, chunk_rows: int = 5_000) -> Case:
    """US census rows of Massachusetts: a model's probability of employment, reference of 2015, window 2016 to 2018."""
    tables = {part: pq.read_table(folder / f"employment_MA_{part}.parquet") for part in ("reference", "analysis")}
    target = pq.read_table(folder / "employment_MA_analysis_target.parquet")
    if not tables["analysis"]["id"].equals(target["id"]):
        raise SystemExit("labels of employment_MA do not match its predictions")

    def told(table: pa.Table) -> dict[str, pa.ChunkedArray]:
        return {"score": table["predicted_probability"], "prediction": table["prediction"]}

    reference = pa.table({**told(tables["reference"]), "label": tables["reference"]["employed"]})
    metrics = ["accuracy", "roc_auc", "precision", "recall", "f1"]
    labels = target["employed"].to_numpy().astype(np.float64)
    return Case("employment_MA", "cbpe", reference, pa.table(told(tables["analysis"])), labels, [], metrics, chunk_rows)


def transformer(path: Path, chunk_rows: int = 500) -> Case:
    """ETTh1: oil temperature a day ahead from loads, hour and temperature now, by a model of the first rows."""
    table = pyarrow.csv.read_csv(path)
    loads = [name for name in table.column_names if name != "date"]
    columns = {name: table[name].to_numpy() for name in loads}
    columns["hour"] = (np.arange(table.num_rows) % 24).astype(np.float64)
    label = columns["OT"][AHEAD:]
    features = {name: values[:-AHEAD] for name, values in columns.items()}
    matrix = np.column_stack(list(features.values()))
    first, second = int(TRAINED * len(label)), int(REFERENCE * len(label))
    model = HistGradientBoostingRegressor(max_leaf_nodes=15, random_state=0).fit(matrix[:first], label[:first])
    rows = pa.table({**features, "prediction": model.predict(matrix)})
    reference = rows.slice(first, second - first).append_column("label", pa.array(label[first:second]))
    window, later = rows.slice(second), label[second:]
    return Case("ETTh1", "dle", reference, window, later, list(features), ["mae", "rmse"], chunk_rows)


def simulated(rows: int = 10_000, chunks: int = 40, chunk_rows: int = 500) -> Case:
    """Errors that grow with one input, which drifts from 0 to 1 standard deviations over the window."""
    random = np.random.default_rng(0)
    later = chunks * chunk_rows
    drift = np.concatenate([np.zeros(rows), np.repeat(np.linspace(0, 1, chunks), chunk_rows)])
    inputs = random.normal(size=(rows + later, 5))
    inputs[:, 1] += drift
    prediction = 2 * inputs[:, 0]
    label = prediction + random.normal(size=len(prediction)) * np.exp(0.4 * inputs[:, 1])
    features = {f"x{index}": column for index, column in enumerate(inputs.T)}
    table = pa.table({**features, "prediction": prediction})
    reference = table.slice(0, rows).append_column("label", pa.array(label[:rows]))
    return Case(
        "simulated", "dle", reference, table.slice(rows), label[rows:], list(features), ["mae", "rmse"], chunk_rows
    )


def whole_chunks(case: Case) -> Case:
    """Without the rows at the end that do not fill a chunk."""
    kept = case.window.num_rows // case.chunk_rows * case.chunk_rows
    return case._replace(window=case.window.slice(0, kept), labels=case.labels[:kept])

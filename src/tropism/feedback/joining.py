"""Finds the prediction that each outcome belongs to.

Plain array work: hashing of ids, one sort for entities. On 50,000 rows it takes less than half the time of the same
join by DuckDB over Arrow, and the order of what comes out is ours to say.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

EARLY_LIMIT = 3_600 * SECOND
"""An outcome received longer than this before its prediction was made (µs) is not taken for its outcome."""


class Answers(NamedTuple):
    """Outcomes in the order of their receipt: by `received`, then `seq`, then `writer`.

    `rows`: the row of the prediction each belongs to, -1 for none. `received`: µs. `values`: the label each tells, NaN
    for none. `repeated`: an outcome with the same id came before. `told`: figures by name, NaN where there is none.
    """

    rows: NDArray[np.int64]
    received: NDArray[np.int64]
    values: NDArray[np.float64]
    repeated: NDArray[np.bool_]
    told: Mapping[str, NDArray[np.float64]] = MappingProxyType({})

    def labels(self) -> Answers:
        """Those that tell a label; nothing else counts as an answer."""
        keep = ~np.isnan(self.values)
        if keep.all():
            return self
        return Answers(self.rows[keep], self.received[keep], self.values[keep], self.repeated[keep])


def moments(table: pa.Table, column: str) -> NDArray[np.int64]:
    """A column of times as µs since the epoch."""
    return np.asarray(table[column].cast(pa.int64()).to_numpy(), dtype=np.int64)


def distinct_predictions(table: pa.Table) -> pa.Table:
    """Each prediction once, the first in the journal by `seq`, then `writer`; ordered by `at`, then `id`."""
    ids = pc.dictionary_encode(table["id"].combine_chunks())
    if len(ids.dictionary) < table.num_rows:
        order = np.lexsort((_ranks(table["writer"]), table["seq"].to_numpy()))
        _, first = np.unique(ids.indices.to_numpy()[order], return_index=True)
        table = table.take(pa.array(np.sort(order[first])))
    if table.num_rows > 1 and not np.all(np.diff(moments(table, "at")) > 0):
        table = table.take(pc.sort_indices(table, sort_keys=[("at", "ascending"), ("id", "ascending")]))
    return table


def join_answers(
    predictions: pa.Table,
    outcomes: pa.Table,
    window: int,
    later: pa.Table | None = None,
    told: Collection[str] = (),
) -> Answers:
    """Outcomes in order of receipt, each with the row of its prediction.

    `predictions` as `distinct_predictions` returns them. An outcome with a `prediction_id` belongs to that
    prediction. One with an `entity` only belongs to the latest prediction of that entity made at or before the
    outcome's `at`, and at most `window` µs before it. `later`: predictions after the last row, which take such
    outcomes away from it. `told`: names of figures to look up among the outcomes' `values`.
    """
    received = moments(outcomes, "received")
    order = np.lexsort((_ranks(outcomes["writer"]), outcomes["seq"].to_numpy(), received))
    keys, received = outcomes.select(["id", "at", "prediction_id", "entity"]).take(pa.array(order)), received[order]
    found = pc.index_in(keys["prediction_id"], value_set=predictions["id"].combine_chunks(), skip_nulls=True)
    rows = found.fill_null(-1).to_numpy().astype(np.int64)
    by_entity = names_entity_only(keys)
    if by_entity.any():
        rows[by_entity] = _latest_before(predictions, later, keys.filter(pa.array(by_entity)), window)
    made = moments(predictions, "at")
    if len(made):
        rows[(rows >= 0) & (received < made[rows] - EARLY_LIMIT)] = -1
    repeated = np.ones(len(rows), dtype=np.bool_)
    _, first = np.unique(pc.dictionary_encode(keys["id"].combine_chunks()).indices.to_numpy(), return_index=True)
    repeated[first] = False
    figures = {name: _figures(outcomes, name, order) for name in told}
    return Answers(rows, received, outcomes["value"].take(pa.array(order)).to_numpy(), repeated, figures)


def _figures(outcomes: pa.Table, name: str, order: NDArray[np.int64]) -> NDArray[np.float64]:
    """One figure of each outcome, in an order; NaN where it has none."""
    found = pc.map_lookup(outcomes["values"], query_key=name, occurrence="last")
    return np.asarray(pc.fill_null(found, np.nan).to_numpy(), dtype=np.float64)[order]


def names_entity_only(outcomes: pa.Table) -> NDArray[np.bool_]:
    """Which outcomes name an entity and no prediction."""
    mask = pc.and_(pc.is_null(outcomes["prediction_id"]), pc.is_valid(outcomes["entity"]))
    return np.asarray(mask.to_numpy(), dtype=np.bool_)


def _latest_before(predictions: pa.Table, later: pa.Table | None, outcomes: pa.Table, window: int) -> NDArray[np.int64]:
    """The row of each outcome's entity's latest prediction up to the outcome's `at`; -1 for none."""
    keys = [predictions.select(["entity", "at"])]
    if later is not None:
        keys.append(later.select(["entity", "at"]))
    made = pa.concat_tables(keys)
    entities = pa.concat_arrays([made["entity"].combine_chunks(), outcomes["entity"].combine_chunks()])
    codes = pc.dictionary_encode(entities).indices.fill_null(-1).to_numpy()
    at = np.concatenate([moments(made, "at"), moments(outcomes, "at")])
    number = np.arange(len(at))
    # Predictions come first, and in order, among equal times: the sort is stable.
    order = np.lexsort((at, codes))
    is_prediction = number[order] < made.num_rows
    last = np.maximum.accumulate(np.where(is_prediction, np.arange(len(order)), -1))
    candidate = np.where(last >= 0, order[last], -1)
    fits = (candidate >= 0) & (codes[candidate] == codes[order]) & (at[order] - at[candidate] <= window)
    rows = np.empty(len(at), dtype=np.int64)
    rows[order] = np.where(fits & (candidate < predictions.num_rows), candidate, -1)
    return rows[made.num_rows :]


def _ranks(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Numbers in the order of a column's texts."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    ranks = np.argsort(np.argsort(np.array(encoded.dictionary.to_pylist(), dtype=object)))
    return ranks[encoded.indices.to_numpy()] if len(ranks) else np.empty(0, dtype=np.int64)

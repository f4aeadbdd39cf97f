"""What the columns of a task looked like when its model was fit for them: counts, dependence and season of each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.monitoring import columns
from tropism.monitoring.alarm.dependence import cycle_of, season, slots, tempering
from tropism.monitoring.alarm.scores import Scores, mean_score, scores_of
from tropism.monitoring.counts import Binning, freeze, pack, pack_binnings, places, unpack, unpack_binnings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from tropism.core.task import Feature

    Array = NDArray[np.int64]

Dtype = Literal["number", "category", "boolean"]
PREDICTION = "prediction"
FEWEST_ROWS = 100
_MOST_ROWS = 200_000
"""The last rows of a reference are enough to learn how dependent they are."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One column: its bins, the reference's counts in them, and by how much dependence tempers each of its scores.

    `season`: mean of each score in each slot, flattened, as float32; empty where the column has none. `means`: of the
    values in each bin, of a column whose mean is all that matters, such as losses.
    """

    name: str
    type: Dtype
    binning: Binning
    counts: tuple[int, ...]
    tempering: tuple[float, ...]
    season: bytes = b""
    means: tuple[float, ...] = ()

    @property
    def scores(self) -> Scores:
        """What is looked for in this column."""
        counts = np.asarray(self.counts, dtype=np.float64)
        return mean_score(np.asarray(self.means), counts) if self.means else scores_of(self.binning, counts)


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a reference, of `rows` rows made from `start` to `end` (µs).

    `slots`: of the cycle that seasons are matched by: 168 hours of a week, 24 of a day, or 1. `problems`: why a
    column is not watched, by its name. `origin`: where the rows came from, as people read it.
    """

    streams: tuple[Stream, ...]
    rows: int
    start: int
    end: int
    slots: int = 1
    problems: dict[str, str] = {}
    origin: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(stream.name for stream in self.streams)

    def to_bytes(self) -> bytes:
        """All of it, some 700 bytes a column."""
        stored = _Stored(
            pack_binnings({one.name: one.binning for one in self.streams}),
            pack({one.name: np.asarray(one.counts) for one in self.streams}),
            [_Rest(one.name, one.type, _singles(one.tempering), one.season, one.means) for one in self.streams],
            {name: getattr(self, name) for name in ("rows", "start", "end", "slots", "problems", "origin")},
        )
        return msgspec.msgpack.encode(stored)

    @classmethod
    def from_bytes(cls, data: bytes) -> Reference:
        """Raises: DataInvalid: these are not the bytes of a reference."""
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
            binnings, counts = unpack_binnings(stored.binnings), unpack(stored.counts)
            streams = [
                Stream(
                    name=rest.name,
                    type=rest.type,
                    binning=binnings[rest.name],
                    counts=tuple(counts[rest.name].tolist()),
                    tempering=tuple(np.frombuffer(rest.tempering, dtype="<f4").tolist()),
                    season=rest.season,
                    means=rest.means,
                )
                for rest in stored.streams
            ]
            return msgspec.convert({**stored.facts, "streams": streams}, cls)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            fix = "delete it; it is made again from the lake"
            raise DataInvalid("a stored reference is damaged", Fault("reference", str(error), fix)) from error


class _Rest(msgspec.Struct, frozen=True, array_like=True):
    name: str
    type: Dtype
    tempering: bytes
    season: bytes
    means: tuple[float, ...]


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    binnings: bytes
    counts: bytes
    streams: list[_Rest]
    facts: dict[str, Any]


def _singles(values: Iterable[float]) -> bytes:
    return np.array(tuple(values), dtype="<f4").tobytes()


def refer(
    table: pa.Table,
    at: NDArray[np.int64],
    features: Sequence[Feature],
    *,
    prefix: str = "f_",
    ignore: Collection[str] = (),
    origin: str = "",
) -> Reference:
    """The reference that rows make: each feature, and the predictions where there is a column `scores`.

    Args:
        table: rows in time order, features in columns named `prefix` + name.
        at: their times in µs, shape (n,).
        ignore: features not to watch, such as a running number.

    A column that is absent, of another type or empty is named under `problems` and harms no other.

    Raises:
        DataInvalid: there are fewer than FEWEST_ROWS rows.

    >>> rng = np.random.default_rng(0)
    >>> table = pa.table({"f_a": rng.normal(size=500), "f_b": pa.nulls(500)})
    >>> from tropism.core.task import Feature
    >>> found = refer(table, np.arange(500), [Feature("a"), Feature("b"), Feature("c")])
    >>> found.names, sorted(found.problems)
    (('a', 'b'), ['c'])
    """
    if table.num_rows < FEWEST_ROWS:
        fault = Fault("reference", f"{table.num_rows} rows", f"wait until there are {FEWEST_ROWS}")
        raise DataInvalid("there are too few rows to compare with", fault)
    streams, problems, cycle = [], {}, cycle_of(at)
    wanted = [feature for feature in features if feature.name not in ignore]
    for name, kind, column in _columns(table, wanted, prefix):
        try:
            streams.append(_stream(name, kind, column(), at, cycle))
        except DataInvalid as error:
            problems[name] = error.message
    return Reference(
        streams=tuple(streams),
        rows=table.num_rows,
        start=int(at[0]),
        end=int(at[-1]),
        slots=cycle if any(stream.season for stream in streams) else 1,
        problems=problems,
        origin=origin,
    )


def column_of(table: pa.Table, stream: Stream, prefix: str = "f_") -> pa.ChunkedArray:
    """A stream's column in a table. Raises: DataInvalid: it is not there, or is of another type."""
    if stream.name == PREDICTION:
        return _predictions(table, stream.type)
    return columns.column(table, prefix + stream.name)


def _columns(
    table: pa.Table, features: Sequence[Feature], prefix: str
) -> Iterator[tuple[str, Dtype, Callable[[], pa.ChunkedArray]]]:
    for feature in features:
        yield feature.name, feature.type, partial(columns.column, table, prefix + feature.name)
    if "scores" in table.column_names:
        kind: Dtype = "category" if columns.score_width(table) > 1 else "number"
        yield PREDICTION, kind, partial(_predictions, table, kind)


def _predictions(table: pa.Table, kind: Dtype) -> pa.ChunkedArray:
    """The score of each prediction, or the position of the largest as text; null for a row without any."""
    filled = pc.fill_null(pc.greater(pc.list_value_length(table["scores"]), 0), fill_value=False)
    found = pa.array(columns.first_scores(table) if kind == "number" else columns.likeliest(table).astype(str))
    spread = pa.nulls(table.num_rows, found.type)
    return pa.chunked_array([pc.replace_with_mask(spread, filled.combine_chunks(), found)])


def _stream(name: str, kind: Dtype, column: pa.ChunkedArray, at: Array, cycle: int) -> Stream:
    binning = freeze(column, kind)
    place = places(binning, column).astype(np.int64)
    counts = np.bincount(place, minlength=binning.size)
    rows = scores_of(binning, counts.astype(np.float64)).values[:, place]
    found = season(rows, at, cycle)
    if found is not None:
        rows = rows - found.means.T[:, slots(at, cycle)]
    more = 1.0 if found is None else 1 + 1 / found.cycles
    return Stream(
        name=name,
        type=kind,
        binning=binning,
        counts=tuple(counts.tolist()),
        tempering=tuple(float(np.float32(more * tempering(row[-_MOST_ROWS:]))) for row in rows),
        season=b"" if found is None else found.means.astype("<f4").tobytes(),
    )

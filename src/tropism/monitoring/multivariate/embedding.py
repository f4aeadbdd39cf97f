"""Embedding drift: has the distribution of vectors changed, such as those of texts or images?

The distance between the mean embeddings of both sides (`fourier`), with a p-value from permuting blocks of rows.
The vectors are the caller's: any model may have made them, but one and the same for both sides.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tropism.core.errors import DataInvalid, Fault
from tropism.monitoring.multivariate import blocks
from tropism.monitoring.multivariate.fourier import Fourier
from tropism.monitoring.multivariate.report import Cause, JointDrift, LeftOut, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]
FEWEST = 20
"""Rows with vectors that each side must have."""


_COMPONENTS = 5


class _Column(NamedTuple):
    name: str
    reference: Floats
    current: Floats


def embedding_drift(
    reference: pa.Table,
    current: pa.Table,
    names: Sequence[str],
    *,
    prefix: str = "f_",
    alpha: float = 0.01,
    floor: float = 0.02,
    permutations: int = 999,
    most: int = 10_000,
    seed: int = 0,
) -> JointDrift:
    """Drift of columns that hold vectors, together.

    Args:
        reference, current: rows in time order; vectors in columns named `prefix` + name, lists of numbers of one
            width. A row that lacks a vector, or has one with a missing or infinite number, is left out.
        alpha: chance that it triggers while nothing changes.
        floor: smallest score that triggers. Where one number shifts by half its standard deviation, a vector of one
            scores 0.15, of eight 0.07, of 64 0.03.
        permutations: of the blocks of rows; the p-value is at least 1 / (permutations + 1).
        most: rows a side that are looked at, evenly spaced.

    `statistic` is the squared maximum mean discrepancy, 0 to 2, averaged over the columns; `score` its root over that
    of 2, beyond chance. A column's share of the change is its share of the statistic beyond chance. One thread.

    >>> rng = np.random.default_rng(0)
    >>> old, new = rng.normal(size=(500, 8)), rng.normal(0.5, 1.0, size=(300, 8))
    >>> found = embedding_drift(pa.table({"f_text": list(old)}), pa.table({"f_text": list(new)}), ["text"])
    >>> found.triggered, found.rows, [cause.name for cause in found.causes]
    (True, (500, 300), ['text'])
    """
    begun = time.perf_counter()
    with threadpool_limits(1, "blas"):
        report = JointDrift(method="embedding", alpha=alpha, floor=floor)
        columns, left_out = _columns(reference, current, names, prefix, most)
        rows = (len(columns[0].reference), len(columns[0].current)) if columns else (0, 0)
        report = msgspec.structs.replace(report, left_out=left_out, rows=rows)
        if min(rows) < FEWEST:
            problem = f"fewer than {FEWEST} rows with vectors on a side" if columns else "no vectors to compare"
            report = msgspec.structs.replace(report, problem=problem)
        else:
            report = _compared(columns, permutations, seed, report)
    return msgspec.structs.replace(report, seconds=time.perf_counter() - begun)


def _compared(columns: list[_Column], permutations: int, seed: int, report: JointDrift) -> JointDrift:
    embedded = [_embedded(column, seed) for column in columns]
    old, new = (np.concatenate([pair[side] for pair in embedded], axis=1) / np.sqrt(len(embedded)) for side in (0, 1))
    witness = new.mean(axis=0) - old.mean(axis=0)  # the dependence that matters is that along the change
    length = blocks.block_length((old @ witness, new @ witness), _components(old, new))
    part = blocks.cut(old, new, length)
    found = blocks.squared_distance(part, permutations, seed)
    chance, least = blocks.p_value(found), blocks.smallest_p([part], permutations)
    score = min(1.0, blocks.beyond_chance(found) / math.sqrt(2))
    triggered = chance <= report.alpha and score >= report.floor
    return msgspec.structs.replace(
        report,
        score=score,
        statistic=found.observed,
        p_value=chance,
        smallest_p=least,
        triggered=triggered,
        causes=_causes(columns, witness, float(found.chance.mean())) if triggered else (),
        block=length,
        problem=blocks.too_few(least, report.alpha),
    )


def _components(old: Floats, new: Floats) -> tuple[Floats, Floats]:
    """The first principal components of both sides' features, (n, few) and (m, few): slow ones are among them."""
    width = old.shape[1]
    _, directions = eigh(np.cov(old, rowvar=False), subset_by_index=[width - _COMPONENTS, width - 1])
    return old @ directions, new @ directions


def _embedded(column: _Column, seed: int) -> tuple[Floats, Floats]:
    fourier = Fourier.freeze(column.reference, seed)
    return fourier.features(column.reference), fourier.features(column.current)


def _causes(columns: list[_Column], witness: Floats, by_chance: float) -> tuple[Cause, ...]:
    moved = np.sum(witness.reshape(len(columns), -1) ** 2, axis=1) - by_chance / len(columns)
    return shares((column.name, float(part)) for column, part in zip(columns, moved, strict=True))


def _columns(
    reference: pa.Table, current: pa.Table, names: Sequence[str], prefix: str, most: int
) -> tuple[list[_Column], tuple[LeftOut, ...]]:
    """The columns on the rows that have vectors in all of them."""
    found, left_out = [], []
    for name in names:
        try:
            column = _Column(name, _vectors(reference, prefix + name), _vectors(current, prefix + name))
            _check(column)
        except DataInvalid as error:
            left_out.append(LeftOut(name=name, problem=error.message))
        else:
            found.append(column)
    whole = [_whole(side, most) for side in ([c.reference for c in found], [c.current for c in found])]
    kept = [_Column(c.name, c.reference[whole[0]], c.current[whole[1]]) for c in found]
    return kept, tuple(left_out)


def _whole(side: list[Floats], most: int) -> NDArray[np.int64]:
    if not side:
        return np.zeros(0, np.int64)
    rows = np.flatnonzero(np.all([np.isfinite(vectors).all(axis=1) for vectors in side], axis=0))
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _vectors(table: pa.Table, name: str) -> Floats:
    """Vectors (n, width) of the commonest width; NaN where there is none. Raises DataInvalid."""
    if name not in table.column_names:
        raise DataInvalid("no such column", Fault(name, "no column", f"use some of: {', '.join(table.column_names)}"))
    column = table[name].combine_chunks() if table[name].num_chunks != 1 else table[name].chunk(0)
    try:
        lists = column.cast(pa.list_(pa.float64()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        fault = Fault(name, str(column.type), "store lists of numbers")
        raise DataInvalid("does not hold vectors", fault) from error
    widths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    width = int(np.bincount(widths[widths > 0], minlength=1).argmax())
    fits = widths == width
    vectors = np.full((len(lists), width), np.nan)
    if width:
        flat = pc.list_flatten(lists.filter(pa.array(fits)))
        vectors[fits] = pc.fill_null(flat, np.nan).to_numpy(zero_copy_only=False).reshape(-1, width)
    return vectors


def _check(column: _Column) -> None:
    widths = column.reference.shape[1], column.current.shape[1]
    if 0 in widths or widths[0] != widths[1]:
        fault = Fault(column.name, f"{widths[0]} before, {widths[1]} now", "compare vectors of one model")
        raise DataInvalid(f"vectors of {widths[0]} numbers before, {widths[1]} now", fault)
    known = column.reference[np.isfinite(column.reference).all(axis=1)]
    if not len(known) or np.all(known == known[0]):
        raise DataInvalid("no two different vectors in the reference", Fault(column.name, "constant", "drop it"))

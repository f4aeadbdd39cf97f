"""What is looked at as a segment: declared rules, single values of features, and pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.core.task import Feature, Task
from tropism.monitoring.segments.difference import Bools, Floats, Sums, chances, sums
from tropism.monitoring.segments.groups import Codes, Groups, groups
from tropism.monitoring.segments.rules import matching, parse

PAIRED = 20


class Rows(NamedTuple):
    """Rows with a finite loss, in time order. `spread`: the loss's variance. `entities`: whom each row is about."""

    table: pa.Table
    loss: Floats
    spread: float
    entities: NDArray[np.int64] | None
    prefix: str


class Candidate(NamedTuple):
    """Rows where each of `parts`, codes (n,), has a certain code. `p_value`: if rows were independent, at most so."""

    name: str
    parts: tuple[tuple[Codes, int], ...]
    p_value: float

    def inside(self) -> Bools:
        found = np.ones(len(self.parts[0][0]), dtype=np.bool_)
        for codes, code in self.parts:
            found &= codes == code
        return found


class Singles(NamedTuple):
    """Features as groups of rows, and each group as a candidate."""

    groups: tuple[Groups, ...]
    candidates: tuple[Candidate, ...]


def rows_of(table: pa.Table, loss: Floats, prefix: str) -> Rows:
    """The rows whose loss (n,) is finite."""
    finite = np.isfinite(loss)
    kept = table if finite.all() else table.filter(pa.array(finite))
    values = loss[finite]
    entities = _entities(kept["entity"]) if "entity" in table.column_names else None
    return Rows(kept, values, float(values.var(ddof=1)) if len(values) > 1 else 0.0, entities, prefix)


def declared_candidates(
    task: Task, rows: Rows, declared: Sequence[str], least: int
) -> tuple[list[Candidate], dict[str, str]]:
    """Candidates of what was declared, and why some of it gives none."""
    found: list[Candidate] = []
    problems = {}
    for text in declared:
        name = text
        try:
            segment = parse(task, text)
            name = segment.name
            if isinstance(segment, Feature):
                found += _values(groups(rows.table, segment, least, rows.prefix), rows, least)
                continue
            inside = matching(segment, task, rows.table, rows.prefix).to_numpy().astype(np.int64)
        except (InvalidInput, DataInvalid) as error:
            problems[name] = "; ".join([error.message, *(fault.fix for fault in error.faults)])
            continue
        rule = _values(Groups(name, inside, ("", name)), rows, least)
        found += rule
        if not rule:
            count = int(inside.sum())
            problems[name] = f"{count} rows inside, {len(inside) - count} outside; {least} of each are needed"
    return found, problems


def singles(task: Task, rows: Rows, least: int) -> tuple[Singles, dict[str, str]]:
    """Every feature's groups as candidates, and why some features have none."""
    read, found, problems = [], [], {}
    for feature in task.features:
        try:
            read.append(groups(rows.table, feature, least, rows.prefix))
        except DataInvalid as error:
            problems[feature.name] = error.message
            continue
        found += _values(read[-1], rows, least)
    return Singles(tuple(read), tuple(found)), problems


def pairs(read: Sequence[Groups], rows: Rows, least: int, paired: Sequence[str] | None) -> list[Candidate]:
    """Two features' groups together, which may be worse than the rest of either."""
    named = [group for group in read if paired is None or group.feature in paired]
    chosen = [group for group in named if len(group.names) > 1][: PAIRED if paired is None else None]
    return [found for first, second in combinations(chosen, 2) for found in _pair(first, second, rows, least)]


def _values(read: Groups, rows: Rows, least: int) -> list[Candidate]:
    inside = sums(read.codes, len(read.names), rows.loss)
    outside = _all(inside).less(inside)
    p_values = chances(inside, outside, rows.spread)
    fit = np.flatnonzero((inside.rows >= least) & (outside.rows >= least))
    return [Candidate(read.names[code], ((read.codes, int(code)),), float(p_values[code])) for code in fit if code]


def _pair(first: Groups, second: Groups, rows: Rows, least: int) -> list[Candidate]:
    shape = len(first.names), len(second.names)
    flat = sums(first.codes * shape[1] + second.codes, shape[0] * shape[1], rows.loss)
    cells = Sums(*(part.reshape(shape) for part in flat))
    rests = [Sums(*(part.sum(axis=axis, keepdims=True) for part in cells)).less(cells) for axis in (1, 0)]
    everywhere = _all(cells).less(cells)
    p_values = np.max([chances(cells, outside, rows.spread) for outside in (*rests, everywhere)], axis=0)
    fit = (cells.rows >= least) & (rests[0].rows >= least) & (rests[1].rows >= least)
    fit[0, :] = fit[:, 0] = False
    return [
        Candidate(
            f"{first.names[one]} and {second.names[two]}",
            ((first.codes, int(one)), (second.codes, int(two))),
            float(p_values[one, two]),
        )
        for one, two in np.argwhere(fit)
    ]


def _all(parts: Sums) -> Sums:
    return Sums(*(np.asarray(part.sum()) for part in parts))


def _entities(column: pa.ChunkedArray) -> NDArray[np.int64] | None:
    """Entities as integers, rows without one each their own; None where no entity comes twice."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
    known = codes >= 0
    if len(encoded.dictionary) == np.count_nonzero(known):
        return None
    codes[~known] = len(encoded.dictionary) + np.arange(np.count_nonzero(~known))
    return codes

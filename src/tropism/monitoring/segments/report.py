"""Segments of the traffic and how their loss compares with that of all other rows.

Every value, bin, rule and pair that was looked at takes part in the correction, that of Benjamini and Hochberg (1995):
of the segments called significant, at most the share `alpha` is so by chance, on average; where no segment differs,
a report calls any significant with probability `alpha` at most. Closed testing would promise that no single one is,
at a price that grows with the thousands of overlapping segments that a search looks at; a list to look into need not
pay it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from tropism.core.errors import Fault, InvalidInput
from tropism.core.task import Task
from tropism.monitoring.segments.candidates import Candidate, Rows, declared_candidates, pairs, rows_of, singles
from tropism.monitoring.segments.difference import Bools, Difference, adjusted, compare, shrunken

LEAST = 50
ALPHA = 0.05


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment beside all other rows.

    `loss`, `outside`: mean losses. `difference`: inside less outside, with its 95% interval `low`..`high`, which
    allows for dependence. `effect`: the difference with its noise taken off, by which segments are ranked.
    `p_value`: probability of a loss this much higher if the segment did not differ; `adjusted`: corrected for
    `looked_at` segments. `significant`: worse, after correction. `problem`: why it could not be told, if it could not.
    """

    name: str
    rows: int = 0
    share: float = 0.0
    loss: float | None = None
    outside: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    effect: float = 0.0
    p_value: float = 1.0
    adjusted: float = 1.0
    significant: bool = False
    looked_at: int = 0
    problem: str = ""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The worst segments, the worst first. `problems`: features and rules that could not be looked at, and why."""

    worst: tuple[Segment, ...]
    looked_at: int
    rows: int
    alpha: float
    problems: dict[str, str]


def segments(
    task: Task,
    table: pa.Table,
    loss: ArrayLike,
    declared: Sequence[str],
    *,
    least: int = LEAST,
    alpha: float = ALPHA,
    prefix: str = "f_",
) -> list[Segment]:
    """The declared segments, those with the largest effect first; a feature gives one for each of its common values.

    Args:
        table: rows in time order, features in columns named `prefix` + name. Where it has a column `entity`, rows of
            one entity may depend on each other in any way.
        loss: of each row, shape (n,); rows without a finite one are left out.
        declared: features (`"country"`) and rules (`"big: amount > 1000 and country == 'DE'"`).
        least: fewest rows of a segment, and of those outside it.
        alpha: share of false discoveries that is borne.

    A rule that has fewer rows, or a feature or rule that cannot be read, is reported with its `problem`.

    Raises:
        InvalidInput: the loss does not line up with the rows, or `least` is below 2.

    >>> from tropism.core.task import Feature
    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("country", "category"),))
    >>> table = pa.table({"f_country": ["DE", "FR"] * 100})
    >>> found = segments(task, table, [0.9, 0.1, 0.7, 0.2] * 50, ["country"])
    >>> [(segment.name, segment.significant) for segment in found]
    [('country = DE', True), ('country = FR', False)]
    """
    rows = _rows(table, loss, prefix, least)
    found, problems = declared_candidates(task, rows, declared, least)
    measured = [_measured(candidate, rows) for candidate in found]
    corrected = adjusted([p_value for _, p_value in measured])
    listed = [
        _segment(candidate, rows, difference, p_value, float(limit), len(found), alpha)
        for candidate, (difference, p_value), limit in zip(found, measured, corrected, strict=True)
    ]
    broken = [Segment(name=name, problem=problem) for name, problem in problems.items()]
    return sorted(listed, key=lambda segment: (-segment.effect, segment.p_value)) + broken


def worst(
    task: Task,
    table: pa.Table,
    loss: ArrayLike,
    declared: Sequence[str] = (),
    *,
    top: int = 5,
    paired: Sequence[str] | None = None,
    least: int = LEAST,
    alpha: float = ALPHA,
    prefix: str = "f_",
) -> Search:
    """The segments that fare significantly worse, found among the declared ones, single values and pairs of values.

    Of each feature, its common categories, booleans, missing values, and bins of equal count of its numbers are
    looked at. A pair counts only where it is worse than the rest of either of its parts: else the part says it
    better. A segment that is worse only for the rows it shares with a worse one is not listed.

    Args:
        top: most segments to list.
        paired: features whose pairs are looked at; by default the first PAIRED of the task. Name those that matter
            most to the model: never choose by the loss, which the correction could not know of.
        table, loss, declared, least, alpha: as for `segments`.

    Raises:
        InvalidInput: the loss does not line up with the rows, or `least` is below 2.

    >>> from tropism.core.task import Feature
    >>> features = (Feature("country", "category"), Feature("night", "boolean"))
    >>> task = Task(name="t", kind="binary", target="y", features=features)
    >>> table = pa.table({"f_country": ["DE", "FR"] * 200, "f_night": [True, True, False, False] * 100})
    >>> loss = [0.9, 0.1, 0.2, 0.2, 0.7, 0.2, 0.1, 0.1] * 50
    >>> [segment.name for segment in worst(task, table, loss).worst]
    ['country = DE and night = true']
    """
    rows = _rows(table, loss, prefix, least)
    found, problems = declared_candidates(task, rows, declared, least)
    single, unread = singles(task, rows, least)
    names = {candidate.name for candidate in found}
    found += [candidate for candidate in single.candidates if candidate.name not in names]
    found += pairs(single.groups, rows, least, paired)
    chosen = _significant(found, rows, alpha)
    ranked = sorted(chosen, key=lambda segment: (-segment[1].effect, len(segment[0].parts)))
    return Search(
        worst=tuple(_distinct(ranked, rows, top, least, alpha)),
        looked_at=len(found),
        rows=len(rows.loss),
        alpha=alpha,
        problems=problems | unread,
    )


def _rows(table: pa.Table, loss: ArrayLike, prefix: str, least: int) -> Rows:
    if least < 2:
        raise InvalidInput("too few rows to compare", Fault("least", str(least), "use 2 or more, such as 50"))
    values = np.asarray(loss, dtype=np.float64)
    if values.shape != (table.num_rows,):
        fault = Fault("loss", str(values.shape), f"give one for each of the {table.num_rows} rows")
        raise InvalidInput("the loss does not line up with the rows", fault)
    return rows_of(table, values, prefix)


def _measured(candidate: Candidate, rows: Rows) -> tuple[Difference, float]:
    """A candidate beside all other rows, and the chance that it is as much worse than those or the rest of a part."""
    inside = candidate.inside()
    difference = compare(rows.loss, inside, rows.spread, rows.entities)
    chance = difference.p_value
    for codes, code in candidate.parts if len(candidate.parts) > 1 else ():
        part = codes == code
        entities = None if rows.entities is None else rows.entities[part]
        chance = max(chance, compare(rows.loss[part], inside[part], rows.spread, entities).p_value)
    return difference, chance


def _significant(found: list[Candidate], rows: Rows, alpha: float) -> list[tuple[Candidate, Segment]]:
    """Those that are after correction. Dependence only lessens what counts: it is allowed for where it matters."""
    p_values = np.array([candidate.p_value for candidate in found])
    differences = {}
    for place in np.flatnonzero(adjusted(p_values) <= alpha):
        differences[int(place)], chance = _measured(found[place], rows)
        p_values[place] = max(p_values[place], chance)
    limits = adjusted(p_values)
    return [
        (found[place], _segment(found[place], rows, difference, p_values[place], limits[place], len(found), alpha))
        for place, difference in differences.items()
        if limits[place] <= alpha
    ]


def _segment(
    candidate: Candidate, rows: Rows, found: Difference, p_value: float, limit: float, looked_at: int, alpha: float
) -> Segment:
    return Segment(
        name=candidate.name,
        rows=found.rows,
        share=found.rows / len(rows.loss),
        loss=found.inside,
        outside=found.outside,
        difference=found.value,
        low=found.value - found.reach,
        high=found.value + found.reach,
        effect=shrunken(found.value, found.error, looked_at),
        p_value=float(p_value),
        adjusted=float(limit),
        significant=bool(limit <= alpha),
        looked_at=looked_at,
    )


def _distinct(ranked: list[tuple[Candidate, Segment]], rows: Rows, top: int, least: int, alpha: float) -> list[Segment]:
    """Those that are worse still on the rows which no segment before them has."""
    taken = np.zeros(len(rows.loss), dtype=np.bool_)
    listed: list[Segment] = []
    for candidate, segment in ranked:
        inside = candidate.inside()
        rest = inside[~taken]
        if listed and (min(rest.sum(), (~rest).sum()) < least or not _worse(rows, rest, ~taken, alpha / len(ranked))):
            continue
        listed.append(segment)
        taken |= inside
        if len(listed) == top:
            break
    return listed


def _worse(rows: Rows, inside: Bools, among: Bools, alpha: float) -> bool:
    entities = None if rows.entities is None else rows.entities[among]
    return compare(rows.loss[among], inside, rows.spread, entities).p_value <= alpha

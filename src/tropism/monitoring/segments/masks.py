"""Which rows are in the segments that were declared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.core.task import Feature, Task
from tropism.monitoring.columns import text
from tropism.monitoring.segments.groups import groups
from tropism.monitoring.segments.rules import matching, parse

MOST = 8
"""Groups of one declared feature, the commonest values."""
_LEAST = 20
Bools = NDArray[np.bool_]


class Route(msgspec.Struct, frozen=True):
    """A segment that stays the same whatever the rows are: a rule, or a feature's value, None where it is missing."""

    name: str
    rule: str = ""
    feature: str = ""
    value: str | None = None


def masks(task: Task, table: pa.Table, declared: Sequence[str], prefix: str = "f_") -> dict[str, Bools]:
    """Rows (n,) of each segment, by its name: `big` of a rule, `country = DE` of a feature's commonest values.

    What cannot be read, such as a feature that these rows do not have, is left out.

    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("amount"),))
    >>> masks(task, pa.table({"f_amount": [5.0, 9.0]}), ["big: amount > 6"])["big"].tolist()
    [False, True]
    """
    found: dict[str, Bools] = {}
    for declaration in declared:
        try:
            segment = parse(task, declaration)
            if isinstance(segment, Feature):
                grouped = groups(table, segment, _LEAST, prefix)
                for code, name in list(enumerate(grouped.names))[1 : MOST + 1]:
                    found[name] = grouped.codes == code
            else:
                found[segment.name] = matching(segment, task, table, prefix).to_numpy(zero_copy_only=False)
        except (InvalidInput, DataInvalid):
            continue
    return found


def routes(
    task: Task, table: pa.Table, declared: Sequence[str], most: int, prefix: str = "f_"
) -> tuple[list[Route], dict[str, str]]:
    """Segments as these rows have them, `most` at most, to find the rows of later tables by; and why there are not
    others. A number has no values of its own to go by: it needs a rule.

    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("a", "category"), Feature("b")))
    >>> rows = pa.table({"f_a": ["x"] * 30 + ["y"], "f_b": [1.0] * 31})
    >>> routes(task, rows, ["a", "b"], 16)
    ([Route(name='a = x', rule='', feature='a', value='x')], {'b': 'a number is watched by a rule, such as big: b > 1'})
    """
    found: list[Route] = []
    problems: dict[str, str] = {}
    for declaration in declared:
        try:
            segment = parse(task, declaration)
            if not isinstance(segment, Feature):
                found.append(Route(segment.name, rule=declaration))
            elif segment.type == "number":
                problems[declaration] = f"a number is watched by a rule, such as big: {segment.name} > 1"
            else:
                found += _values(segment, text(table, prefix + segment.name))
        except (InvalidInput, DataInvalid) as error:
            problems[declaration] = error.message
    problems |= {route.name: f"only {most} segments are watched" for route in found[most:]}
    return found[:most], problems


def routed(task: Task, table: pa.Table, chosen: Sequence[Route], prefix: str = "f_") -> dict[str, Bools]:
    """Rows (n,) of each route, by its name; none of one that cannot be read in this table.

    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("a", "category"),))
    >>> routed(task, pa.table({"f_a": ["x", None]}), [Route("a = x", feature="a", value="x")])["a = x"].tolist()
    [True, False]
    """
    found = {}
    for route in chosen:
        try:
            inside = _inside(task, table, route, prefix)
        except (InvalidInput, DataInvalid):
            inside = np.zeros(table.num_rows, dtype=np.bool_)
        found[route.name] = inside
    return found


def _values(feature: Feature, column: pa.ChunkedArray) -> list[Route]:
    """The commonest values that are common enough, the commonest first; missing ones are a group, too."""
    counted = [(one["counts"], one["values"]) for one in pc.value_counts(column).to_pylist()]
    common = sorted((one for one in counted if one[0] >= _LEAST), key=lambda one: (-one[0], one[1] or ""))
    return [
        Route(
            f"{feature.name} is missing" if value is None else f"{feature.name} = {value}",
            feature=feature.name,
            value=value,
        )
        for _, value in common[:MOST]
    ]


def _inside(task: Task, table: pa.Table, route: Route, prefix: str) -> Bools:
    if route.rule:
        segment = parse(task, route.rule)
        assert not isinstance(segment, Feature)
        return np.asarray(matching(segment, task, table, prefix).to_numpy(), dtype=np.bool_)
    column = text(table, prefix + route.feature)
    if route.value is None:
        return np.asarray(pc.is_null(column).to_numpy(), dtype=np.bool_)
    return np.asarray(pc.fill_null(pc.equal(column, route.value), False).to_numpy(), dtype=np.bool_)

"""Rules on a table: each judged on the values as they came, then the policies followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault
from tropism.features.checks.columns import column_of
from tropism.features.checks.comparing import members, out_of_range
from tropism.features.checks.patterns import found, whole
from tropism.features.checks.predicates import fails
from tropism.features.checks.reports import EXAMPLES, Example, Report, RuleReport, shown
from tropism.features.checks.rules import AnyRule, Fresh, Matches, NullRate, OneOf, Range, Unique

Mask = npt.NDArray[np.bool_]


class Checked(NamedTuple):
    """A table as it may go on, without rows if it was stopped, and what was found."""

    table: pa.Table
    report: Report


def check(table: pa.Table, rules: Sequence[AnyRule], now: int) -> Checked:
    """Check a table against rules. `now`: µs since the epoch, for freshness.

    Every rule sees the table as it came. If one of policy `stop` is broken, nothing goes through and nothing else is
    changed; otherwise failing values become null, then failing rows are taken out. Rows keep their order.

    Raises:
        DataInvalid: a rule's column is not there, or of a type that the rule is not for.
        InvalidInput: a custom function failed.
        SettingInvalid, MissingExtra: as `predicates.fails`.

    >>> from tropism.features.checks import rule
    >>> table = pa.table({"amount": [3.0, -1.0, None]})
    >>> checked = check(table, [rule.range("amount", 0, policy="reject")], now=0)
    >>> checked.table["amount"].to_pylist(), checked.report.rules[0].examples
    ([3.0, None], (Example(row=1, value='-1.0'),))
    """
    masks = [_failing(table, one, now) for one in rules]
    reports = [_report(table, one, mask) for one, mask in zip(rules, masks, strict=True)]
    stopped = any(one.broken and one.rule.policy == "stop" for one in reports)
    kept = table.slice(0, 0) if stopped else _followed(table, rules, masks)
    return Checked(kept, Report(rules=tuple(reports), rows=table.num_rows, kept=kept.num_rows, stopped=stopped))


def _failing(table: pa.Table, rule: AnyRule, now: int) -> Mask:
    """Which rows fail; for freshness, the newest if it is too old."""
    if isinstance(rule, Unique):
        return _repeated(table, rule)
    column = column_of(table, rule)
    if isinstance(rule, NullRate):
        return _mask(pc.is_null(column))
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.bool_)
    if isinstance(rule, Fresh):
        return _stale(column, now - rule.length)
    if isinstance(rule, Range):
        return _mask(out_of_range(column, rule))
    if isinstance(rule, OneOf):
        return _mask(pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, members(rule, column.type)))))
    if isinstance(rule, Matches):
        return _mask(pc.invert(found(column, whole(rule.pattern))))
    return _one_by_one(column, fails(rule))


def _mask(column: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(column, False).to_numpy(), np.bool_)


def _stale(column: pa.ChunkedArray, oldest: int) -> Mask:
    mask = np.zeros(len(column), np.bool_)
    times = column.cast(pa.int64())
    newest = pc.max(times).as_py()
    if newest is not None and newest < oldest:
        mask[pc.index(times, newest).as_py()] = True
    return mask


def _one_by_one(column: pa.ChunkedArray, failing: Callable[[Any], bool]) -> Mask:
    """Of a function of one value, which is asked once for each different one in a chunk."""
    masks = [np.zeros(0, np.bool_)]
    for chunk in column.chunks:
        if pa.types.is_nested(chunk.type):
            masks.append(np.array([value is not None and failing(value) for value in chunk.to_pylist()], np.bool_))
            continue
        coded = chunk.dictionary_encode()
        answers = [*(failing(value) for value in coded.dictionary.to_pylist()), False]  # the last one is for null
        masks.append(np.array(answers)[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])
    return np.concatenate(masks)


def _repeated(table: pa.Table, rule: Unique) -> Mask:
    total = np.zeros(table.num_rows, np.int64)
    known = np.ones(table.num_rows, np.bool_)
    for name in rule.columns:
        column = column_of(table, rule, name)
        if pa.types.is_nested(column.type):
            fix = "use the rule on columns of single values"
            raise DataInvalid(f"the rule {rule.title} is for another type", Fault(name, str(column.type)[:80], fix))
        codes = column.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        known &= codes >= 0
        total = total * (int(codes.max(initial=0)) + 2) + codes + 1
        if len(rule.columns) > 1:
            _, total = np.unique(total, return_inverse=True)
    rows = np.arange(table.num_rows)
    first = np.zeros(int(total.max(initial=0)) + 1, np.int64)
    first[total[::-1]] = rows[::-1]  # what is written last stays
    repeated: Mask = known & (first[total] != rows)
    return repeated


def _report(table: pa.Table, rule: AnyRule, mask: Mask) -> RuleReport:
    failures = int(mask.sum())
    broken = failures > 0
    if isinstance(rule, NullRate):
        broken = failures > rule.most * len(mask)
    if isinstance(rule, Fresh) and table[rule.column].null_count == len(mask):
        failures, broken = 1, True
    names = rule.columns if isinstance(rule, Unique) else (rule.column,)
    examples = []
    for row in np.flatnonzero(mask)[:EXAMPLES].tolist() if broken else ():
        values = [_value(table[name][row]) for name in names]
        examples.append(Example(row, shown(values[0] if len(values) == 1 else tuple(values))))
    return RuleReport(rule=rule, rows=len(mask), failures=failures, broken=broken, examples=tuple(examples))


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):  # moments beyond Python's, and ns that it would have to round
        return str(scalar)


def _followed(table: pa.Table, rules: Sequence[AnyRule], masks: Sequence[Mask]) -> pa.Table:
    rejected = np.zeros(table.num_rows, np.bool_)
    nulls: dict[str, Mask] = {}
    for rule, mask in zip(rules, masks, strict=True):
        if rule.policy == "reject":
            rejected |= mask
        elif rule.policy == "null":
            nulls[rule.column] = nulls.get(rule.column, False) | mask
    for name, mask in nulls.items():
        if mask.any():
            place = table.column_names.index(name)
            places = pa.array(np.arange(len(mask)), mask=mask)
            table = table.set_column(place, table.schema.field(place).with_nullable(True), table[name].take(places))
    return table.filter(pa.array(~rejected)) if rejected.any() else table

"""Columns as rules look at them: missing values are null, and types are few."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault

if TYPE_CHECKING:
    from tropism.features.checks.rules import Rule

DIGITS = 38
_VALUES = {int: "integer", float: "number", str: "text", bool: "boolean"}


def column_of(table: pa.Table, rule: Rule, name: str | None = None) -> pa.ChunkedArray:
    """The column that a rule is about: float64, int64, decimal(38), text, boolean, moments in µs of UTC, or as it is;
    NaN is null.

    Raises:
        DataInvalid: it is not there, or twice, or of a type that the rule is not for.
    """
    name = name or rule.column
    if table.column_names.count(name) != 1:
        there = "twice" if name in table.column_names else "missing"
        fix = f"name one of: {', '.join(table.column_names)[:200]}"
        raise DataInvalid(f"the rule {rule.title} has no one column", Fault(name, there, fix))
    column = table[name]
    kind = kind_of(column.type)
    if kind != "null" and rule.wants and kind not in rule.wants:
        fix = f"use the rule on a column of: {', '.join(rule.wants)}"
        raise DataInvalid(f"the rule {rule.title} is for another type", Fault(name, str(column.type)[:80], fix))
    try:
        return _plain(column, kind)
    except pa.ArrowInvalid as error:
        raise DataInvalid(
            f"the column '{name}' cannot be read", Fault(name, str(column.type), str(error)[:160])
        ) from error


def kind_of(kind: pa.DataType) -> str:
    """The kind of type of a column, as `Dtype` has it; `null` where all values are, `other` for none of them."""
    types = pa.types
    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    known = {
        "number": types.is_floating,
        "integer": types.is_integer,
        "decimal": types.is_decimal,
        "text": lambda kind: types.is_string(kind) or types.is_large_string(kind),
        "boolean": types.is_boolean,
        "time": types.is_timestamp,
        "null": types.is_null,
        "vector": types.is_nested,
    }
    return next((name for name, test in known.items() if test(kind)), "other")


def kind_of_value(value: object) -> str:
    """The kind of type of a value in a row."""
    if isinstance(value, datetime.datetime):
        return "time"
    if isinstance(value, decimal.Decimal):
        return "decimal"
    return _VALUES.get(type(value)) or ("vector" if isinstance(value, list | tuple) else "other")


def is_missing(value: object) -> bool:
    """Whether a value in a row counts as null."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, decimal.Decimal) and value.is_nan())


def _plain(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == "number":
        column = column.cast(pa.float64())
        not_numbers = pc.is_nan(column)
        return pc.if_else(not_numbers, None, column) if pc.any(not_numbers).as_py() else column
    if kind == "integer":
        return column.cast(pa.decimal128(DIGITS, 0) if pa.types.is_uint64(column.type) else pa.int64())
    if kind == "decimal":
        return column.cast(pa.decimal128(DIGITS, column.type.scale))
    return column.cast(pa.timestamp("us", "UTC"), safe=False) if kind == "time" else column

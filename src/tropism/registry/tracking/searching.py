"""Parsed filters and orders as SQL, and pages of what is found."""

from __future__ import annotations

import base64
import binascii
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Double, Text, and_, func, or_, select

from tropism.core.errors import InvalidInput
from tropism.core.faults import one_of
from tropism.registry.tracking.checks import LARGEST, invalid, require_few

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, FromClause, Select, Table

    from tropism.registry.tracking.filters import Clause, Order

MILLISECOND = 1_000
_COMPARE = ("=", "!=", ">", ">=", "<", "<=")
_TEXTUAL = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
_NULLS = ("IS NULL", "IS NOT NULL")
_MOST_ORDERS = 50
"""Each may join a table, and SQLite joins 64."""


class Family(NamedTuple):
    """Things that a row has many of, such as tags: a table with columns `key` and `value`.

    `owners` joins it to the row: pairs of its own column's name and the row's column. `by_column`: keys are columns, as
    with datasets. `absent_differs`: keys for which `!=` also holds of a row that has none.
    """

    table: Table
    owners: tuple[tuple[str, Column[Any]], ...]
    by_column: bool = False
    absent_differs: frozenset[str] = frozenset()

    def of_row(self, table: FromClause) -> ColumnElement[bool]:
        """That a row of the table, or of an alias of it, belongs to the row that is searched."""
        return and_(*(table.c[name] == owner for name, owner in self.owners))


class Subject(NamedTuple):
    """What is searched: its attributes, its families, and other names of both. Attributes in `times` are in ms."""

    attributes: Mapping[str, Column[Any]]
    families: Mapping[str, Family]
    dialect: str
    times: frozenset[str] = frozenset()
    synonyms: Mapping[str, str] = {}


def narrowed(query: Select[Any], subject: Subject, clauses: Sequence[Clause]) -> Select[Any]:
    """The query with every clause of a filter.

    Raises:
        InvalidInput: a clause names what is not there, or compares it with what it cannot be compared with.
    """
    for clause in clauses:
        query = query.where(_condition(subject, clause))
    return query


def ordered(
    query: Select[Any], subject: Subject, orders: Sequence[Order], ends: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    """The query sorted, then by `ends`. What has no value comes last either way. Raises: InvalidInput."""
    require_few(orders, _MOST_ORDERS, "order_by")
    for order in orders:
        query, column = _sortable(query, subject, order)
        query = query.order_by(column.is_(None), column.desc() if order.descending else column.asc())
    return query.order_by(*ends)


def page_start(token: str | None) -> int:
    """Where a page begins. Raises: InvalidInput: nobody was given this token.

    >>> page_start(page_token(200)), page_start("")
    (200, 0)
    """
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
        start = int(text.removeprefix("from:"))
    except (binascii.Error, ValueError):
        start = -1
    if not 0 <= start <= LARGEST:
        raise invalid("page_token", token, "send the token that came with the page before, or none")
    return start


def page_token(start: int) -> str:
    """The token of the page that begins there."""
    return base64.urlsafe_b64encode(f"from:{start}".encode()).decode()


def _condition(subject: Subject, clause: Clause) -> ColumnElement[bool]:
    family, key = _resolved(subject, clause.family, clause.key)
    if not family:
        column: ColumnElement[Any] = _attribute(subject, key)
        number = clause.value
        if key in subject.times and isinstance(number, int | float):
            clause = clause._replace(value=_within(number * MILLISECOND))
        return _compared(column, clause, subject.dialect)
    has = subject.families[family]
    if has.by_column:
        column = _column_of(has, family, key)
        return select(1).where(has.of_row(has.table), _compared(column, clause, subject.dialect)).exists()
    own = select(1).where(has.of_row(has.table), has.table.c.key == key)
    if clause.operator in _NULLS:
        return own.exists() if clause.operator == "IS NOT NULL" else ~own.exists()
    found = own.where(_compared(has.table.c.value, clause, subject.dialect)).exists()
    return or_(found, ~own.exists()) if key in has.absent_differs and clause.operator == "!=" else found


def _compared(column: ColumnElement[Any], clause: Clause, dialect: str) -> ColumnElement[bool]:
    operator, value = clause.operator, clause.value
    textual = isinstance(column.type, Text)
    allowed = _TEXTUAL if textual else _COMPARE
    if operator in _NULLS:
        return column.is_(None) if operator == "IS NULL" else column.is_not(None)
    if operator not in allowed:
        raise _unfit(clause, operator, f"use one of: {', '.join(allowed)}")
    if textual and not isinstance(value, str | tuple):
        raise _unfit(clause, value, "compare it with a text in single quotes")
    if not textual and not isinstance(value, int | float):
        raise _unfit(clause, value, "compare it with a number")
    if isinstance(value, tuple):
        return column.in_(value) if operator == "IN" else column.not_in(value)
    if isinstance(value, str):
        return _text_compared(column, operator, value, dialect)
    number = float(value or 0) if isinstance(column.type, Double) else _within(value or 0)
    if operator == "!=":  # a NaN, which is NULL, differs from every number
        return or_(column != number, column.is_(None))
    return column.op(operator, is_comparison=True)(number)


def _text_compared(column: ColumnElement[Any], operator: str, value: str, dialect: str) -> ColumnElement[bool]:
    if operator in ("=", "!="):
        return column == value if operator == "=" else column != value
    if operator == "ILIKE":
        return func.lower(column).like(value.lower())
    if dialect != "sqlite":
        return column.like(value)
    # SQLite's LIKE takes no notice of case; GLOB does.
    bracketed = "".join(f"[{char}]" if char in "*?[" else char for char in value)
    return column.op("GLOB", is_comparison=True)(bracketed.replace("%", "*").replace("_", "?"))


def _sortable(query: Select[Any], subject: Subject, order: Order) -> tuple[Select[Any], ColumnElement[Any]]:
    family, key = _resolved(subject, order.family, order.key, "order_by")
    if not family:
        return query, _attribute(subject, key, "order_by")
    has = subject.families[family]
    if has.by_column:
        raise invalid("order_by", f"{family}.{key}", "sort by an attribute, a metric, a param or a tag")
    table = has.table.alias()
    return query.outerjoin(table, and_(has.of_row(table), table.c.key == key)), table.c.value


def _resolved(subject: Subject, family: str, key: str, field: str = "filter") -> tuple[str, str]:
    """The family and key that are meant, whatever they were called."""
    family = subject.synonyms.get(f"{family}.", family) if family else ""
    if family == "attribute":
        family = ""
    if family and family not in subject.families:
        fix = one_of(family, [*subject.families, "attribute"], "kinds", "")
        raise invalid(field, f"{family}.{key}", fix)
    return family, key if family else subject.synonyms.get(key, key)


def _attribute(subject: Subject, key: str, field: str = "filter") -> Column[Any]:
    if key not in subject.attributes:
        raise invalid(field, key, one_of(key, subject.attributes, "attributes", ""))
    return subject.attributes[key]


def _column_of(has: Family, family: str, key: str) -> ColumnElement[Any]:
    names = [column.name for column in has.table.c if column.name in ("name", "digest", "context")]
    if key not in names:
        raise invalid("filter", f"{family}.{key}", one_of(key, names, "columns", ""))
    return has.table.c[key]


def _within(number: float) -> float:
    """The number, or the nearest one that a column of whole numbers can be compared with."""
    if isinstance(number, float) and not number.is_integer() and math.isfinite(number):
        return number
    return int(max(-LARGEST, min(LARGEST, number)))


def _unfit(clause: Clause, value: object, fix: str) -> InvalidInput:
    name = f"{clause.family}.{clause.key}" if clause.family else clause.key
    return invalid(f"filter: {name}", value, fix)

"""Filter strings and orders of MLflow's searches, parsed: `metrics.acc > 0.9 and params.depth = '3'`.

The grammar, after MLflow's documentation of its search syntax: clauses joined by AND; a clause is a name, an operator
and a value. A name is `family.key`, the key bare or in backticks or double quotes, or an attribute alone. A value is
a number, a quoted text or a list of quoted texts in parentheses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

Value = str | float | int | tuple[str, ...] | None
_LONGEST = 10_000
_MOST = 100
_DIGITS = 300
"""Whole numbers of so many are floats, or infinite."""
_NAME = re.compile(
    r"""\s*(?:(?P<family>[A-Za-z_]+)\s*\.\s*)?
        (?:`(?P<ticked>[^`]*)`|"(?P<quoted>[^"]*)"|(?P<bare>[\w/.:\-]+))""",
    re.VERBOSE,
)
_OPERATOR = re.compile(
    r"\s*(>=|<=|!=|=|>|<|(?:IS\s+NOT\s+NULL|IS\s+NULL|NOT\s+IN|IN|NOT\s+I?LIKE|I?LIKE)(?![\w]))", re.IGNORECASE
)
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])")
_TEXT = re.compile(r"""\s*(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)")""")
_AND = re.compile(r"\s*AND(?!\w)", re.IGNORECASE)
_ORDER = re.compile(r"\s*(ASC|DESC)?\s*$", re.IGNORECASE)


class Clause(NamedTuple):
    """One condition. `family` is empty for an attribute, `operator` in capitals, `value` None for `IS NULL`."""

    family: str
    key: str
    operator: str
    value: Value


class Order(NamedTuple):
    """One thing to sort by."""

    family: str
    key: str
    descending: bool


def parse_filter(text: str) -> tuple[Clause, ...]:
    """The clauses of a filter string; none of an empty one.

    Raises:
        InvalidInput: it does not parse; says where.

    >>> parse_filter("metrics.acc > 0.9 AND tags.`a b` LIKE 'x%'")
    (Clause(family='metrics', key='acc', operator='>', value=0.9), Clause(family='tags', key='a b', \
operator='LIKE', value='x%'))
    """
    if len(text) > _LONGEST:
        raise _wrong(text, 0, f"use {_LONGEST} characters at most")
    reader, clauses = _Reader(text), list[Clause]()
    while not reader.done():
        if clauses:
            reader.take(_AND, "write AND between two conditions; there is no OR")
        clauses.append(reader.clause())
        if len(clauses) > _MOST:
            raise _wrong(text, reader.at, f"use {_MOST} conditions at most")
    return tuple(clauses)


def parse_orders(texts: Sequence[str]) -> tuple[Order, ...]:
    """What to sort by, the first first.

    Raises:
        InvalidInput: one does not parse.

    >>> parse_orders(["metrics.acc DESC", "start_time"])
    (Order(family='metrics', key='acc', descending=True), Order(family='', key='start_time', descending=False))
    """
    if len(texts) > _MOST:
        raise InvalidInput("'order_by' does not fit", Fault("order_by", str(len(texts)), f"use {_MOST} at most"))
    return tuple(_order(text) for text in texts)


def _order(text: str) -> Order:
    reader = _Reader(text, "order_by")
    family, key = reader.name()
    found = reader.take(_ORDER, "write a name, then ASC or DESC")
    return Order(family, key, (found[1] or "").upper() == "DESC")


class _Reader:
    def __init__(self, text: str, field: str = "filter") -> None:
        self.text, self.field = text, field
        self.at = 0

    def done(self) -> bool:
        return not self.text[self.at :].strip()

    def take(self, pattern: re.Pattern[str], fix: str) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _wrong(self.text, self.at, fix, self.field)
        self.at = found.end()
        return found

    def name(self) -> tuple[str, str]:
        found = self.take(_NAME, "write a name such as metrics.accuracy, params.depth, tags.stage or start_time")
        key = found["ticked"] or found["quoted"] or found["bare"]
        if not key:
            raise _wrong(self.text, self.at, "write a name between the quotes", self.field)
        return (found["family"] or "").lower(), key

    def clause(self) -> Clause:
        family, key = self.name()
        found = self.take(_OPERATOR, "write one of =, !=, >, >=, <, <=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL")
        operator = " ".join(found[1].upper().split())
        if operator.endswith("NULL"):
            return Clause(family, key, operator, None)
        return Clause(family, key, operator, self.list() if operator.endswith("IN") else self.value())

    def value(self) -> Value:
        number = _NUMBER.match(self.text, self.at)
        if number is None:
            return self.quoted()
        self.at = number.end()
        whole = not re.search(r"[.eE]", number[1]) and len(number[1]) < _DIGITS
        return int(number[1]) if whole else float(number[1])

    def quoted(self) -> str:
        found = self.take(_TEXT, "write a number, or a text in single quotes")
        return found[2].replace('""', '"') if found[1] is None else found[1].replace("''", "'")

    def list(self) -> tuple[str, ...]:
        fix = "write a list of texts, such as ('a', 'b')"
        self.take(re.compile(r"\s*\("), fix)
        values = [self.quoted()]
        comma = re.compile(r"\s*,")
        while comma.match(self.text, self.at):
            self.take(comma, fix)
            values.append(self.quoted())
        self.take(re.compile(r"\s*\)"), fix)
        return tuple(values)


def _wrong(text: str, at: int, fix: str, field: str = "filter") -> InvalidInput:
    message = f"'{field}' does not parse at character {at + 1}"
    return InvalidInput(message, Fault(field, shown(text[at:] or text), fix))

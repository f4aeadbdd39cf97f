"""Conditions on metrics, such as `accuracy < 0.85 and predictions > 100`, as a tree that is easy to walk.

`core.expression_text` reads them from text; `str` writes them back. What is not known makes a condition unknown, never
true or false (Kleene's three-valued logic): an alert must not fire, nor end, because a figure is missing.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Comparator = Literal["<", "<=", ">", ">=", "==", "!="]
Unit = Literal["", "%", "ms", "s", "m", "h", "d", "k", "M"]
UNITS: dict[Unit, tuple[float, float]] = {
    "": (1, 1),
    "%": (1, 100),
    "ms": (1, 1_000),
    "s": (1, 1),
    "m": (60, 1),
    "h": (3_600, 1),
    "d": (86_400, 1),
    "k": (1_000, 1),
    "M": (1_000_000, 1),
}
"""What a number with the unit is multiplied and divided by; times are in seconds."""
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CALCULATE: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
LEVELS = {"or": 1, "and": 2, "not": 3, **dict.fromkeys(_COMPARE, 4), "+": 5, "-": 5, "*": 6, "/": 6, "minus": 7}
"""How tightly each operator binds."""


class Node(msgspec.Struct, frozen=True):
    """A part of a condition. `str` gives text that reads back as the same tree."""

    @property
    def level(self) -> int:
        """How tightly it holds together; names and numbers do most."""
        return 8

    def __str__(self) -> str:
        return _write(self)


class Number(Node, frozen=True, tag=True):
    """A number as it was written: `500ms` is `Number(500, "ms")`."""

    value: float
    unit: Unit = ""

    @property
    def amount(self) -> float:
        """The number itself: seconds for a time, a share for per cent.

        >>> Number(500, "ms").amount, Number(5, "%").amount
        (0.5, 0.05)
        """
        times, by = UNITS[self.unit]
        return self.value * times / by


class Metric(Node, frozen=True, tag=True):
    """A figure of the task: `drift`, or `drift('age')` of one feature or segment."""

    name: str
    argument: str = ""

    @property
    def key(self) -> str:
        """What it is called among facts: `drift`, `drift:age`."""
        return f"{self.name}:{self.argument}" if self.argument else self.name


class Negative(Node, frozen=True, tag=True):
    operand: Value

    @property
    def level(self) -> int:
        return LEVELS["minus"]


class Arithmetic(Node, frozen=True, tag=True):
    operator: Literal["+", "-", "*", "/"]
    left: Value
    right: Value

    @property
    def level(self) -> int:
        return LEVELS[self.operator]


class Comparison(Node, frozen=True, tag=True):
    operator: Comparator
    left: Value
    right: Value

    @property
    def level(self) -> int:
        return LEVELS[self.operator]


class Not(Node, frozen=True, tag=True):
    operand: Condition

    @property
    def level(self) -> int:
        return LEVELS["not"]


class Logical(Node, frozen=True, tag=True):
    operator: Literal["and", "or"]
    left: Condition
    right: Condition

    @property
    def level(self) -> int:
        return LEVELS[self.operator]


Value = Number | Metric | Negative | Arithmetic
"""A number, or what one is made from."""
Condition = Comparison | Not | Logical
"""What is true, false or unknown."""


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in reading order of their first word.

    >>> [str(one) for one in walk(Comparison("<", Metric("loss"), Number(2)))]
    ['loss < 2', 'loss', '2']
    """
    yield node
    for name in node.__struct_fields__:
        below = getattr(node, name)
        if isinstance(below, Node):
            yield from walk(below)


def metrics(node: Node) -> set[str]:
    """Keys of the facts that a condition asks for.

    >>> sorted(metrics(Comparison("<", Metric("drift", "age"), Metric("drift"))))
    ['drift', 'drift:age']
    """
    return {one.key for one in walk(node) if isinstance(one, Metric)}


def truth(condition: Condition, facts: Mapping[str, float | None]) -> bool | None:
    """Whether a condition holds; None where that cannot be told from the facts.

    >>> truth(Comparison("<", Metric("accuracy"), Number(85, "%")), {"accuracy": 0.8})
    True
    >>> truth(Comparison("<", Metric("accuracy"), Number(85, "%")), {}) is None
    True
    """
    if isinstance(condition, Comparison):
        left, right = figure(condition.left, facts), figure(condition.right, facts)
        return None if left is None or right is None else _COMPARE[condition.operator](left, right)
    if isinstance(condition, Not):
        below = truth(condition.operand, facts)
        return None if below is None else not below
    both = (truth(condition.left, facts), truth(condition.right, facts))
    settles = condition.operator == "or"
    if settles in both:
        return settles
    return None if None in both else not settles


def figure(value: Value, facts: Mapping[str, float | None]) -> float | None:
    """The number that a value comes to; None where a fact is missing or the result is not a number."""
    if isinstance(value, Number):
        return value.amount
    if isinstance(value, Metric):
        found = facts.get(value.key)
        return None if found is None or math.isnan(found) else float(found)
    if isinstance(value, Negative):
        below = figure(value.operand, facts)
        return None if below is None else -below
    left, right = figure(value.left, facts), figure(value.right, facts)
    if left is None or right is None or (value.operator == "/" and right == 0):
        return None
    result = _CALCULATE[value.operator](left, right)
    return None if math.isnan(result) else result


def _write(node: Node) -> str:
    if isinstance(node, Number):
        return repr(float(node.value)).removesuffix(".0") + node.unit
    if isinstance(node, Metric):
        quote = '"' if "'" in node.argument else "'"
        return f"{node.name}({quote}{node.argument}{quote})" if node.argument else node.name
    if isinstance(node, Negative):
        return "-" + _within(node.operand, node.level)
    if isinstance(node, Not):
        return "not " + _within(node.operand, node.level)
    assert isinstance(node, Arithmetic | Comparison | Logical)
    # Operators of one level are read from the left, so the right side needs parentheses where it is of that level.
    return f"{_within(node.left, node.level)} {node.operator} {_within(node.right, node.level + 1)}"


def _within(node: Node, level: int) -> str:
    return str(node) if node.level >= level else f"({node})"

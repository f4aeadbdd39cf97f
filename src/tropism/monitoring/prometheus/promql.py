"""Conditions of rules as PromQL. https://prometheus.io/docs/prometheus/latest/querying/operators/

A condition is true, false or unknown; a PromQL expression has a sample or has none. So a condition becomes two
expressions: one that has a sample where it is true, and one where it is false. `not` swaps them, and De Morgan's laws
give those of `and` and `or`; where a figure is missing neither has a sample, as in Kleene's logic.

Every part has the label `model` and no other, which is what makes one-to-one matching right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tropism.core.expressions import Logical, Metric, Negative, Not, Number, figure, metrics, truth
from tropism.monitoring.prometheus.counted import counted
from tropism.monitoring.prometheus.names import series
from tropism.monitoring.prometheus.selectors import labelled, selector

if TYPE_CHECKING:
    from tropism.core.expressions import Comparator, Comparison, Condition, Value
    from tropism.monitoring.prometheus.selectors import Source

_OPPOSITE: dict[Comparator, Comparator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class _Sides(NamedTuple):
    """Where a condition is true, and where it is false: expressions, or True for always and False for never."""

    true: str | bool
    false: str | bool


def promql(condition: Condition, source: Source) -> str | None:
    """An expression with a sample, labelled `model`, while a condition is true; None for one that never is.

    >>> from tropism.core.expression_text import parse
    >>> from tropism.monitoring.prometheus.selectors import Source
    >>> source = Source("price", "1h", {})
    >>> promql(parse("not accuracy < 85%"), source)
    'max by (model) (ml_model_accuracy{model="price"}) >= 0.85'
    >>> promql(parse("loss > 1 and 1 > 2"), source) is None
    True
    """
    found = _sides(condition, source).true
    if isinstance(found, bool):
        return labelled("vector(1)", source) if found else None
    return found


def _sides(condition: Condition, source: Source) -> _Sides:
    if isinstance(condition, Not):
        below = _sides(condition.operand, source)
        return _Sides(below.false, below.true)
    if isinstance(condition, Logical):
        left, right = _sides(condition.left, source), _sides(condition.right, source)
        if condition.operator == "and":
            return _Sides(_both(left.true, right.true), _either(left.false, right.false))
        return _Sides(_either(left.true, right.true), _both(left.false, right.false))
    return _comparison(condition, source)


def _comparison(condition: Comparison, source: Source) -> _Sides:
    if not metrics(condition):
        known = truth(condition, {})
        return _Sides(known is True, known is False)
    left, right = _value(condition.left, source), _value(condition.right, source)
    if left is None or right is None:
        return _Sides(False, False)
    return _Sides(_compared(condition.operator, left, right), _compared(_OPPOSITE[condition.operator], left, right))


def _compared(operator: Comparator, left: str, right: str) -> str:
    if operator == "!=":  # as it is, it would be true of what is not a number
        return f"({left} < {right}) or ({left} > {right})"
    return f"{left} {operator} {right}"


def _both(left: str | bool, right: str | bool) -> str | bool:
    if isinstance(left, bool):
        return left and right
    if isinstance(right, bool):
        return right and left
    return f"({left}) and ({right})"


def _either(left: str | bool, right: str | bool) -> str | bool:
    if isinstance(left, bool):
        return left or right
    if isinstance(right, bool):
        return right or left
    return f"({left}) or ({right})"


def _value(value: Value, source: Source) -> str | None:
    """An expression that any operator can stand beside; None for what is never known."""
    if isinstance(value, Metric):
        told = series(value.name, value.argument)
        if told is None:
            return counted(value.name, source)
        return f"max by (model) ({selector(told.metric, source, *told.labels)})"
    if isinstance(value, Number) or not metrics(value):
        constant = figure(value, {})
        return None if constant is None else _number(constant)
    if isinstance(value, Negative):
        below = _value(value.operand, source)
        return None if below is None else f"(-{below})"
    left, right = _value(value.left, source), _value(value.right, source)
    if left is None or right is None:
        return None
    if value.operator == "/" and metrics(value.right):
        right = f"({right} != 0)"  # what is divided by 0 is not known
    elif value.operator == "/" and figure(value.right, {}) == 0:
        return None
    return f"({left} {value.operator} {right})"


def _number(value: float) -> str:
    text = repr(float(value)).removesuffix(".0").replace("inf", "Inf")
    return f"({text})" if text.startswith("-") else text

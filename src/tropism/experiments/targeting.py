"""Whether a targeting rule is true of a request. `core.targeting` reads the rules; this makes them functions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from tropism.core.targeting import Among, Constant, Missing, Ordered, Rule, parse

Attributes = Mapping[str, object]
Test = Callable[[Attributes], bool]
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def targeting(text: str) -> Test:
    """A function that tells of a request's attributes whether the rule is true of them.

    A comparison with a missing attribute, which is one that is absent, None or NaN, or with a value of another type
    than the constant's, is false, and its opposite too.

    Raises:
        InvalidInput: it is no rule; says where.

    >>> german = targeting("country == 'DE' and amount > 10")
    >>> german({"country": "DE", "amount": 12.5}), german({"country": "DE"})
    (True, False)
    >>> targeting("country != 'DE'")({}), targeting("not country == 'DE'")({}), targeting("country is None")({})
    (False, False, True)
    """
    return _compiled(parse(text))


def _compiled(rule: Rule) -> Test:
    if isinstance(rule, Among):
        return _among(rule.name, rule.values, rule.negated)
    if isinstance(rule, Ordered):
        return _ordered(rule.name, _ORDERS[rule.operator], rule.limit)
    if isinstance(rule, Missing):
        name, negated = rule.name, rule.negated
        return lambda attributes: (_kind(attributes.get(name)) is None) != negated
    parts = [_compiled(part) for part in rule.parts]
    if rule.operator == "and":
        return lambda attributes: all(part(attributes) for part in parts)
    return lambda attributes: any(part(attributes) for part in parts)


def _among(name: str, values: tuple[Constant, ...], negated: bool) -> Test:
    kinds = {_kind(value) for value in values}
    members = {(_kind(value), value) for value in values}  # True is 1 in Python, not here

    def test(attributes: Attributes) -> bool:
        value = attributes.get(name)
        kind = _kind(value)
        return kind in kinds and ((kind, value) in members) != negated

    return test


def _ordered(name: str, compare: Callable[[float, float], bool], limit: float) -> Test:
    def test(attributes: Attributes) -> bool:
        value = attributes.get(name)
        return isinstance(value, int | float) and not isinstance(value, bool) and compare(value, limit)

    return test


def _kind(value: object) -> type | None:
    """What a value can be compared with; None for a missing one, and `object` for one that no constant is like."""
    if value is None or value != value:
        return None
    if isinstance(value, bool | str):
        return type(value)
    return float if isinstance(value, int | float) else object

"""Who an experiment is for: a rule over what is known of a request, as Python writes it.

`country == "DE" and amount > 10 and segment in ("a", "b")`: attributes compared with constants by `== != < <= > >=`,
`in`, `not in`, `is None`, `is not None`, joined by `and`, `or`, `not` and brackets. Nothing is ever run as Python.

A comparison with a missing attribute is false, and so is its opposite: `not` is carried down to the comparisons, so
`not country == "DE"` is `country != "DE"`, and nobody is targeted because something about them is unknown.
`experiments.targeting` tells whether a rule is true of a request.
"""

from __future__ import annotations

import ast
import warnings
from typing import Literal, NamedTuple

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown

Constant = float | str | bool
Order = Literal["<", "<=", ">", ">="]
LONGEST = 1_000
"""Most characters in a rule, which bounds how deep it can nest."""
_ORDERS: dict[type[ast.cmpop], Order] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_OPPOSITE: dict[Order, Order] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_MIRRORED: dict[Order, Order] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_FIX = "compare attributes with constants, such as country == 'DE' and amount > 10"


class Among(NamedTuple):
    """Whether an attribute is one of `values`, or, where `negated`, none of them."""

    name: str
    values: tuple[Constant, ...]
    negated: bool


class Ordered(NamedTuple):
    """Whether an attribute is below or above a number."""

    name: str
    operator: Order
    limit: float


class Missing(NamedTuple):
    """Whether an attribute is missing, or, where `negated`, is there."""

    name: str
    negated: bool


class Joined(NamedTuple):
    """Whether all `parts` are true, or any of them."""

    operator: Literal["and", "or"]
    parts: tuple[Rule, ...]


Rule = Among | Ordered | Missing | Joined


def parse(text: str, field: str = "targeting") -> Rule:
    """The rule that a text states, without any `not`.

    Raises:
        InvalidInput: it is none; names `field`, the text, the place, and what would be right.

    >>> parse("not (country == 'DE' or 10 < amount)")  # doctest: +NORMALIZE_WHITESPACE
    Joined(operator='and', parts=(Among(name='country', values=('DE',), negated=True),
                                  Ordered(name='amount', operator='<=', limit=10.0)))
    >>> parse("country = 'DE'")
    Traceback (most recent call last):
    tropism.core.errors.InvalidInput: targeting is not a rule
      targeting: got "country = 'DE'", at character 9; write == to compare
    """
    return _Reader(text, field).rule()


class _Reader:
    """Turns the syntax tree of one text into a rule; `negated`: below an odd number of `not`."""

    def __init__(self, text: str, field: str) -> None:
        self._given = text
        self._field = field
        self._text = " ".join(text.splitlines())

    def rule(self) -> Rule:
        if len(self._given) > LONGEST:
            raise self._wrong(LONGEST, f"use at most {LONGEST} characters")
        indent = len(self._text) - len(self._text.lstrip())
        self._bytes = self._text[indent:].encode(errors="surrogatepass")
        self._indent = indent
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of a backslash that means nothing
                tree = ast.parse(self._bytes.decode(), mode="eval").body
        except SyntaxError as error:
            at = indent + error.offset - 1 if error.offset else len(self._text.rstrip())  # 0: it ends too early
            raise self._wrong(at, self._meant(at)) from None
        except (ValueError, RecursionError, MemoryError, Warning):
            raise self._wrong(indent, _FIX) from None
        return self._read(tree, False)

    def _meant(self, at: int) -> str:
        """The fix for a text that is no Python. A single `=` is the commonest slip."""
        around = self._text[max(at - 1, 0) : at + 2]
        single = "=" in around and not any(sign in around for sign in ("==", "!=", "<=", ">="))
        return "write == to compare" if single else _FIX

    def _read(self, node: ast.expr, negated: bool) -> Rule:
        if isinstance(node, ast.BoolOp):
            both = isinstance(node.op, ast.And) != negated  # De Morgan
            return Joined("and" if both else "or", tuple(self._read(one, negated) for one in node.values))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._read(node.operand, not negated)
        if isinstance(node, ast.Compare):
            return self._chain(node, negated)
        return Among(self._name(node), (True,), negated)

    def _chain(self, node: ast.Compare, negated: bool) -> Rule:
        """A comparison, or several in a row such as `10 < amount <= 20`."""
        sides = [node.left, *node.comparators]
        parts = tuple(
            self._comparison(left, operator, right, negated)
            for left, operator, right in zip(sides, node.ops, sides[1:], strict=False)
        )
        return parts[0] if len(parts) == 1 else Joined("or" if negated else "and", parts)

    def _comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, negated: bool) -> Rule:
        if isinstance(operator, ast.In | ast.NotIn):
            return Among(self._name(left), self._listed(right), isinstance(operator, ast.NotIn) != negated)
        if isinstance(operator, ast.Is | ast.IsNot):
            if not isinstance(right, ast.Constant) or right.value is not None:
                raise self._at(right, "write == to compare; `is` and `is not` are for None")
            return Missing(self._name(left), isinstance(operator, ast.IsNot) != negated)
        mirrored = not isinstance(left, ast.Name | ast.Attribute)
        name, constant = (right, left) if mirrored else (left, right)
        found = self._name(name)
        value = self._constant(constant)
        order = _ORDERS.get(type(operator))
        if order is None:
            return Among(found, (value,), isinstance(operator, ast.NotEq) != negated)
        if isinstance(value, str | bool):
            raise self._at(constant, "only numbers have an order; use == or in")
        order = _MIRRORED[order] if mirrored else order
        return Ordered(found, _OPPOSITE[order] if negated else order, value)

    def _name(self, node: ast.expr) -> str:
        """An attribute, or one with a dotted name such as `spend.count_7d`."""
        if isinstance(node, ast.Attribute):
            return f"{self._name(node.value)}.{node.attr}"
        if isinstance(node, ast.Name):
            return node.id
        raise self._at(node, _FIX)

    def _listed(self, node: ast.expr) -> tuple[Constant, ...]:
        if not isinstance(node, ast.List | ast.Tuple | ast.Set) or not node.elts:
            raise self._at(node, "give constants in brackets after 'in', such as ('a', 'b')")
        return tuple(self._constant(one) for one in node.elts)

    def _constant(self, node: ast.expr) -> Constant:
        signed = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        bare = node.operand if signed and isinstance(node, ast.UnaryOp) else node
        value = bare.value if isinstance(bare, ast.Constant) else None
        if value is None and isinstance(bare, ast.Constant):
            raise self._at(node, "write `is None` or `is not None`")
        if isinstance(value, int | float) and not isinstance(value, bool):
            if abs(value) > 1e300:
                raise self._at(node, "write a smaller number")
            return -float(value) if signed else float(value)
        if signed or not isinstance(value, str | bool):
            raise self._at(node, "give a constant here: a number, a text in quotes, True or False")
        return value

    def _at(self, node: ast.expr, fix: str) -> InvalidInput:
        """Places in a tree are counted in bytes."""
        return self._wrong(self._indent + len(self._bytes[: node.col_offset].decode()), fix)

    def _wrong(self, at: int, fix: str) -> InvalidInput:
        value = f"{shown(self._given, 200)}, at character {at + 1}"
        return InvalidInput(f"{self._field} is not a rule", Fault(self._field, value, fix))

"""Segments as people declare them: a feature (`"country"`), or a named rule (`"big: amount > 1000"`).

A rule compares features with constants, as Python writes it: `== != < <= > >=`, `in`, `not in`, `is None`,
`is not None`, joined by `and`, `or`, `not` and brackets. A comparison with a missing value is neither true nor false,
as in SQL; a row belongs to the segment only where the whole is true. Nothing is ever run as Python.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.core.faults import Faults, one_of
from tropism.core.task import Feature, Task

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_MIRRORED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}
_FIX = "compare features with constants, such as: amount > 1000 and country == 'DE'"
_LONGEST = 1_000
Constant = float | str | bool


class Rule(NamedTuple):
    """A segment by a rule: its name, and the rule's syntax tree."""

    name: str
    tree: ast.expr


def parse(task: Task, text: str) -> Feature | Rule:
    """A declared segment: one of the task's features, or a rule over them.

    Raises:
        InvalidInput: it is neither; says where.

    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("amount"),))
    >>> parse(task, "big: amount > 1000").name
    'big'
    """
    known = {feature.name: feature for feature in task.features}
    if text.strip() in known:
        return known[text.strip()]
    name, colon, rule = text.partition(":")
    if not colon or "'" in name or '"' in name:
        name = rule = text
    if len(text) > _LONGEST:
        raise _refused(text[:20] + "...", f"shorten it to {_LONGEST} characters")
    try:
        tree = ast.parse(rule.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refused(text, _FIX) from error
    _compiled(tree, known, None)
    return Rule(name.strip(), tree)


def matching(rule: Rule, task: Task, table: pa.Table, prefix: str = "f_") -> pa.ChunkedArray:
    """Which rows a rule is true of, as booleans without nulls.

    Raises:
        DataInvalid: a column that it needs is not there, or is of another type.

    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("amount"),))
    >>> rule = parse(task, "not amount > 5")
    >>> matching(rule, task, pa.table({"f_amount": [1.0, None, 9.0]})).to_pylist()
    [True, False, False]
    """
    known = {feature.name: feature for feature in task.features}
    columns = {name: table[prefix + name] for name in known if prefix + name in table.column_names}
    try:
        found = _compiled(rule.tree, known, columns)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        fault = Fault(rule.name, str(error).splitlines()[0], "compare it with a value of its type")
        raise DataInvalid(f"segment '{rule.name}' cannot be told", fault) from error
    return pc.fill_null(found, False)


def check_segments(task: Task, declared: Sequence[str]) -> None:
    """Raises InvalidInput with a fault for each declared segment that is no feature and no rule, or is named twice.

    >>> task = Task(name="t", kind="binary", target="y", features=(Feature("country", "category"),))
    >>> check_segments(task, ["country", "german: country == 'DE'"])
    """
    faults, names = Faults(), set()
    for text in declared:
        try:
            name = parse(task, text).name
        except InvalidInput as error:
            for fault in error.faults:
                faults.add(InvalidInput, error.message, fault.field, fault.value, fault.fix)
            continue
        if name in names:
            faults.add(InvalidInput, "two segments have one name", "segments", repr(name), "name each segment once")
        names.add(name)
    faults.check()


Columns = dict[str, pa.ChunkedArray] | None


def _compiled(node: ast.expr, known: dict[str, Feature], columns: Columns) -> pa.ChunkedArray | None:
    """Checks a tree and, where there are columns, evaluates it with the logic of three values."""
    if isinstance(node, ast.BoolOp):
        parts = [_compiled(value, known, columns) for value in node.values]
        join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
        found = parts[0]
        for part in parts[1:]:
            found = None if columns is None else join(found, part)
        return found
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _compiled(node.operand, known, columns)
        return None if columns is None else pc.invert(inner)
    if isinstance(node, ast.Compare):
        return _chain(node, known, columns)
    feature = _feature(node, known)
    if feature.type != "boolean":
        raise _refused(ast.unparse(node), "only a boolean feature can stand alone; compare this one with a constant")
    return None if columns is None else _column(feature, columns)


def _chain(node: ast.Compare, known: dict[str, Feature], columns: Columns) -> pa.ChunkedArray | None:
    """A comparison, or several in a row such as `10 < amount <= 20`."""
    found, sides = None, [node.left, *node.comparators]
    for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
        part = _comparison(left, operator, right, known, columns)
        found = part if found is None else pc.and_kleene(found, part)
    return found


def _comparison(
    left: ast.expr, operator: ast.cmpop, right: ast.expr, known: dict[str, Feature], columns: Columns
) -> pa.ChunkedArray | None:
    name = _COMPARISONS.get(type(operator))
    if name and isinstance(_bare(left), ast.Constant):
        left, right, name = right, left, _MIRRORED.get(name, name)
    feature = _feature(left, known)
    if isinstance(operator, ast.In | ast.NotIn):
        if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
            raise _refused(ast.unparse(right), "give a list of constants after 'in', such as ['DE', 'FR']")
        values = [_constant(item, feature) for item in right.elts]
        return None if columns is None else _member(_column(feature, columns), values, isinstance(operator, ast.NotIn))
    if isinstance(operator, ast.Is | ast.IsNot) and isinstance(right, ast.Constant) and right.value is None:
        if columns is None:
            return None
        column = _column(feature, columns)
        return pc.is_null(column) if isinstance(operator, ast.Is) else pc.is_valid(column)
    if name is None:
        raise _refused(ast.unparse(ast.Compare(left, [operator], [right])), _FIX)
    value = _constant(right, feature)
    if feature.type != "number" and name in _MIRRORED:
        raise _refused(ast.unparse(left), f"a {feature.type} has no order; use == or in")
    return None if columns is None else pc.call_function(name, [_column(feature, columns), pa.scalar(value)])


def _member(column: pa.ChunkedArray, values: list[Constant], negated: bool) -> pa.ChunkedArray:
    found = pc.is_in(column, value_set=pa.array(values))
    found = pc.if_else(pc.is_valid(column), found, pa.scalar(None, pa.bool_()))
    return pc.invert(found) if negated else found


def _column(feature: Feature, columns: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    if feature.name not in columns:
        fault = Fault(feature.name, "no column", "give the feature's column, or leave the segment out")
        raise DataInvalid(f"there is no column of '{feature.name}'", fault)
    wanted = {"number": pa.float64(), "category": pa.string(), "boolean": pa.bool_()}[feature.type]
    column = pc.cast(columns[feature.name], wanted)
    if feature.type != "number":
        return column
    return pc.if_else(pc.fill_null(pc.is_nan(column), True), pa.scalar(None, wanted), column)


def _feature(node: ast.expr, known: dict[str, Feature]) -> Feature:
    name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else None
    if name is None:
        raise _refused(ast.unparse(node), _FIX)
    if name not in known:
        raise _refused(name, one_of(name, known, "features", "declare a feature"))
    return known[name]


def _bare(node: ast.expr) -> ast.expr:
    """A constant without its sign."""
    signed = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    return node.operand if signed and isinstance(node, ast.UnaryOp) else node


def _constant(node: ast.expr, feature: Feature) -> Constant:
    bare = _bare(node)
    value = bare.value if isinstance(bare, ast.Constant) else None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {"number": number, "category": isinstance(value, str), "boolean": isinstance(value, bool)}[feature.type]
    if not fits or (bare is not node and not number):
        raise _refused(ast.unparse(node), f"compare '{feature.name}' with a constant {feature.type}")
    assert isinstance(value, int | float | str)
    if feature.type != "number":
        return value
    return -float(value) if bare is not node else float(value)


def _refused(text: str, fix: str) -> InvalidInput:
    return InvalidInput("this is no segment", Fault("segments", repr(text), fix))

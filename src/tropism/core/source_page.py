"""The text of a file of declarations: where each call and each of its arguments stands."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tropism.core.misfits import steps

if TYPE_CHECKING:
    import traceback
    from collections.abc import Collection, Mapping, Sequence


class SourcePage:
    """The calls of one file. `fields`: names of arguments by position, by the name of what is called.

    >>> page = SourcePage("project.py", ast.parse('a = Row("x",' + chr(10) + 'weight=2)'), {"Row": ("name", "weight")})
    >>> page.place(page.declaration({"Row"}, "x"), "weight", "project.py")
    'project.py:2'
    """

    def __init__(self, name: str, tree: ast.Module, fields: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self._fields = fields
        self._calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]

    def call(self, frame: traceback.FrameSummary) -> ast.Call | None:
        """The call that a frame was in."""
        where = (frame.lineno, frame.colno, frame.end_lineno, frame.end_colno)
        for call in self._calls:
            if (call.lineno, call.col_offset, call.end_lineno, call.end_col_offset) == where:
                return call
        return None

    def declarations(self, made_by: Collection[str], name: str) -> list[ast.Call]:
        """The calls of one of these functions that make something of a name, as far as it is written out in them."""
        return [call for call in self._calls if function_of(call) in made_by and self._says(call, name)]

    def declaration(self, made_by: Collection[str], name: str) -> ast.Call | None:
        """The only one of `declarations`; None where there are none or several."""
        found = self.declarations(made_by, name)
        return found[0] if len(found) == 1 else None

    def place(self, call: ast.Call | None, field: str, otherwise: str) -> str:
        """File and line of a call's argument, as far down its path as it is written out."""
        if call is None:
            return otherwise
        node: ast.expr | None = call
        line = call.lineno
        for step in steps(field):
            node = self._step(node, step)
            if node is None:
                break
            line = node.lineno
        return f"{self.name}:{line}"

    def _says(self, call: ast.Call, name: str) -> bool:
        value = self._step(call, "name") or self._step(call, "key")  # flags go by a key
        return isinstance(value, ast.Constant) and value.value == name

    def _step(self, node: ast.expr | None, step: str) -> ast.expr | None:
        """An argument of a call by its name, an element of a tuple or list by its number or its own name."""
        if isinstance(node, ast.Call):
            named = next((one.value for one in node.keywords if one.arg == step), None)
            fields = self._fields.get(function_of(node), ())
            position = fields.index(step) if step in fields else len(node.args)
            return named or (node.args[position] if position < len(node.args) else None)
        if isinstance(node, ast.Tuple | ast.List):
            if step.isdigit():
                return node.elts[int(step)] if int(step) < len(node.elts) else None
            return next((one for one in node.elts if isinstance(one, ast.Call) and self._says(one, step)), None)
        return None


def function_of(call: ast.Call) -> str:
    """The name of what is called; empty where it has none."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")

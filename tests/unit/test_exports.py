"""Every package hands out names and nothing else: a sorted `__all__` that resolves, and no logic in `__init__.py`."""

from __future__ import annotations

import ast
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import tropism

PACKAGES = sorted(
    ["tropism", *(found.name for found in pkgutil.walk_packages(tropism.__path__, "tropism.") if found.ispkg)]
)
PUBLIC = sorted([*PACKAGES, "tropism.sdk", "tropism.tracking"])


@pytest.mark.parametrize("name", PUBLIC)
def test_exported_names_are_sorted_and_resolve(name: str) -> None:
    module = import_module(name)
    exported = getattr(module, "__all__", [])
    assert list(exported) == sorted(set(exported))
    missing = [attribute for attribute in exported if not hasattr(module, attribute)]
    assert missing == []
    assert module.__doc__, f"{name} says nothing of itself"


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_only_hand_out_names(name: str) -> None:
    module = import_module(name)
    assert module.__file__ is not None
    body = ast.parse(Path(module.__file__).read_text()).body
    imports = [node for node in body if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    handed = {alias.asname or alias.name for node in imports for alias in node.names}
    logic = [f"line {node.lineno}" for node in body if not _hands_out(node)]
    assert logic == []
    assert handed <= set(getattr(module, "__all__", [])), "imported, but not in __all__"


def _hands_out(node: ast.stmt) -> bool:
    """A docstring, an import from elsewhere, `__all__` or `__version__`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.startswith("__") for target in node.targets)
    return isinstance(node, ast.ImportFrom)

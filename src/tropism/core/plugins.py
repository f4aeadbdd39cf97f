"""Finds plugins by Python entry point, and loads them only when they are asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tropism.core.errors import Fault, MissingExtra, SettingInvalid


@cache
def _group(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> tuple[str, ...]:
    """Names registered in a group, sorted.

    >>> "lightgbm" in names("tropism.learners")
    True
    """
    return tuple(sorted(_group(group)))


def load(group: str, name: str) -> Any:
    """The object registered under `name`.

    Raises:
        SettingInvalid: nothing is registered under that name.
        MissingExtra: its module needs a package that is not installed.
    """
    point = _group(group).get(name)
    if point is None:
        known = ", ".join(names(group)) or "none"
        raise SettingInvalid(f"no plugin '{name}' in {group}", Fault(group, name, f"use one of: {known}"))
    try:
        return point.load()
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"the plugin '{name}' needs the package '{error.name}'",
            Fault(group, name, f"install it: pip install {error.name}"),
        ) from error


def require(module: str, extra: str) -> Any:
    """An optional dependency, imported late.

    Raises:
        MissingExtra: it is not installed; the message names the extra that brings it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"this needs the package '{module}'",
            Fault("extra", extra, f"install it: pip install 'tropism[{extra}]'"),
        ) from error

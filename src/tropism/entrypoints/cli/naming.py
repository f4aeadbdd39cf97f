"""Finds the version that a person names as MODEL:VERSION, or as MODEL for its champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from tropism.registry import ModelVersion, Registry


def named_version(registry: Registry, text: str) -> ModelVersion:
    """The version that `text` names.

    Raises:
        InvalidInput: what follows the colon is no number, or there is no champion to fall back on.
        UnknownTask, UnknownModel, UnknownVersion: there is none.
    """
    model, mark, number = text.partition(":")
    registry.tasks.get(model)
    if not mark:
        champion = registry.aliases.get(model, "champion")
        if champion is None:
            fix = f"name the version: {model}:1; `tropism models {model}` lists them"
            raise InvalidInput(f"'{model}' has no champion", Fault("version", text, fix))
        return registry.versions.get(model, champion)
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise InvalidInput("a version is a number", Fault("version", repr(text), f"write it as {model}:1"))
    return registry.versions.get(model, int(number))

"""What may be logged: lengths and characters, which are those of MLflow."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import shown

if TYPE_CHECKING:
    from collections.abc import Sized

KEY = 250
PARAM = 6_000
TAG = 8_000
NAME = 500
REGISTRY_TAG = 100_000
METRICS = 1_000
PARAMS = 100
EXPERIMENTS = 10_000
LARGEST = (1 << 63) - 1
_PATH = 1_000
_KEY = re.compile(r"[/\w.\- :]+")
_ALIAS = re.compile(r"[\w\-]{1,255}")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)


def invalid(field: str, value: object, fix: str) -> InvalidInput:
    """The error for one field that does not fit."""
    return InvalidInput(f"'{field}' does not fit", Fault(field, shown(value), fix))


def require_key(key: str, field: str) -> None:
    """Raises: InvalidInput: this cannot name a metric, a param or a tag.

    >>> require_key("val/acc", "key")
    >>> require_key("../acc", "key")
    Traceback (most recent call last):
        ...
    tropism.core.errors.InvalidInput: 'key' does not fit
      key: got "../acc"; leave out '..', doubled slashes and those at an end: a name is read as a path
    """
    require_length(key, KEY, field)
    if not _KEY.fullmatch(key):
        raise invalid(field, key, "use letters, digits, and any of _ - . / : and the space")
    if posixpath.normpath(key) != key or key.startswith(("/", "..")) or key == ".":
        raise invalid(field, key, "leave out '..', doubled slashes and those at an end: a name is read as a path")


def require_length(text: str, most: int, field: str) -> None:
    """Raises: InvalidInput: there is nothing, or too much of it."""
    if not text:
        raise invalid(field, text, "send at least one character")
    require_at_most(text, most, field)


def require_at_most(text: str, most: int, field: str) -> None:
    """Raises: InvalidInput: it is too long."""
    if len(text) > most:
        fix = f"use {most} characters at most; these are {len(text)}"
        raise InvalidInput(f"'{field}' is too long", Fault(field, shown(text), fix))


def require_few(values: Sized, most: int, field: str) -> None:
    """Raises: InvalidInput: there are too many."""
    if len(values) > most:
        raise invalid(field, len(values), f"send {most} at most in one call")


def require_alias(alias: str) -> None:
    """Raises: InvalidInput: this cannot be an alias."""
    if not _ALIAS.fullmatch(alias):
        raise invalid("alias", alias, "use 1 to 255 letters, digits, _ and -")
    if _RESERVED.fullmatch(alias):
        raise invalid("alias", alias, "use another: 'latest' and names such as 'v1' stand for versions")


def require_model_name(name: str, field: str = "name") -> None:
    """Raises: InvalidInput: this cannot name a registered model."""
    require_length(name, KEY, field)
    if "/" in name or ":" in name or not name.strip():
        raise invalid(field, name, "leave out / and :, which part a model's name from its version in a URI")


def require_path(path: str, field: str = "path") -> str:
    """An artifact's path, without a slash at its end.

    Raises:
        InvalidInput: it leads elsewhere, also once it is decoded.

    >>> require_path("0/run/artifacts/model/")
    '0/run/artifacts/model'
    """
    path = path.removesuffix("/")
    require_at_most(path, _PATH, field)
    decoded, before = unquote(path), path
    while decoded != before:
        decoded, before = unquote(decoded), decoded
    parts = decoded.split("/")
    if path and (any(part in ("", ".", "..") for part in parts) or re.search(r"[\\\x00-\x1f\x7f]", decoded)):
        raise invalid(field, path, "use a relative path without '.', '..', backslashes and empty parts")
    return path

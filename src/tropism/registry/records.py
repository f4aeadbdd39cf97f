"""Rows as the immutable records that the registry hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tropism.core.errors import Fault, IntegrityError

if TYPE_CHECKING:
    from sqlalchemy import Row

T = TypeVar("T")


def record(kind: type[T], row: Row[Any]) -> T:
    """A row whose columns are the fields of the struct `kind`.

    Raises:
        IntegrityError: the row holds what the registry never writes.
    """
    try:
        return msgspec.convert({str(name): value for name, value in zip(row._fields, row, strict=True)}, kind)
    except msgspec.ValidationError as error:
        raise unreadable(kind.__name__, row[0], error) from error


def unreadable(kind: str, name: Any, error: Exception) -> IntegrityError:
    """The error for a stored record that does not decode."""
    fix = "restore the tables from a backup, or use the version of Tropism that wrote them"
    return IntegrityError(f"the stored {kind} {name!r} cannot be read: {error}", Fault(kind, str(name), fix))

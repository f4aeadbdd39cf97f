"""What is said of data that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import DataInvalid, Fault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def unreadable(place: Path | str, form: str, error: Exception) -> DataInvalid:
    """The error for a place that is not of a form of data, or cannot be opened."""
    reason = str(error).strip().partition("\n")[0][:200]
    fix = f"name {form} data that this user may read, or write it anew"
    return DataInvalid(f"{place} cannot be read as {form}: {reason}", Fault("path", str(place)[-80:], fix))


def require_columns(there: Sequence[str], wanted: Sequence[str], place: str) -> None:
    """Raises `DataInvalid` unless each column wanted is there once."""
    faults = []
    for column in wanted:
        count = list(there).count(column)
        if count != 1:
            fix = "rename all of them but one" if count else f"it has: {', '.join(there)[:200] or 'no columns'}"
            faults.append(Fault(column, f"{count} columns" if count else "missing", fix))
    if faults:
        raise DataInvalid(f"{place} has not the columns that are needed", *faults)

"""Prints tables and numbers for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table on standard output; numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    kept = [tuple(row) for row in rows]
    for index, name in enumerate(head):
        numbers = all(isinstance(row[index], int | float) for row in kept) and bool(kept)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in kept:
        table.add_row(*(shown(value) for value in row))
    Console().print(table)


def shown(value: Any) -> str:
    """A value as a table shows it.

    >>> shown(0.123456), shown(None), shown(12)
    ('0.1235', '-', '12')
    """
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

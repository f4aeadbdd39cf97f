"""Prints tables and numbers for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tropism.core.clock import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDE = 1_000


def print_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table on standard output; numbers to the right. Outside a terminal a row is always one line."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    kept = [tuple(row) for row in rows]
    for index, name in enumerate(head):
        numbers = all(isinstance(row[index], int | float) for row in kept) and bool(kept)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in kept:
        table.add_row(*(shown(value) for value in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def shown(value: Any) -> str:
    """A value as a table shows it.

    >>> shown(0.123456), shown(None), shown(12)
    ('0.1235', '-', '12')
    """
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def moment(at: int) -> str:
    """A time (µs) as people read it, UTC, to the minute.

    >>> moment(90_000_000)
    '1970-01-01 00:01'
    """
    return f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%d %H:%M}"

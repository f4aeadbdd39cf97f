"""Progress bars, for terminals only: a log gets no control characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def progress_bars(*columns: str | ProgressColumn) -> Progress:
    """A bar that goes when it is done; in a file or pipe nothing is shown."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

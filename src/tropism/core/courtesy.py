"""Long work beside work that must not wait: it stops for a moment every so often, so that others have the interpreter.

Python's own way, to ask a busy thread for the interpreter after a while, is not enough: a request needs it several
times and waits each time, and one that waits beside many short array operations may miss every chance to get it.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import perf_counter, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPELL = 0.0003
_REST = 0.0007


class _Thread(threading.local):
    since: float | None = None


_thread = _Thread()


@contextmanager
def giving_way() -> Iterator[None]:
    """Within the block, `give_way` in this thread rests for 0.7 ms whenever 0.3 ms have gone by since it last did."""
    before, _thread.since = _thread.since, perf_counter()
    try:
        yield
    finally:
        _thread.since = before


def give_way() -> None:
    """To be called every fraction of a millisecond of long work. Does nothing outside `giving_way`.

    >>> give_way()
    """
    if _thread.since is not None and perf_counter() - _thread.since > _SPELL:
        sleep(_REST)
        _thread.since = perf_counter()

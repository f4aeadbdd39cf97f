"""Where Arrow takes its memory from while much of it comes and goes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEADY = "jemalloc"
_KEPT, _USUAL = 10_000, 1_000
"""For how long (ms) memory that is given back is kept for the next who asks: inside, and as Arrow has it."""
_lock = threading.Lock()
_inside: list[Any] = []
"""The usual allocator, once for each caller that is inside."""


@contextmanager
def steady_memory() -> Iterator[None]:
    """What Arrow allocates meanwhile comes from jemalloc, in all threads, if this build of Arrow has it, and is kept
    until the end.

    Arrow's usual allocator takes huge pages and soon gives them back: on a virtual machine, to have them again can cost
    more time than a whole join. What is allocated already stays where it is.
    """
    if _STEADY not in pa.supported_memory_backends():
        yield
        return
    with _lock:
        _inside.append(_inside[0] if _inside else pa.default_memory_pool())
        pa.set_memory_pool(pa.jemalloc_memory_pool())
        pa.jemalloc_set_decay_ms(_KEPT)
    try:
        yield
    finally:
        with _lock:
            usual = _inside.pop()
            if not _inside:
                pa.set_memory_pool(usual)
                pa.jemalloc_set_decay_ms(_USUAL)
                pa.jemalloc_memory_pool().release_unused()

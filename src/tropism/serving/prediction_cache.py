"""Scores that were given before, for equal rows of one version."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Key = tuple[str, int, bytes]
    Scores = tuple[float, ...]

CACHED = "cached-prediction"
"""The kind of note on a prediction whose scores were kept."""


class PredictionCache:
    """At most `size` scores, each for at most `seconds`; the least recently used go first. For one event loop.

    Keys are whole: a task, a version, and the row's codes as bytes. So no two rows are ever taken for one another,
    and a new version starts with nothing.

    >>> cache = PredictionCache(100, 60.0)
    >>> cache.keep(cache.key("price", 3, [1.0, 2.0]), (0.5,))
    >>> cache.find(cache.key("price", 3, [1.0, 2.0])), cache.find(cache.key("price", 4, [1.0, 2.0]))
    ((0.5,), None)
    """

    def __init__(self, size: int, seconds: float, now: Callable[[], float] = monotonic) -> None:
        """`now` gives seconds."""
        self._size = size
        self._seconds = seconds
        self._now = now
        self._kept: OrderedDict[Key, tuple[float, Scores]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def key(self, task: str, version: int, codes: Sequence[float]) -> Key:
        """What a row's scores are kept under."""
        return task, version, array("d", codes).tobytes()

    def find(self, key: Key) -> Scores | None:
        """Scores that were kept and are still young enough."""
        found = self._kept.get(key)
        if found is None:
            return None
        until, scores = found
        if self._now() >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return scores

    def keep(self, key: Key, scores: Scores) -> None:
        """Keeps scores, from now on for as long as they may be kept."""
        self._kept[key] = (self._now() + self._seconds, scores)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

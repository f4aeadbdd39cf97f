"""Circuit breakers: a model that keeps failing is left alone for a while. Nygard, Release It!, 2007."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILURES = 5
_REST = 30.0


class Breaker:
    """Opens after some failures in a row; a while later one call may try again, and closes it if it succeeds.

    >>> now = 0.0
    >>> breaker = Breaker(failures=2, rest=30.0, time=lambda: now)
    >>> breaker.failed(), breaker.failed(), breaker.allows()
    (False, True, False)
    >>> now = 31.0
    >>> breaker.allows(), breaker.allows()
    (True, False)
    """

    def __init__(self, failures: int = _FAILURES, rest: float = _REST, time: Callable[[], float] = monotonic) -> None:
        self._most = failures
        self._rest = rest
        self._time = time
        self._failures = 0
        self._closed_from = 0.0

    @property
    def failing(self) -> bool:
        """Whether the last call failed."""
        return self._failures > 0

    def allows(self) -> bool:
        """Whether a call may be made now."""
        if self._failures < self._most:
            return True
        if self._time() < self._closed_from:
            return False
        self._closed_from = self._time() + self._rest  # one tries; the others wait for what comes of it
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> bool:
        """Notes a failure. True if it opened the breaker."""
        self._failures += 1
        self._closed_from = self._time() + self._rest
        return self._failures == self._most

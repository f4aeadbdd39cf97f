"""Rate limits: a token bucket for each caller. Partridge, Gigabit Networking, 1994 (the leaky bucket as a meter)."""

from __future__ import annotations

from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_CALLERS = 100_000
_LONGEST_KEY = 64


class Rates:
    """Admits `rate` requests a second from each caller, and `burst` at once; any number if `rate` is 0.

    A caller is known by its key (`x-api-key`, or `authorization`), else by its address.

    >>> rates = Rates(rate=1, burst=2, time=lambda: 0.0)
    >>> [rates.admit(b"k", None) for _ in range(3)], rates.admit(b"other", None)
    ([True, True, False], True)
    """

    def __init__(self, rate: float = 0.0, burst: int = 1, time: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._time = time
        self._buckets: dict[Any, tuple[float, float]] = {}

    def admit(self, key: bytes, address: tuple[str, int] | None) -> bool:
        """Whether a caller may ask now; if so, it is counted."""
        if not self._rate:
            return True
        caller, now = _caller(key, address), self._time()
        tokens, last = self._buckets.get(caller, (self._burst, now))
        tokens = min(self._burst, tokens + (now - last) * self._rate)
        if len(self._buckets) >= _MOST_CALLERS and caller not in self._buckets:
            self._forget(now)
        self._buckets[caller] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1

    def give_back(self, key: bytes, address: tuple[str, int] | None) -> None:
        """Takes back the last `admit`: the same request is going to ask again."""
        if self._rate:
            caller = _caller(key, address)
            tokens, last = self._buckets.get(caller, (self._burst, self._time()))
            self._buckets[caller] = (tokens + 1, last)

    def _forget(self, now: float) -> None:
        """Forgets callers whose buckets are full again: they are as good as new."""
        full = self._burst / self._rate
        self._buckets = {caller: one for caller, one in self._buckets.items() if now - one[1] < full}
        if len(self._buckets) > _MOST_CALLERS // 2:  # so that this is done seldom
            self._buckets.clear()


def _caller(key: bytes, address: tuple[str, int] | None) -> Any:
    if not key:
        return address and address[0]
    return key if len(key) <= _LONGEST_KEY else blake2b(key).digest()

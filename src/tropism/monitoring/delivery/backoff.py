"""How long to wait before a notice is tried again."""

from __future__ import annotations

from tropism.core.clock import SECOND

FIRST = SECOND
LONGEST = 600 * SECOND
_DOUBLINGS = 10  # FIRST doubled so often is above LONGEST


def backoff(attempts: int, chance: float) -> int:
    """µs until the next attempt, after `attempts` of them: doubled each time, up to ten minutes, and between half of
    that and all of it by `chance` (0 up to 1), so that many that failed together do not come back together.

    >>> [backoff(attempts, 1.0) // SECOND for attempts in (1, 2, 3, 10, 400)]
    [1, 2, 4, 512, 600]
    >>> backoff(3, 0.0) // SECOND
    2
    """
    full = min(LONGEST, FIRST << min(attempts - 1, _DOUBLINGS))
    return round(full * (0.5 + chance / 2))

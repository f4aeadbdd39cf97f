"""Flags as they are evaluated: kept in memory, and made anew when one was changed; and what they gave, counted.

A thread of its own stores the counts once a minute, as differences, so that those of any number of processes add up.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tropism.core.errors import IntegrityError, TropismError
from tropism.experiments.flags import Flagset
from tropism.serving.periodic import Periodic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tropism.core.clock import Clock
    from tropism.experiments.flags import Evaluation
    from tropism.registry.flags import Flags
    from tropism.serving.meters import Meters

_log = logging.getLogger(__name__)
EVERY = 60.0
"""Seconds between two writes of what was counted."""


class LiveFlags(NamedTuple):
    """The flags at one revision of theirs: to evaluate, and as `GET /v1/flags` sends them, with the entity tag."""

    revision: int
    flags: Flagset
    body: bytes
    etag: str


NO_FLAGS = LiveFlags(-1, Flagset(()), b'{"flags":[]}', '""')


class FlagLoader:
    """Reads the flags that there are. The same object until one is changed; else one look-up. Safe in any thread."""

    def __init__(self, store: Flags) -> None:
        self._store = store
        self._kept = NO_FLAGS

    def __call__(self) -> LiveFlags:
        """Flags that cannot be read leave the last ones in place: models are loaded all the same.

        Raises:
            NotReady: the registry is away.
        """
        kept = self._kept
        revision = self._store.revision()  # before `all`: a change in between is then seen by the next look
        if kept.revision == revision:
            return kept
        try:
            stored = self._store.all()
        except IntegrityError as error:
            _log.error("flags stay as they were: %s", error)
            return kept
        body = msgspec.json.encode({"flags": stored})
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        self._kept = LiveFlags(revision, Flagset(one.flag for one in stored), body, etag)
        return self._kept


def count_given(meters: Meters, found: Iterable[Evaluation]) -> None:
    """Counts evaluations of flags that there are, by variant and reason. In the event loop's thread."""
    for one in found:
        if one.error != "FLAG_NOT_FOUND":  # whose key is what the caller sent
            meters.flag_evaluations.add(one.key, one.variant, one.reason)


class FlagCounting:
    """Stores what `meters` count of flags, so that it outlives the process. For one process.

    Where nothing was evaluated, nothing is written. While the registry is away it waits. A process that is killed
    loses what it counted since the last write: a minute.
    """

    def __init__(self, meters: Meters, store: Flags, clock: Clock, every: float = EVERY) -> None:
        """Begins with what the meters hold now."""
        self._meters = meters
        self._store = store
        self._clock = clock
        self._periodic = Periodic("flag-counting", every, self.store, last=self.store)
        self._told = self._counted()

    def start(self) -> None:
        """Stores from now on, in a thread."""
        self._periodic.start()

    def close(self) -> None:
        """Stores what is left. Closing twice is fine."""
        self._periodic.close()

    def store(self) -> None:
        """Stores what was counted since the last time, if anything was. One at a time."""
        now = self._counted()
        more = {key: count - self._told.get(key, 0) for key, count in now.items() if count > self._told.get(key, 0)}
        if not more:
            return
        try:
            self._store.exposures.add(more, now=self._clock.now())
        except TropismError as error:
            _log.warning("evaluations of flags are stored a minute later: %s", error.message)
            return
        self._told = now

    def _counted(self) -> Mapping[tuple[str, str], int]:
        sums: dict[tuple[str, str], int] = {}
        for (flag, variant, _), count in self._meters.flag_evaluations.values.copy().items():
            sums[flag, variant] = sums.get((flag, variant), 0) + count
        return sums

"""The most frequent values, from counters that merge: Misra and Gries (1982), merged as in Agarwal et al., "Mergeable
summaries" (PODS 2012), and read from above as in Metwally, Agrawal and El Abbadi's Space-Saving (2005)."""

from __future__ import annotations

import msgspec

SIZE = 256


class Frequent(msgspec.Struct, frozen=True):
    """Counters of up to 256 values. A value was there at most as often as its counter says, and at most `error` times
    less; one without a counter at most `error` times. `error` is at most a 257th of all values; while there were never
    more than 256 different ones, it is 0. Counters of one batch are exact.

    >>> Frequent.of({"a": 3, "b": 1}).merge(Frequent.of({"b": 4})).counts
    {'b': 5, 'a': 3}
    """

    counts: dict[str, int] = {}
    error: int = 0

    @classmethod
    def of(cls, counts: dict[str, int], error: int = 0) -> Frequent:
        """Of exact counts, or of counters that are too large by up to `error`."""
        ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        if len(ranked) > SIZE:
            error = max(error, ranked[SIZE][1])
        return cls({value: count for value, count in ranked[:SIZE] if count > error}, error)

    def merge(self, other: Frequent) -> Frequent:
        """Of the values of both."""
        values = self.counts.keys() | other.counts.keys()
        counts = {one: self.counts.get(one, self.error) + other.counts.get(one, other.error) for one in values}
        return Frequent.of(counts, self.error + other.error)

    def top(self, most: int) -> dict[str, int]:
        """The most frequent values and their counters, the largest first."""
        return dict(list(self.counts.items())[:most])

"""Whether values are right: those of training sets for each label, those read online for each key."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from feature_peers.data import CREATED, FEATURES, KEY, LABEL, TIME, TTL_DAYS, Data, expected, micros, truth, values


class Checked(NamedTuple):
    """Of a training set. `dropped`: labels that are not in it; `wrong`: those that have a value that is not right."""

    labels: int
    dropped: int
    wrong: int


class Answers:
    """What is right for each label of some data, counted from the event times alone."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._times = micros(data.labels, TIME)
        keys = data.labels[KEY].to_numpy()
        self._chosen = {days: truth(data.rows, keys, self._times, days) for days in (0, TTL_DAYS)}

    def described(self) -> dict[str, int]:
        """`not_known_yet`: labels whose row was written after the label's time: event times alone look ahead there."""
        chosen = self._chosen[TTL_DAYS]
        created = micros(self._data.rows, CREATED)[np.maximum(chosen, 0)]
        found = chosen >= 0
        return {
            "labels": len(found),
            "with_values": int(found.sum()),
            "not_known_yet": int((found & (created > self._times)).sum()),
        }

    def check(self, made: pa.Table, asked: int, ttl_days: int) -> Checked:
        """A training set of the first `asked` labels: the number of the label, and a column per feature."""
        labels = made[LABEL].to_numpy()
        wrong = _differ(values(made, FEATURES), expected(self._data.rows, self._chosen[ttl_days][labels]))
        return Checked(asked, asked - len(np.unique(labels)), int(wrong.sum()))

    def online(self, keys: list[int], found: dict[str, Any]) -> dict[str, int]:
        """Of keys read online at `found["at"]`: how many have values, are wrong, are served though expired."""
        at = np.full(len(keys), found["at"])
        chosen = truth(self._data.rows, np.array(keys), at, TTL_DAYS)
        columns = [[np.nan if value is None else value for value in found["values"][name]] for name in FEATURES]
        wrong = _differ(np.array(columns, float).T, expected(self._data.rows, chosen))
        return {
            "keys": len(keys),
            "with_values": int((chosen >= 0).sum()),
            "expired_served": int((wrong & (chosen < 0)).sum()),
            "wrong": int((wrong & (chosen >= 0)).sum()),
        }


def _differ(found: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    same = (found == right) | (np.isnan(found) & np.isnan(right))
    return np.asarray(~same.all(axis=1))

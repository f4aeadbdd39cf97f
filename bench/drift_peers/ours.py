"""Our alarm, as the benchmark asks for it: one small seam between the streams and `tropism.monitoring.alarm`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import pyarrow as pa
from simulated import MONTH

from tropism.core.task import Feature
from tropism.monitoring.alarm.detector import ALARM, Detector, examined
from tropism.monitoring.alarm.losses import refer_losses
from tropism.monitoring.alarm.reference import Reference, refer
from tropism.monitoring.counts import (
    count_columns,
    places,
)

BETWEEN_ROWS = 60_000
"""µs: a thousand rows a minute."""
LABELS_BETWEEN_FALSE_ALARMS = 1_000_000
BLOCK = 3_200
"""Windows times columns that are read at once."""
Verdict = tuple[bool, str | None]
Counts = Mapping[str, Any]
"""Of one window: an int64 array of shape (binning.size,) by the name of the feature, without a prefix."""


class Watch:
    """The alarm of a task, with a budget of one false alarm in `run_length` windows. Starts afresh after an alarm, so
    that counting alarms counts what a user would be told.

    `binnings`: by which the windows are counted, of each column, in the order in which `read` takes them.
    """

    def __init__(self, reference: Reference, run_length: int) -> None:
        self._detector = Detector(examined(reference), run_length=run_length)
        self.binnings = {stream.name: stream.binning for stream in reference.streams}
        self._state = self._detector.start(0)

    def read(self, windows: Any) -> Iterator[Verdict]:
        """Reads windows, a minute each: counts of shape (windows, columns, bins), filled up to `bins` with 0.

        Whether each raises an alarm, and the column that is named first then. Nothing is read before it is asked for.
        """
        place, most = 0, BLOCK // windows.shape[1]
        while place < len(windows):
            some = windows[place : place + most]
            after, levels = self._detector.advance(self._state, some, np.arange(1, len(some) + 1))
            alarm = next((place for place, level in enumerate(levels) if level.score >= ALARM), None)
            if alarm is None:
                self._state = after
                yield from [(False, None)] * len(levels)
                place += len(levels)
                continue
            self._state = self._detector.start(0)
            yield from [(False, None)] * alarm
            yield True, self._detector.names[int(np.argmax(levels[alarm].columns))]
            place += alarm + 1

    @property
    def bins(self) -> int:
        return self._detector.bins

    def counted(self, table: pa.Table) -> Any:
        """The counts of one window of rows, as `read` takes them."""
        counts = count_columns(self.binnings, table)
        window = np.zeros((1, len(counts), self.bins))
        for place, name in enumerate(self.binnings):
            window[0, place, : len(counts[name])] = counts[name]
        return window


def watches(reference: pa.Table, run_length: int = MONTH) -> Callable[[], Watch]:
    """What makes watches over the columns of `reference`, named "f_" + feature; its rows are in time order, 60 ms
    apart."""
    kinds = [(name, pa.types.is_floating(reference[name].type)) for name in reference.column_names]
    features = [Feature(name.removeprefix("f_"), "number" if number else "category") for name, number in kinds]
    referred = refer(reference, np.arange(reference.num_rows) * BETWEEN_ROWS, features)
    made = Watch(referred, run_length)
    return lambda: copy(made)


def watches_losses(
    reference: Sequence[float], run_length: int = LABELS_BETWEEN_FALSE_ALARMS
) -> Callable[[], Callable[[Any], Any]]:
    """What makes the same detector on losses: reads matured losses (n,) in order, each a window of its own, and says of
    each whether it raises an alarm; starts afresh after one. `reference`: losses from when the model was known to be
    good.
    """
    made = Watch(refer_losses(reference, 0, len(reference)), run_length)
    binning = next(iter(made.binnings.values()))

    def fresh() -> Callable[[Any], Any]:
        watching = copy(made)

        def read(losses: Any) -> Any:
            windows = np.zeros((len(losses), 1, watching.bins))
            windows[np.arange(len(losses)), 0, places(binning, pa.chunked_array([pa.array(losses)]))] = 1
            return np.array([alarm for alarm, _ in watching.read(windows)])

        return read

    return fresh

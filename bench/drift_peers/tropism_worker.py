"""Tropism, in the project's environment: asked for the same as the peers, and for whole months from counts alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import ours
import pyarrow as pa
import pyarrow.parquet as pq
from answering import answer, measured
from scipy.special import ndtr
from simulated import FEATURES, ROWS, SHIFTED, Rows, Stream
from watching import MOST_WINDOWS, Judge, Verdict, delays, false_alarms, timed

from tropism.monitoring.counts import count_columns, freeze, measures, pack

NAMES = [str(k) for k in range(FEATURES)]
CHUNK = 360
"""Windows drawn at a time."""
KNOWN_GOOD = 100_000
CHUNK = 100_000
"""Losses from when the model was known to be good."""


def frozen(table: pa.Table) -> tuple[dict[str, Any], dict[str, Any]]:
    binnings = {name[2:]: freeze(table[name], "number") for name in table.column_names}
    return binnings, count_columns(binnings, table)


def cost(reference: str, current: str) -> dict[str, Any]:
    """`fit_cpu_seconds`: bins frozen and the reference counted, once; `cpu_seconds`: counting what is compared with
    it, and every measure of every column."""
    left, right = pq.read_table(reference), pq.read_table(current)
    with measured() as fit:
        binnings, before = frozen(left)
    with measured() as found:
        now = count_columns(binnings, right)
        measures(binnings, before, now)
    size = len(pack(now)) / len(now)
    return {**found, "fit_cpu_seconds": fit["cpu_seconds"], "state_bytes_per_feature": size}


def windows(reference: str, current: str, rows: int, count: int, seconds: float) -> dict[str, Any]:
    binnings, before = frozen(pq.read_table(reference))
    right = pq.read_table(current).combine_chunks()

    def compare(start: int) -> None:
        measures(binnings, before, count_columns(binnings, right.slice(start, rows)))

    return timed(compare, rows, count, seconds)


def table_of(rows: Rows) -> pa.Table:
    return pa.table({f"f_{name}": rows[:, k] for k, name in enumerate(NAMES)})


def judge_of(watching: ours.Watch) -> Judge:
    def judge(rows: Rows) -> dict[str, Verdict]:
        alarm, named = next(watching.read(watching.counted(table_of(rows))))
        return {"alarm": (alarm, None if named is None else int(named))}

    return judge


def watch(seed: int, rho: float, reference_rows: int, windows: int, seconds: float) -> dict[str, Any]:
    stream = Stream(seed, rho)
    watching = ours.watches(table_of(stream.reference(reference_rows)))()
    return false_alarms(judge_of(watching), stream, windows, seconds)


def find(seed: int, reference_rows: int, by: float, repetitions: int, before: int, seconds: float) -> dict[str, Any]:
    """On rows, as the peers are asked."""
    stream = Stream(seed)
    fresh = ours.watches(table_of(stream.reference(reference_rows)))
    return delays(lambda: judge_of(fresh()), stream, by, repetitions, before, seconds)


def probabilities(binning: Any, shift: float) -> Any:
    """Of the bins of a column that is normal with this mean."""
    below = ndtr(np.asarray(binning.edges, dtype=np.float64) - shift)
    return np.append(np.diff(below, prepend=0.0, append=1.0), 0.0)


class Drawn:
    """Windows of independent rows as counts alone, drawn from what the bins' counts are then: multinomials."""

    def __init__(self, watching: ours.Watch, seed: list[int]) -> None:
        self._watch, self._random = watching, np.random.default_rng(seed)

    def until(self, windows: int, by: float, seen: Callable[[bool, str | None], bool]) -> None:
        """Reads so many windows, one feature shifted by so much, unless `seen` answers that it has seen enough."""
        binnings = self._watch.binnings
        for start in range(0, windows, CHUNK):
            size = min(CHUNK, windows - start)
            counts = np.zeros((size, len(binnings), self._watch.bins))
            for place, (name, binning) in enumerate(binnings.items()):
                share = probabilities(binning, by if name == str(SHIFTED) else 0.0)
                counts[:, place, : binning.size] = self._random.multinomial(ROWS, share, size)
            for verdict in self._watch.read(counts):
                if seen(*verdict):
                    return


def month(seed: int, reference_rows: int, windows: int) -> dict[str, Any]:
    """A month of windows without a change, with a reference of its own."""
    alarms = 0

    def seen(alarm: bool, _: str | None) -> bool:
        nonlocal alarms
        alarms += alarm
        return False

    watching = ours.watches(table_of(Stream(seed).reference(reference_rows)))()
    start = time.perf_counter()
    Drawn(watching, [seed, 1]).until(windows, 0.0, seen)
    return {"windows": windows, "alarms": {"alarm": alarms}, "seconds": time.perf_counter() - start}


def find_drawn(seed: int, reference_rows: int, by: float, repetitions: int, before: int) -> dict[str, Any]:
    """Delays in counts that are drawn; each repetition after `before` windows without a change."""
    fresh = ours.watches(table_of(Stream(seed).reference(reference_rows)))
    waits: list[int | None] = []
    right = 0
    for repetition in range(repetitions):
        drawn = Drawn(fresh(), [seed, 2, repetition])
        drawn.until(before, 0.0, lambda *_: False)
        found: list[str | None] = []
        read = [0]

        def seen(alarm: bool, named: str | None, found: list[str | None] = found, read: list[int] = read) -> bool:
            read[0] += 1
            if alarm:
                found.append(named)
            return alarm

        drawn.until(MOST_WINDOWS, by, seen)
        waits.append(read[0] if found else None)
        right += found == [str(SHIFTED)]
    return {"delays": {"alarm": waits}, "right": {"alarm": right}}


def find_errors(
    kind: str, seed: int, rates: tuple[float, float], labels: int, repetitions: int, before: int, most: int, **_: Any
) -> dict[str, Any]:
    """`kind`: only one, ours. Labels are read many at a time, each as a window of its own."""
    reference = np.random.default_rng([seed, KNOWN_GOOD]).random(KNOWN_GOOD) < rates[0]
    fresh = ours.watches_losses(reference.astype(float))
    watching, false = fresh(), 0
    random = np.random.default_rng([seed, 0])
    for _ in range(labels // CHUNK):
        false += int(watching((random.random(CHUNK) < rates[0]).astype(float)).sum())
    waits: list[int | None] = []
    for _ in range(repetitions):
        watching = fresh()
        watching((random.random(before) < rates[0]).astype(float))
        found = np.flatnonzero(watching((random.random(most) < rates[1]).astype(float)))
        waits.append(int(found[0]) + 1 if len(found) else None)
    return {"labels": labels, "false": false, "waits": waits, "known_good": KNOWN_GOOD, "kind": kind}


if __name__ == "__main__":
    tasks = (cost, windows, watch, find, month, find_drawn, find_errors)
    answer({task.__name__: task for task in tasks})

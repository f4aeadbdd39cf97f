"""Rules on a stream: how often they cry, and how late. Runs in the environments of others too; numpy only."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from simulated import SHIFTED, Rows, Stream, errors, shifted

Verdict = tuple[bool, int | None]
"""Whether a rule raises an alarm at this window, and the feature that it names first."""
Judge = Callable[[Rows], dict[str, Verdict]]
MOST_WINDOWS = 500


def false_alarms(judge: Judge, stream: Stream, windows: int, seconds: float) -> dict[str, Any]:
    """Windows with an alarm where nothing changes, in as many windows as `seconds` allow."""
    counts: dict[str, int] = {}
    done, start = 0, time.perf_counter()
    for rows in stream.windows():
        for rule, (alarm, _) in judge(rows).items():
            counts[rule] = counts.get(rule, 0) + alarm
        done += 1
        if done >= windows or time.perf_counter() - start > seconds:
            break
    return {"windows": done, "alarms": counts}


def delays(
    fresh: Callable[[], Judge], stream: Stream, by: float, repetitions: int, before: int, seconds: float
) -> dict[str, Any]:
    """Windows from a shift to the first alarm, of each rule; None where there was none within MOST_WINDOWS.

    `right`: how often the feature that was named first was the one that shifted. `before`: windows without a shift
    that a fresh judge reads first. A repetition that `seconds` cut short counts for no rule; the first one never is.
    """
    found: dict[str, list[int | None]] = {}
    right: dict[str, int] = {}
    end = time.perf_counter() + seconds
    for repetition in range(1, repetitions + 1):
        until = end if repetition > 1 else float("inf")
        first = _first_alarms(fresh(), stream.windows(repetition), by, before, until)
        for rule, (place, named) in (first or {}).items():
            found.setdefault(rule, []).append(place)
            right[rule] = right.get(rule, 0) + (named == SHIFTED)
        if time.perf_counter() > end:
            break
    return {"delays": found, "right": right}


def _first_alarms(
    judge: Judge, windows: Iterator[Rows], by: float, before: int, until: float
) -> dict[str, tuple[int | None, int | None]] | None:
    """None where time ran out."""
    for rows in islice(windows, before):
        judge(rows)
    first: dict[str, tuple[int | None, int | None]] = {}
    for place, rows in enumerate(islice(windows, MOST_WINDOWS), start=1):
        verdicts = judge(shifted(rows, by))
        for rule, (alarm, named) in verdicts.items():
            if alarm and rule not in first:
                first[rule] = place, named
        if len(first) == len(verdicts):
            return first
        if time.perf_counter() > until:
            return None
    return {rule: first.get(rule, (None, None)) for rule in verdicts}


def timed(compare_from: Callable[[int], object], rows: int, count: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of the median window, of up to `count` within so many seconds; on the clock and of CPU."""
    took, used, start = [], [], time.perf_counter()
    for place in range(count):
        began, cpu = time.perf_counter(), time.process_time()
        compare_from(place * rows)
        used.append((time.process_time() - cpu) * 1e3)
        took.append((time.perf_counter() - began) * 1e3)
        if time.perf_counter() - start > seconds:
            break
    return {"windows": len(took), "median_ms": statistics.median(took), "median_cpu_ms": statistics.median(used)}


def errors_found(
    fresh: Callable[[], Callable[[float], bool]],
    seed: int,
    rates: tuple[float, float],
    labels: int,
    repetitions: int,
    before: int,
    most: int,
    seconds: float,
) -> dict[str, Any]:
    """False alarms at the first rate, and labels until the first alarm once it is the second.

    `before`: labels at the first rate that a fresh detector reads; alarms there are not counted.
    """
    update, false, done, start = fresh(), 0, 0, time.perf_counter()
    for label in errors(seed, 0, labels, rates[0]):
        false += update(label)
        done += 1
        if done % 1_000 == 0 and time.perf_counter() - start > seconds:
            break
    waits: list[int | None] = []
    start = time.perf_counter()
    for repetition in range(1, repetitions + 1):
        update = fresh()
        for label in errors(seed, repetition, before, rates[0]):
            update(label)
        after = errors(seed, repetition, most, rates[1])
        waits.append(next((place for place, label in enumerate(after, start=1) if update(label)), None))
        if time.perf_counter() - start > seconds:
            break
    return {"labels": done, "false": false, "waits": waits}

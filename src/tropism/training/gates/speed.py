"""How fast is the version on this machine, alone and under load? Wall-clock time, in this process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tropism.core.governance import GateResult, LatencyGate, LoadGate, gate_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tropism.core.events import Value
    from tropism.learners.model import Model
    from tropism.training.gates.context import GateContext

_WARM = 50
_NS = 1_000_000
_MOST_KEPT = 200_000


class Load(NamedTuple):
    """What came of a load: times of single calls (ns), calls that failed, seconds, and the first error's words."""

    times: list[int]
    failed: int
    seconds: float
    error: str = ""


def latency(gate: LatencyGate, context: GateContext) -> GateResult:
    """A quantile of the time of single predictions, warm, one after another."""
    times = call_times(context.model, context.examples, gate.calls)
    found = float(np.quantile(times, gate.quantile)) / _NS
    passed = found <= gate.most_ms
    name = f"p{gate.quantile * 100:g}"
    message = f"{name} of {gate.calls:,} predictions of one row is {found:.3g} ms on this machine"
    if not passed:
        message += "; try `tropism optimise`, or train a smaller model"
    return GateResult(
        name=gate_name(gate),
        passed=passed,
        measured=found,
        required=f"{name} of at most {gate.most_ms:g} ms",
        message=message,
        details={"median_ms": float(np.median(times)) / _NS, "calls": gate.calls},
    )


def load(gate: LoadGate, context: GateContext) -> GateResult:
    """Predictions by several threads at once for some seconds."""
    found = under_load(context.model, context.examples, gate.threads, gate.seconds)
    slow = float(np.quantile(found.times, 0.99)) / _NS if found.times else None
    rate = len(found.times) / found.seconds
    faults = []
    if found.failed:
        faults.append(f"{found.failed:,} calls failed, the first with: {found.error}")
    if slow is None or slow > gate.most_ms:
        faults.append("it is too slow: try `tropism optimise`, or train a smaller model")
    if rate < gate.least_per_second:
        faults.append(f"{gate.least_per_second:g} predictions a second are asked for")
    told = f"{rate:,.0f} predictions a second by {gate.threads} threads, p99 " + (
        "unknown" if slow is None else f"{slow:.3g} ms"
    )
    return GateResult(
        name=gate_name(gate),
        passed=not faults,
        measured=slow,
        required=f"no failure in {gate.seconds:g} s by {gate.threads} threads, p99 of at most {gate.most_ms:g} ms"
        + (f", {gate.least_per_second:g} a second" if gate.least_per_second else ""),
        message="; ".join([told, *faults]),
        details={"calls": len(found.times), "failed": found.failed, "per_second": rate},
    )


def call_times(
    model: Model,
    rows: Sequence[Mapping[str, Value]],
    calls: int,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> list[int]:
    """Times (ns) of `calls` predictions of one row, drawn in turn from `rows`, after some that do not count."""
    predict, count = model.predict_rows, len(rows)
    for number in range(_WARM):
        predict([rows[number % count]])
    times = []
    for number in range(calls):
        row = [rows[number % count]]
        began = clock()
        predict(row)
        times.append(clock() - began)
    return times


def under_load(model: Model, rows: Sequence[Mapping[str, Value]], threads: int, seconds: float) -> Load:
    """Calls a model from threads until time is up. A call that raises counts as failed, as does a score that is no
    number."""
    call_times(model, rows, 1)
    began = time.perf_counter()
    end = began + seconds
    found = [Load([], 0, 0.0) for _ in range(threads)]

    def work(place: int) -> None:
        found[place] = _calls(model, rows, place, end)

    workers = [threading.Thread(target=work, args=(place,), name=f"load-{place}") for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    spent = time.perf_counter() - began
    errors = [one.error for one in found if one.error]
    times = [each for one in found for each in one.times]
    return Load(times, sum(one.failed for one in found), spent, errors[0] if errors else "")


def _calls(model: Model, rows: Sequence[Mapping[str, Value]], start: int, end: float) -> Load:
    times: list[int] = []
    failed, error, number = 0, "", start
    while time.perf_counter() < end and len(times) < _MOST_KEPT:
        number += 1
        began = time.perf_counter_ns()
        try:
            scores = model.predict_rows([rows[number % len(rows)]])
        except Exception as caught:  # noqa: BLE001 - whatever a model raises under load is a failed call
            failed, error = failed + 1, error or f"{type(caught).__name__}: {caught}"
            continue
        if not np.all(np.isfinite(scores)):
            failed, error = failed + 1, error or "a score is no number"
            continue
        times.append(time.perf_counter_ns() - began)
    return Load(times, failed, 0.0, error)

"""river's detectors with their defaults: one for each feature, row by row, and on a stream of errors."""

from __future__ import annotations

from typing import Any

from answering import answer
from river import drift
from river.drift import binary
from simulated import FEATURES, Rows, Stream
from watching import Judge, Verdict, delays, errors_found, false_alarms

OF_VALUES = {"adwin": drift.ADWIN, "page_hinkley": drift.PageHinkley, "kswin": lambda: drift.KSWIN(seed=0)}
OF_ERRORS = {**OF_VALUES, "ddm": binary.DDM, "eddm": binary.EDDM, "hddm_a": binary.HDDMA, "hddm_w": binary.HDDMW}


def judge_of(kind: str) -> Judge:
    detectors = [OF_VALUES[kind]() for _ in range(FEATURES)]
    places = [0] * FEATURES

    def judge(rows: Rows) -> dict[str, Verdict]:
        first = min(range(FEATURES), key=lambda k: _first(detectors[k], rows[:, k].tolist(), places, k))
        alarm = places[first] < len(rows)
        return {kind: (alarm, first if alarm else None)}

    return judge


def _first(detector: Any, values: list[float], places: list[int], k: int) -> int:
    """The first row that raised an alarm; the number of rows where none did."""
    places[k] = len(values)
    for place, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected and places[k] == len(values):
            places[k] = place
    return places[k]


def watch(seed: int, rho: float, kind: str, windows: int, seconds: float) -> dict[str, Any]:
    return false_alarms(judge_of(kind), Stream(seed, rho), windows, seconds)


def find(seed: int, kind: str, by: float, repetitions: int, before: int, seconds: float) -> dict[str, Any]:
    return delays(lambda: judge_of(kind), Stream(seed), by, repetitions, before, seconds)


def find_errors(kind: str, **asked: Any) -> dict[str, Any]:
    def fresh() -> Any:
        detector = OF_ERRORS[kind]()

        def update(label: float) -> bool:
            detector.update(label)
            return bool(detector.drift_detected)

        return update

    return errors_found(fresh, **asked)


if __name__ == "__main__":
    answer({"watch": watch, "find": find, "find_errors": find_errors})

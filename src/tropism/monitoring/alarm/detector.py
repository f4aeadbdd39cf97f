"""Has anything changed? One e-detector over all columns, from their counts in windows of time.

For each score of a column, each direction and a few sizes of shift, the likelihood ratio of the reference's
distribution tilted by that shift against the same tilted by what does not matter, raised to the power that dependence
leaves of it, is an e-value of a window. A Shiryaev-Roberts sum R <- (1 + R) e over the moments at which the change
may have begun, averaged over all of these with fixed weights, is an e-detector: while no column has moved by more
than the tolerance, M reaches c after c windows at the earliest, on average, however many columns there are.

Sources: Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2024);
Pollak, "Optimal detection of a change in distribution" (1985). The guarantee is exact for independent rows of the
tilted family. For dependent ones it rests on the long-run variance (`dependence`), and is shown by simulation.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from tropism.core.clock import SECOND
from tropism.core.errors import DataInvalid, Fault, InvalidInput
from tropism.monitoring.alarm.scores import Scores
from tropism.monitoring.alarm.tilting import tilt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tropism.monitoring.alarm.reference import Reference

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
SHIFTS = np.array([0.05, 0.1, 0.25, 0.8])
"""Shifts that are looked for, beyond the tolerance, in standard deviations of a score."""
SHIFT_WEIGHTS = np.array([0.4, 0.25, 0.2, 0.15])
_DATED = 2
"""Every second shift, a small and a large one, also dates the change."""
ALARM = 0.8
"""The score at which an alarm is due."""
_REFERENCE_LEVEL = 0.05
"""Chance that the reference's own error exceeds what it is allowed for, in any column."""
_CEILING = 1e30
_MOST_LOG = 60.0


class Examined(NamedTuple):
    """A column as the detector sees it: the reference's counts (b,), its scores, their tempering (k,), and the mean of
    each score in each slot of the season (slots, k)."""

    name: str
    counts: Floats
    scores: Scores
    tempering: Floats
    season: Floats


class State(msgspec.Struct, frozen=True):
    """What a detector knows, as bytes of arrays: R of each column and test (f, j); of the tests that date a change
    (f, i) the CUSUM of the evidence, both as float32, and the second when that last was 0, as uint32."""

    evidence: bytes
    rise: bytes
    began: bytes


class Level(NamedTuple):
    """After one window. `score`: 0 to 1, an alarm from 0.8 on. `columns`: each column's own, shape (f,), which are
    part of it. `since`: (f,), µs, when each column's change most likely began, by the CUSUM of its strongest test."""

    score: float
    columns: Floats
    since: NDArray[np.int64]


class Detector:
    """Watches columns against their reference.

    Args:
        examined: the columns.
        run_length: windows between two false alarms, on average, at least.
        tolerance: shift that does not matter, in standard deviations of a score.

    Raises:
        InvalidInput: there are no columns, or a number is out of range.

    The reference's own error widens the tolerance: by its standard error, times what keeps all tests of all columns
    within it with a probability of 95 %.
    """

    def __init__(self, examined: Sequence[Examined], *, run_length: float, tolerance: float = 0.005) -> None:
        if not examined:
            raise InvalidInput("there is nothing to watch", Fault("columns", "none", "name at least one"))
        if run_length < 2:
            raise InvalidInput("not a number of windows", Fault("run_length", str(run_length), "use 2 or more"))
        self.names = tuple(one.name for one in examined)
        self._log_run = log(run_length)
        tests = sum(int((one.scores.weights > 0).sum()) for one in examined)
        built = [_tests(one, tolerance, _REFERENCE_LEVEL / tests) for one in examined]
        bins = max(gain.shape[0] for gain, _, _ in built)
        width = max(gain.shape[1] for gain, _, _ in built)
        slots = max(len(one.season) for one in examined)
        self._gain = np.zeros((len(examined), bins, width))
        self._weights = np.zeros((len(examined), width))
        self._season = np.zeros((slots, len(examined), width))
        for f, (gain, weights, season) in enumerate(built):
            self._gain[f, : gain.shape[0], : gain.shape[1]] = gain
            self._weights[f, : len(weights)] = weights / len(examined)
            self._season[: len(season), f, : season.shape[1]] = season
        self._ceiling = float(np.exp(min(self._log_run / ALARM, log(_CEILING))))
        self._unused = self._weights[:, ::_DATED] == 0

    @property
    def bins(self) -> int:
        """The largest number of bins of a column; counts of others are filled up with 0."""
        return int(self._gain.shape[1])

    def start(self, at: int) -> State:
        """Nothing known yet, at a moment (µs)."""
        dated = self._unused.shape
        return _state(np.zeros(self._weights.shape), np.zeros(dated), np.full(dated, at, dtype=np.int64))

    def advance(
        self,
        state: State,
        counts: Floats,
        ends: Sequence[int] | NDArray[np.int64],
        slots: NDArray[np.int64] | None = None,
    ) -> tuple[State, list[Level]]:
        """The state after some windows, and the level after each.

        Args:
            counts: of each window, column and bin, shape (w, f, b).
            ends: of the windows, µs, in order.
            slots: of the season that each window is in, shape (w,).

        Raises:
            DataInvalid: the state is another detector's.
        """
        evidence, rise, began = self._read(state)
        gains = np.einsum("wfb,fbj->wfj", counts, self._gain, optimize=True)
        if self._season.any() and slots is not None:
            gains -= counts.sum(axis=2, keepdims=True) * self._season[slots]
        found = []
        ratios = np.exp(np.clip(gains, -_MOST_LOG, _MOST_LOG)).astype(np.float32)
        steps = np.where(self._unused, -np.inf, gains[:, :, ::_DATED]).astype(np.float32)
        for ratio, step, end in zip(ratios, steps, ends, strict=True):
            with np.errstate(over="ignore"):
                evidence, share = self._capped((1 + evidence) * ratio)
            rise = np.maximum(rise + step, 0)
            began = np.where(rise > 0, began, end)
            since = np.take_along_axis(began, rise.argmax(axis=1)[:, None], axis=1)[:, 0]
            scores = np.array([self._score(one) for one in share])
            found.append(Level(self._score(float(share.sum())), scores, since))
        return _state(evidence, rise, began), found

    def _capped(self, evidence: Singles) -> tuple[Singles, Floats]:
        """The evidence, and the share of it that each column has (f,), of which none exceeds what the score shows: so
        an alarm ends soon after its cause, and one column hides no other."""
        evidence = np.minimum(evidence, np.float32(_CEILING))
        share = np.asarray((self._weights * evidence).sum(axis=1), dtype=np.float64)
        shrunk = np.minimum(1.0, self._ceiling / np.maximum(share, self._ceiling))
        return evidence * shrunk.astype(np.float32)[:, None], share * shrunk

    def _score(self, evidence: float) -> float:
        """0.8 log M / log c, between 0 and 1."""
        return min(1.0, ALARM * log(evidence) / self._log_run) if evidence > 1 else 0.0

    def _read(self, state: State) -> tuple[Singles, Singles, NDArray[np.int64]]:
        shape, dated = self._weights.shape, self._unused.shape
        if len(state.evidence) != 4 * shape[0] * shape[1] or len(state.began) != 4 * dated[0] * dated[1]:
            fault = Fault("state", f"{len(state.evidence)} bytes", "start anew")
            raise DataInvalid("this state belongs to another reference", fault)
        evidence = np.frombuffer(state.evidence, dtype="<f4").reshape(shape)
        rise = np.frombuffer(state.rise, dtype="<f4").reshape(dated)
        return evidence, rise, np.frombuffer(state.began, dtype="<u4").reshape(dated).astype(np.int64) * SECOND


def _state(evidence: Floats | Singles, rise: Floats | Singles, began: NDArray[np.int64]) -> State:
    seconds = np.maximum(began, 0) // SECOND
    return State(evidence.astype("<f4").tobytes(), rise.astype("<f4").tobytes(), seconds.astype("<u4").tobytes())


def examined(reference: Reference) -> list[Examined]:
    """The columns of a reference, as a detector takes them."""
    found = []
    for stream in reference.streams:
        counts, scores = np.asarray(stream.counts, dtype=np.float64), stream.scores
        k = len(scores.names)
        season = np.frombuffer(stream.season, dtype="<f4").reshape(-1, k) if stream.season else np.zeros((1, k))
        found.append(Examined(stream.name, counts, scores, np.asarray(stream.tempering), season.astype(np.float64)))
    return found


def _tests(one: Examined, tolerance: float, level: float) -> tuple[Floats, Floats, Floats]:
    """Of one column: what a row in each bin adds to each test's log-ratio (b, j), the tests' weights (j,), and what a
    row in each slot takes off (slots, j)."""
    gains, weights, seasons = [], [], []
    for direction, sign in enumerate((1.0, -1.0)):
        allowed = tolerance + _reference_error(one, level, direction)
        means = allowed[:, None] + np.concatenate([[0.0], SHIFTS])
        values = sign * one.scores.values
        found = tilt(values, one.scores.base, means)
        slope = (found.slope[:, 1:] - found.slope[:, :1]) / one.tempering[:, None]
        norm = (found.norm[:, 1:] - found.norm[:, :1]) / one.tempering[:, None]
        gains.append((slope[:, None, :] * values[:, :, None] - norm[:, None, :]).transpose(1, 0, 2))
        weights.append(one.scores.weights[:, direction, None] * SHIFT_WEIGHTS)
        seasons.append(sign * one.season[:, :, None] * slope)
    bins = one.scores.values.shape[1]
    return (
        np.concatenate(gains, axis=1).reshape(bins, -1),
        np.concatenate(weights).ravel(),
        np.concatenate(seasons, axis=1).reshape(len(one.season), -1),
    )


def _reference_error(one: Examined, level: float, direction: int) -> Floats:
    """By how much each score's mean may truly be above (0) or below (1) the reference's, up to a chance of `level`.

    Of shares by the exact bound of Clopper and Pearson (1934), since rare bins are far from normal.
    """
    rows = one.counts.sum() / one.tempering
    error = -ndtri(level) / np.sqrt(rows)
    for k in np.flatnonzero(one.scores.members.any(axis=1)):
        members = one.scores.members[k]
        seen = one.counts[members].sum() / one.tempering[k]
        expected = one.scores.base[k, members].sum()
        if direction == 0:
            further = betaincinv(seen + 1, max(rows[k] - seen, 0.5), 1 - level) - expected
        else:
            further = expected - (betaincinv(seen, rows[k] - seen + 1, level) if seen > 0 else 0.0)
        error[k] = max(further, 0.0) / np.sqrt(expected * (1 - expected))
    return np.asarray(error, dtype=np.float64)

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tropism.core.clock import DAY
from tropism.core.errors import InvalidInput
from tropism.monitoring.performance import Decay, Window, by_window, decay

Rng = np.random.Generator


def _errors(p: float) -> object:
    return lambda rng, n: (rng.random(n) < p).astype(float)


WORLDS = {
    "normal": lambda rng, n: rng.normal(1.0, 0.3, n),
    "errors of 10%": _errors(0.1),
    "log-normal": lambda rng, n: rng.lognormal(size=n),
}


def _dependent(rng: Rng, n: int) -> np.ndarray:
    values = rng.normal(size=n)
    for step in range(1, n):
        values[step] += 0.5 * values[step - 1]
    return values + 10


@pytest.mark.parametrize("world", [*WORLDS.values(), _dependent], ids=[*WORLDS, "autoregression 0.5"])
@pytest.mark.parametrize("size", [50, 400])
def test_false_alarms_are_no_more_frequent_than_stated(world: object, size: int) -> None:
    """At confidence 0.9 a false alarm may come once in 1,000 outcomes, on average; looked at every 50."""
    assert callable(world)
    rng = np.random.default_rng(0)
    alarms = watched = 0
    for _ in range(40):
        reference, recent = world(rng, size), world(rng, 2_000)
        for n in range(50, 2_001, 50):
            if decay(reference, recent[:n], 0.9).triggered:
                alarms += 1
                break
        watched += n
    assert watched / max(alarms, 1) >= 1_000


def test_a_worsening_is_found_soon_and_where_it_began() -> None:
    rng = np.random.default_rng(1)
    delays, found = [], []
    for _ in range(20):
        losses = rng.normal(1.0, 0.3, 1_200)
        losses[400:] += 0.3
        for n in range(410, 1_201, 10):
            seen = decay(rng.normal(1.0, 0.3, 300), losses[:n])
            if seen.triggered:
                delays.append(n - 400)
                found.append(seen.since)
                break
    assert len(delays) == 20
    assert float(np.median(delays)) <= 60
    assert float(np.median(np.abs(np.array(found) - 400))) <= 20


def test_the_report_says_how_bad_it_is_and_what_it_promises() -> None:
    rng = np.random.default_rng(2)
    losses = np.concatenate([rng.normal(1.0, 0.3, 300), rng.normal(2.0, 0.3, 50)])
    found = decay(rng.normal(1.0, 0.3, 300), losses, confidence=0.99)
    assert found.triggered
    assert found.score >= 0.99
    assert found.reference == pytest.approx(1.0, abs=0.1)
    assert found.after == pytest.approx(2.0, abs=0.15)
    assert found.recent is not None and found.recent < 1.3
    assert found.run_length == pytest.approx(10_000)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Decay) == found


def test_an_improvement_or_one_terrible_loss_does_not_trigger() -> None:
    rng = np.random.default_rng(3)
    reference = rng.normal(1.0, 0.3, 300)
    assert not decay(reference, rng.normal(0.5, 0.3, 500)).triggered
    assert not decay(reference, [*rng.normal(1.0, 0.3, 50), 1e12]).triggered


def test_a_model_without_an_error_that_begins_to_err_is_found() -> None:
    assert not decay(np.zeros(200), np.zeros(500)).triggered
    assert decay(np.zeros(200), np.concatenate([np.zeros(100), np.ones(20)])).triggered


def test_too_little_or_unusable_data_says_nothing() -> None:
    assert decay([], []).score == 0.0
    assert decay([], [1.0]).reference is None
    assert not decay([0.0] * 29, [9.0] * 500).triggered
    holes = [float("nan"), float("inf")] * 20
    found = decay([*holes, *([1.0, 0.9] * 50)], [float("nan"), *([5.0] * 60)])
    assert (found.n_reference, found.n_recent, found.since, found.triggered) == (100, 60, 1, True)


def test_a_confidence_must_be_one() -> None:
    with pytest.raises(InvalidInput, match="not a confidence"):
        decay([1.0], [1.0], 1.0)


def test_windows_hold_each_version_beside_the_baseline() -> None:
    rng = np.random.default_rng(4)
    at = np.arange(400) * DAY // 100
    version = np.where(at < 2 * DAY, 1, 2)
    loss = np.where(version == 1, 0.8, 0.4) + rng.normal(0, 0.1, 400)
    windows = by_window(at, version, loss, np.full(400, 1.0), [0, DAY, 3 * DAY, 4 * DAY])
    assert [(w.start, w.end, w.loss.n) for w in windows] == [
        (0, DAY, 100),
        (DAY, 3 * DAY, 200),
        (3 * DAY, 4 * DAY, 100),
    ]
    assert [v.version for v in windows[1].versions] == [1, 2]
    old, new = windows[1].versions
    assert old.loss.low is not None and old.loss.high is not None
    assert old.loss.low < 0.8 < old.loss.high
    assert new.loss.value == pytest.approx(0.4, abs=0.05)
    assert new.baseline.value == windows[1].baseline.value == 1.0
    assert msgspec.json.decode(msgspec.json.encode(windows), type=list[Window]) == windows


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        mean = by_window(np.arange(100), np.ones(100), _dependent(rng, 100), np.ones(100), 1)[0].loss
        held += mean.low is not None and mean.high is not None and mean.low < 10 < mean.high
    assert 0.9 <= held / 400 <= 0.98


def test_rows_without_a_loss_and_empty_windows_are_left_out() -> None:
    windows = by_window([0, 1, 90], [1, 1, 1], [1.0, float("nan"), 2.0], [float("nan"), 1.0, 1.0], 10)
    assert [(w.start, w.loss.n, w.baseline.n) for w in windows] == [(0, 1, 0), (81, 1, 1)]
    assert windows[0].loss.low is None
    assert windows[0].baseline.value is None
    assert by_window([], [], [], [], 10) == []
    assert len(by_window([5, 5], [1, 1], [1.0, 1.0], [1.0, 1.0], 20)) == 1


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput):
        by_window([0], [1, 1], [1.0], [1.0])
    for bins in (0, [5], [5, 5]):
        with pytest.raises(InvalidInput):
            by_window([0], [1], [1.0], [1.0], bins)

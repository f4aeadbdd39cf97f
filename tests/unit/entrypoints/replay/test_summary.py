from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tropism.core.errors import DataInvalid, InvalidInput
from tropism.entrypoints.replay.policies import PolicyResult
from tropism.entrypoints.replay.stream import Stream
from tropism.entrypoints.replay.summary import (
    PolicySummary,
    calibration,
    lead_of,
    summarise_policy,
    table_text,
    verdict,
)
from tropism.evaluation.metrics import losses

MakeStream = Callable[..., Stream]


def result(name: str, scores: NDArray[np.float64], start: int = 0) -> PolicyResult:
    return PolicyResult(name, start, scores[:, None], 2, (), 1.25)


def test_the_metric_is_the_mean_over_all_events_after_the_warm_up(make_stream: MakeStream) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500).astype(float)
    scores = rng.random(400)
    summary = summarise_policy(make_stream(list(labels)), result("loop", scores, 100))
    assert summary.prequential == pytest.approx(losses("brier", labels[100:], scores[:, None]).mean())
    assert summary.accuracy == pytest.approx(((scores >= 0.5) == labels[100:]).mean())
    assert sum(window.n for window in summary.windows) == 400
    assert len(summary.windows) == 60
    weighted = sum(window.n * window.value for window in summary.windows) / 400
    assert weighted == pytest.approx(summary.prequential)
    assert (summary.models_trained, summary.cpu_seconds) == (2, 1.25)


def test_windows_end_at_their_last_event(make_stream: MakeStream) -> None:
    stream = make_stream([0.0, 1.0] * 30)
    summary = summarise_policy(stream, result("loop", np.full(60, 0.5)), windows=3)
    assert [window.at for window in summary.windows] == stream.at[[19, 39, 59]].tolist()


def test_numbers_have_no_accuracy(make_stream: MakeStream) -> None:
    summary = summarise_policy(make_stream([1.0, 2.0, 3.0], kind="regression"), result("loop", np.zeros(3)))
    assert (summary.accuracy, summary.prequential) == (None, 2.0)


def test_scores_of_another_length_are_refused(make_stream: MakeStream) -> None:
    with pytest.raises(InvalidInput):
        summarise_policy(make_stream([0.0, 1.0] * 50), result("loop", np.full(60, 0.5)))


def test_a_warm_up_that_takes_everything_is_refused(make_stream: MakeStream) -> None:
    with pytest.raises(DataInvalid) as caught:
        summarise_policy(make_stream([0.0, 1.0]), result("loop", np.zeros(0), start=2))
    assert caught.value.faults[0].field == "--warmup"


def test_the_interval_covers_the_truth_as_often_as_it_says(make_stream: MakeStream) -> None:
    """Losses that depend on their neighbours (a moving mean of 5): 95% intervals cover in 92 to 98 of 100 cases."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        noise = np.convolve(rng.normal(size=1_204), np.ones(5) / 5, "valid")
        stream = make_stream([0.0] * 1_200, kind="regression")
        low, high = summarise_policy(stream, result("loop", 10 + noise)).interval or (0.0, 0.0)
        covered += low <= 10 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_equal_scores_stand_in_one_calibration_group() -> None:
    labels = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    bins = calibration("binary", labels, np.array([[0.3], [0.3], [0.3], [0.7], [0.7], [0.3]]), bins=4)
    assert [b.predicted for b in bins] == pytest.approx([0.3, 0.7])
    assert [(b.observed, b.n) for b in bins] == [(0.5, 4), (0.5, 2)]


def test_classes_are_calibrated_by_their_likeliest() -> None:
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]])
    bins = calibration("multiclass", np.array([0.0, 2.0]), scores, bins=2)
    assert [(b.predicted, b.observed) for b in bins] == [(0.6, 0.0), (0.8, 1.0)]


def summaries(make_stream: MakeStream, **errors: float) -> list[PolicySummary]:
    rng = np.random.default_rng(3)
    stream = make_stream([0.0] * 1_200, kind="regression")
    noise = rng.normal(size=1_200) ** 2
    return [
        summarise_policy(stream, result(name.replace("_", "-"), error + 0.1 * noise)) for name, error in errors.items()
    ]


def test_a_clear_lead_is_called_one(make_stream: MakeStream) -> None:
    found = verdict("mae", summaries(make_stream, loop=1.0, static=2.0))
    assert (found.best, found.next, found.clear) == ("loop", "static", True)
    assert "a clear lead" in found.sentence


def test_no_change_wins_is_said(make_stream: MakeStream) -> None:
    found = verdict("mae", summaries(make_stream, loop=3.0, static=2.0, no_change=1.0))
    assert found.sentence.startswith("no-change wins here")
    assert "The loop came third" in found.sentence


def test_equal_policies_are_level(make_stream: MakeStream) -> None:
    rng = np.random.default_rng(5)
    stream = make_stream([0.0] * 1_200, kind="regression")
    pair = [summarise_policy(stream, result(name, 1 + rng.random(1_200))) for name in ("loop", "scheduled")]
    found = verdict("mae", pair)
    assert not found.clear
    assert "level here" in found.sentence


def test_the_lead_is_that_of_the_paired_losses(make_stream: MakeStream) -> None:
    better, worse = summaries(make_stream, loop=1.0, static=2.0)
    lead, half = lead_of(better, worse)
    assert lead == pytest.approx(1.0)
    assert half == pytest.approx(0.0, abs=1e-9)


def test_a_better_accuracy_elsewhere_is_said(make_stream: MakeStream) -> None:
    labels = np.tile([1.0, 1.0, 0.0], 400)
    stream = make_stream(list(labels))
    hesitant = summarise_policy(stream, result("static", np.where(labels == 1, 0.49, 0.0)))
    bold = summarise_policy(stream, result("no-change", np.ones(1_200)))
    found = verdict("brier", [hesitant, bold])
    assert found.best == "static"
    assert "By accuracy no-change is best, 0.6667 against 0.3333." in found.sentence


def test_the_table_lines_up_and_leaves_out_empty_columns(make_stream: MakeStream) -> None:
    lines = table_text("mae", summaries(make_stream, loop=1.0, no_change=12.0)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "accuracy" not in lines[0]
    assert lines[2].startswith("no-change")

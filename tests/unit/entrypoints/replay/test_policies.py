from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tropism.entrypoints.replay.policies import PolicyResult, known_counts, no_change, scheduled, static
from tropism.entrypoints.replay.stream import Stream

MakeStream = Callable[..., Stream]
Predictor = Callable[[pa.Table], Any]


class Recorder:
    """A learner that predicts the mean label of what it was given, and remembers that."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, features: pa.Table, labels: Any, at: Any) -> Predictor:
        assert len(features) == len(labels) == len(at)
        self.sizes.append(len(labels))
        mean = float(labels.mean())
        return lambda rows: np.full((len(rows), 1), mean)


def test_no_change_predicts_the_last_known_label(make_stream: MakeStream) -> None:
    labels = [float(v) for v in (0, 0, 1, 1, 0, 1, 1, 1)]
    result = no_change(make_stream(labels, delay="2"), warmup=3)
    assert (result.scores[:, 0] >= 0.5).astype(float).tolist() == labels[1:6]
    assert (result.models_trained, len(result.scores)) == (0, 5)


def test_no_change_is_as_sure_as_it_was_right_so_far(make_stream: MakeStream) -> None:
    result = no_change(make_stream([1.0] * 9), warmup=0)
    assert result.scores[0, 0] == pytest.approx(0.5)
    # Event 0 could not be repeated from anything; of the 8 known before event 8, 7 were right.
    assert result.scores[8, 0] == pytest.approx((7 + 1) / (8 + 2))


def test_no_change_for_classes_gives_probabilities(make_stream: MakeStream) -> None:
    stream = make_stream([0.0, 2.0, 2.0, 1.0, 1.0], kind="multiclass", classes=("a", "b", "c"))
    scores = no_change(stream, warmup=0).scores
    assert scores.sum(axis=1).tolist() == pytest.approx([1.0] * 5)
    assert scores[1:].argmax(axis=1).tolist() == [0, 2, 2, 1]
    assert scores[0].tolist() == pytest.approx([1 / 3] * 3)


def test_no_change_for_numbers_repeats_them(make_stream: MakeStream) -> None:
    stream = make_stream([3.0, 5.0, 9.0, 1.0], kind="regression")
    assert no_change(stream, warmup=0).scores[:, 0].tolist() == [0.0, 3.0, 5.0, 9.0]


@pytest.mark.parametrize("delay", ["0", "1", "7", "30s"])
def test_no_policy_ever_uses_a_label_that_is_not_known_yet(make_stream: MakeStream, delay: str) -> None:
    rng = np.random.default_rng(1)
    labels = rng.normal(size=400)
    whole = make_stream(list(labels), kind="regression", delay=delay)
    cut = 250
    changed = labels.copy()
    changed[known_counts(whole)[cut] :] += 100.0
    other = make_stream(list(changed), kind="regression", delay=delay)
    policies: list[Callable[[Stream], PolicyResult]] = [
        lambda stream: no_change(stream, warmup=0),
        lambda stream: static(stream, Recorder(), warmup=50, fewest=20),
        lambda stream: scheduled(stream, Recorder(), warmup=50, every=10, fewest=20),
    ]
    for policy in policies:
        before, after = policy(whole), policy(other)
        until = cut + 1 - before.start
        assert before.scores[:until].tolist() == after.scores[:until].tolist()


def test_static_fits_once_at_the_end_of_the_warm_up(make_stream: MakeStream) -> None:
    learner = Recorder()
    result = static(make_stream([float(i % 2) for i in range(300)], delay="10"), learner, warmup=120, fewest=20)
    assert learner.sizes == [111]
    assert (result.start, result.models_trained, result.fits) == (120, 1, (120,))
    assert len(result.scores) == 180


def test_scheduled_refits_on_everything_known_then(make_stream: MakeStream) -> None:
    learner = Recorder()
    told: list[int] = []
    stream = make_stream([float(i % 2) for i in range(300)], delay="10")
    result = scheduled(stream, learner, warmup=100, every=60, fewest=20, progress=told.append)
    assert learner.sizes == [91, 151, 211, 271]
    assert result.fits == (100, 160, 220, 280)
    assert told == [160, 220, 280, 300]


def test_a_model_waits_until_enough_labels_are_known(make_stream: MakeStream) -> None:
    stream = make_stream([float(i) for i in range(300)], kind="regression", delay="150")
    learner = Recorder()
    result = static(stream, learner, warmup=100, fewest=50)
    assert result.fits == (199,)
    assert learner.sizes == [50]
    assert result.scores[:99].tolist() == no_change(stream, warmup=100).scores[:99].tolist()


def test_without_enough_labels_no_model_is_made(make_stream: MakeStream) -> None:
    stream = make_stream([float(i % 2) for i in range(250)], delay="200")
    result = scheduled(stream, Recorder(), warmup=100, every=50, fewest=100)
    assert (result.models_trained, result.fits, len(result.scores)) == (0, (), 150)


def test_the_task_says_how_many_labels_a_model_needs(make_stream: MakeStream) -> None:
    stream = make_stream([float(i % 2) for i in range(600)])
    assert static(stream, Recorder(), warmup=10).fits == (stream.task.policy.min_training,)

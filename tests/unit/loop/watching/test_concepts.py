from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.unit.loop.watching.place import MINUTE, START, Place, task_of, times

from tropism.loop.watching.facts import drift_facts
from tropism.loop.watching.rounds import evidence_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Place]


def fared(place: Place, start: int, right: float, count: int = 1_200) -> int:
    """An hour of predictions of which so many come true, and their outcomes; when all have matured."""
    made = times(start, start + 60 * MINUTE, count)
    truth = place.rng.integers(0, 2, size=count)
    hits = place.rng.random(count) < right
    ids = place.served(made, place.rows(count), scores=np.where(hits == truth, 0.9, 0.1))
    place.told(ids, truth, made + MINUTE)
    return start + 71 * MINUTE


@pytest.mark.parametrize("concept", ["adwin", "page-hinkley", "ddm", "hddm", "kswin"])
def test_a_chosen_detector_says_when_the_loss_rises(place: Make, concept: str) -> None:
    pytest.importorskip("river")
    one = place(task_of(concept=concept))
    one.begun()
    calm = one.look(fared(one, START, 0.9))
    assert (calm.concept is not None and calm.concept.score, "loss" in calm.monitors) == (0.0, False)
    assert drift_facts(calm)["decay"] == 0.0
    found = one.look(fared(one, START + 60 * MINUTE, 0.3))
    assert found.concept is not None
    assert (found.concept.score, drift_facts(found)["decay"]) == (1.0, 1.0)
    assert found.concept.alarm is not None
    assert found.concept.alarm >= START + 60 * MINUTE
    assert evidence_of(found)["concept"]["detector"] == concept
    assert one.second().known(one.task).concept == found.concept
    assert one.look(START + 300 * MINUTE).concept == found.concept
    one.promote(START + 301 * MINUTE)
    after = one.look(START + 302 * MINUTE).concept
    assert (after is not None and after.score) == 0.0


def test_a_loss_that_falls_is_no_decay(place: Make) -> None:
    pytest.importorskip("river")
    one = place(task_of(concept="adwin"))
    one.begun()
    fared(one, START, 0.5)
    found = one.look(fared(one, START + 60 * MINUTE, 0.99)).concept
    assert found is not None
    assert (found.score, found.losses) == (0.0, 2_400)


def test_a_restart_reads_the_same_losses_again_and_says_the_same(place: Make) -> None:
    pytest.importorskip("river")
    one = place(task_of(concept="adwin"))
    one.begun()
    fared(one, START, 0.9)
    one.look(START + 30 * MINUTE)
    now = fared(one, START + 60 * MINUTE, 0.3)
    fresh = one.second().look(one.task, now).concept
    assert fresh is not None
    assert one.look(now).concept == fresh
    assert fresh.alarm is not None


def test_without_river_it_waits_and_says_for_what(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = place(task_of(concept="adwin"))
    one.begun()
    monkeypatch.setitem(sys.modules, "river.drift", None)
    found = one.look(fared(one, START, 0.9))
    assert found.concept is None
    assert "river" in found.waiting["loss"]
    assert found.monitors["features"].windows > 0


def test_a_detector_of_errors_says_that_it_cannot_read_numbers(place: Make) -> None:
    pytest.importorskip("river")
    one = place(task_of(kind="regression", concept="ddm"))
    one.begun()
    made = times(START, START + 60 * MINUTE, 300)
    ids = one.served(made, one.rows(300), scores=one.rng.normal(size=300))
    one.told(ids, one.rng.normal(size=300), made + MINUTE)
    found = one.look(START + 80 * MINUTE)
    assert "DDM reads errors only" in found.waiting["loss"]
    assert drift_facts(found)["decay"] is None

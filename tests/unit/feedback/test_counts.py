from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.unit.feedback.conftest import World

    from tropism.feedback import OutcomeCounts

DAY = 86_400


def counts(world: World, at: int = 2 * DAY) -> OutcomeCounts:
    world.ingest()
    found = world.cohorts.counts(world.task, world.after(at))
    assert found.predictions == found.answered + found.waiting + found.unanswered
    assert found.outcomes == found.answered + found.late + found.corrected + found.duplicate + found.unknown
    return found


def only(found: OutcomeCounts) -> dict[str, int]:
    return {name: number for name, number in msgspec.structs.asdict(found).items() if number}


def test_nothing_at_all(world: World) -> None:
    assert only(counts(world)) == {}


def test_waiting_until_the_window_closes_and_unanswered_then(world: World) -> None:
    world.predict("p1")
    assert only(counts(world, DAY - 1)) == {"predictions": 1, "waiting": 1}
    assert only(counts(world, DAY)) == {"predictions": 1, "matured": 1, "unanswered": 1}


def test_answered_before_and_after_it_matured(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 1.0, received=5)
    assert only(counts(world, 4)) == {"predictions": 1, "waiting": 1}
    assert only(counts(world, 5)) == {"predictions": 1, "answered": 1, "outcomes": 1}
    assert only(counts(world, DAY)) == {"predictions": 1, "answered": 1, "outcomes": 1, "matured": 1}


def test_late(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 1.0, received=DAY + 1)
    assert only(counts(world)) == {"predictions": 1, "matured": 1, "unanswered": 1, "outcomes": 1, "late": 1}


def test_a_late_correction_is_late(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 1.0, received=1)
    world.answer("p1", 0.0, received=DAY + 1)
    assert only(counts(world)) == {"predictions": 1, "matured": 1, "answered": 1, "outcomes": 2, "late": 1}


def test_corrected(world: World) -> None:
    world.predict("p1")
    world.predict("p2")
    for received, value in enumerate((1.0, 0.0, 1.0), start=1):
        world.answer("p1", value, received=received)
    world.answer("p2", 0.0, received=2)
    expected = {"predictions": 2, "matured": 2, "answered": 2, "outcomes": 4, "corrected": 2}
    assert only(counts(world)) == expected


def test_duplicate_by_id_and_by_value(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 1.0, received=1, name="o1")
    world.answer("p1", 1.0, received=2, name="o2")
    world.answer("p1", 0.0, received=3, name="o1")
    expected = {"predictions": 1, "matured": 1, "answered": 1, "outcomes": 3, "duplicate": 2}
    assert only(counts(world)) == expected


def test_early(world: World) -> None:
    world.predict("p1", at=10)
    world.answer("p1", 1.0, received=9)
    expected = {"predictions": 1, "matured": 1, "answered": 1, "outcomes": 1, "early": 1}
    assert only(counts(world)) == expected


def test_at_the_moment_of_the_prediction_is_not_early(world: World) -> None:
    world.predict("p1", at=10)
    world.answer("p1", 1.0, received=10)
    assert counts(world).early == 0


def test_an_unknown_outcome_sent_again_is_a_duplicate(world: World) -> None:
    for _ in range(2):
        world.answer("p1", 1.0, name="o1")
    assert only(counts(world)) == {"outcomes": 2, "unknown": 1, "duplicate": 1}


def test_unknown_until_the_prediction_arrives(world: World) -> None:
    world.answer("p1", 1.0, received=11)
    world.answer(None, 1.0, received=11, entity="shop")
    assert only(counts(world)) == {"outcomes": 2, "unknown": 2}
    world.predict("p1", at=10)
    expected = {"predictions": 1, "matured": 1, "answered": 1, "outcomes": 2, "unknown": 1}
    assert only(counts(world)) == expected


def test_more_than_an_hour_early_is_unknown(world: World) -> None:
    world.predict("p1", at=3_601)
    world.answer("p1", 1.0, received=0)
    assert counts(world).unknown == 1


def test_a_prediction_recorded_twice_counts_once(world: World) -> None:
    world.predict("p1")
    world.predict("p1", writer="w1")
    assert counts(world).predictions == 1


def test_what_has_not_happened_yet_does_not_count(world: World) -> None:
    world.predict("p1", at=50)
    world.predict("p2", at=60)
    assert counts(world, 50).predictions == 1

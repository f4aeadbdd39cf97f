from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tropism.core.events import Outcome
from tropism.core.task import Feature
from tropism.feedback import LakeVersions
from tropism.feedback.schemas import PREDICTIONS, predictions_name

if TYPE_CHECKING:
    import pyarrow as pa
    from tests.unit.feedback.conftest import World

DAY = 86_400


def changed(world: World, **changes: Any) -> None:
    world.task = msgspec.structs.replace(world.task, **changes)


def labels(table: pa.Table) -> dict[str, float]:
    return dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))


def matured(world: World, at: int, **more: Any) -> pa.Table:
    world.ingest()
    return world.cohorts.matured(world.task, now=world.after(at), **more).table


def known(world: World, at: int, **more: Any) -> pa.Table:
    world.ingest()
    return world.cohorts.known(world.task, now=world.after(at), **more).table


def test_a_prediction_matures_when_its_window_closes(world: World) -> None:
    world.predict("p1", at=100)
    world.answer("p1", 1.0, received=200)
    assert labels(matured(world, 100 + DAY - 1)) == {}
    assert labels(matured(world, 100 + DAY)) == {"p1": 1.0}


def test_the_end_of_the_window_is_in_time_and_a_microsecond_later_is_not(world: World) -> None:
    changed(world, unanswered=False)
    for key, beyond in (("just", 0), ("missed", 1)):
        world.predict(key)
        moment = world.after(DAY) + beyond
        world.send(Outcome(id=key, task="price", value=1.0, at=moment, received=moment, prediction_id=key))
    assert labels(matured(world, 3 * DAY)) == {"just": 1.0, "missed": 0.0}


def test_a_row_carries_what_was_predicted_and_when_its_label_came(world: World) -> None:
    world.predict("p1", at=5, entity="shop", version=3, variant="baseline", scores=(0.25,), features={"demand": 2.0})
    world.answer("p1", 1.0, received=60)
    row = matured(world, 2 * DAY).to_pylist()[0]
    assert [round(row.pop(name).timestamp() * 1e6) for name in ("at", "label_at")] == [world.after(5), world.after(60)]
    assert row == {
        "id": "p1",
        "entity": "shop",
        "version": 3,
        "variant": "baseline",
        "scores": [0.25],
        "f_demand": 2.0,
        "f_period": None,
        "f_holiday": None,
        "label": 1.0,
        "answered": True,
    }


def test_unanswered_predictions_are_left_out_or_take_the_assumed_label(world: World) -> None:
    world.predict("p1", at=7)
    assert matured(world, 2 * DAY).num_rows == 0
    changed(world, unanswered=False)
    row = matured(world, 2 * DAY).to_pylist()[0]
    assert (row["label"], row["answered"]) == (0.0, False)
    assert round(row["label_at"].timestamp() * 1e6) == world.after(7 + DAY)


def test_the_last_outcome_in_time_is_the_label(world: World) -> None:
    world.predict("p1", writer="w1")
    world.answer("p1", 0.0, received=50)
    world.answer("p1", 1.0, received=40, writer="w1")
    assert labels(matured(world, 2 * DAY)) == {"p1": 0.0}
    world.answer("p1", 1.0, received=60)
    assert labels(matured(world, 2 * DAY)) == {"p1": 1.0}
    world.answer("p1", 0.0, received=DAY + 1)
    assert labels(matured(world, 9 * DAY)) == {"p1": 1.0}


def test_outcomes_received_at_the_same_moment_count_in_the_order_of_the_journal(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 0.0, received=50)
    world.answer("p1", 1.0, received=50)
    assert labels(matured(world, 2 * DAY)) == {"p1": 1.0}


def test_a_prediction_recorded_twice_counts_once_as_first_recorded(world: World) -> None:
    world.predict("p1", version=1)
    world.predict("p1", version=2)
    world.answer("p1", 1.0)
    table = matured(world, 2 * DAY)
    assert (table["version"].to_pylist(), table["label"].to_pylist()) == ([1], [1.0])


def test_a_repeated_outcome_does_not_undo_a_correction(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 0.0, received=10, name="first")
    world.answer("p1", 1.0, received=20, name="second")
    world.answer("p1", 0.0, received=30, name="first")
    assert labels(matured(world, 2 * DAY)) == {"p1": 1.0}


def test_an_outcome_ingested_before_its_prediction_joins(world: World) -> None:
    world.answer("p1", 1.0, received=20)
    world.ingest()
    world.predict("p1", at=10, writer="w1")
    assert labels(matured(world, 2 * DAY)) == {"p1": 1.0}


def test_an_outcome_long_before_its_prediction_is_not_its_outcome(world: World) -> None:
    world.predict("near", at=4_000)
    world.predict("far", at=4_000)
    world.answer("near", 1.0, received=400)
    world.answer("far", 1.0, received=399)
    assert labels(matured(world, 2 * DAY)) == {"near": 1.0}
    assert labels(matured(world, 2 * DAY, since=world.after(4_000))) == {"near": 1.0}


def test_rows_come_in_order_of_time_then_id(world: World) -> None:
    for key, at in (("b", 20), ("c", 10), ("a", 20)):
        world.predict(key, at=at, writer=key)
        world.answer(key, 1.0, received=30)
    assert matured(world, 2 * DAY)["id"].to_pylist() == ["c", "a", "b"]
    assert known(world, 2 * DAY)["id"].to_pylist() == ["c", "a", "b"]


def test_a_window_of_zero_matures_at_once(world: World) -> None:
    changed(world, outcome_window="0")
    world.predict("p1", at=10)
    world.answer("p1", 1.0, received=10)
    assert labels(matured(world, 9)) == {}
    assert labels(matured(world, 10)) == {"p1": 1.0}


class TestByEntity:
    def test_the_latest_prediction_of_the_entity_gets_the_outcome(self, world: World) -> None:
        for key, at, entity in (("a1", 10, "a"), ("a2", 20, "a"), ("b1", 15, "b"), ("a3", 40, "a")):
            world.predict(key, at=at, entity=entity)
        world.answer(None, 1.0, received=100, entity="a", at=world.after(30))
        world.answer(None, 0.0, received=101, entity="b", at=world.after(15))
        world.answer(None, 1.0, received=102, entity="c", at=world.after(30))
        world.answer(None, 1.0, received=103, entity="b", at=world.after(14))
        assert labels(matured(world, 2 * DAY)) == {"a2": 1.0, "b1": 0.0}

    def test_not_when_it_refers_to_a_time_after_the_window(self, world: World) -> None:
        world.predict("a1", entity="a")
        world.answer(None, 1.0, received=5, entity="a", at=world.after(DAY + 1))
        assert labels(known(world, 3 * DAY)) == {}
        world.answer(None, 1.0, received=6, entity="a", at=world.after(DAY))
        assert labels(known(world, 3 * DAY)) == {"a1": 1.0}

    def test_a_prediction_that_has_not_matured_takes_its_outcome_away(self, world: World) -> None:
        world.predict("old", at=0, entity="a")
        world.predict("new", at=100, entity="a")
        world.answer(None, 1.0, received=150, entity="a")
        assert labels(matured(world, DAY + 50)) == {}
        assert labels(matured(world, DAY + 150, until=world.after(50))) == {}
        assert labels(matured(world, DAY + 150)) == {"new": 1.0}

    def test_a_named_prediction_goes_before_the_entity(self, world: World) -> None:
        world.predict("old", at=0, entity="a")
        world.predict("new", at=100, entity="a")
        world.answer("old", 1.0, received=150, entity="a")
        assert labels(matured(world, 2 * DAY)) == {"old": 1.0}


class TestKnown:
    def test_open_windows_and_late_outcomes_are_used(self, world: World) -> None:
        world.predict("open", at=DAY)
        world.predict("late", at=0)
        world.predict("waiting", at=DAY)
        world.answer("open", 1.0, received=DAY + 5)
        world.answer("late", 0.0, received=DAY + 6)
        assert labels(known(world, DAY + 5)) == {"open": 1.0}
        assert labels(known(world, DAY + 6)) == {"open": 1.0, "late": 0.0}

    def test_late_corrections_apply(self, world: World) -> None:
        world.predict("p1")
        world.answer("p1", 0.0, received=1)
        world.answer("p1", 1.0, received=5 * DAY)
        assert labels(known(world, 4 * DAY)) == {"p1": 0.0}
        assert labels(known(world, 5 * DAY)) == {"p1": 1.0}
        assert labels(matured(world, 5 * DAY)) == {"p1": 0.0}

    def test_labels_are_assumed_only_once_the_window_has_closed(self, world: World) -> None:
        changed(world, unanswered=False)
        world.predict("p1")
        assert labels(known(world, DAY - 1)) == {}
        assert labels(known(world, DAY)) == {"p1": 0.0}

    def test_since_leaves_older_rows_out(self, world: World) -> None:
        for at in (0, 10, 20):
            world.predict(f"p{at}", at=at)
            world.answer(f"p{at}", 1.0, received=30)
        assert list(labels(known(world, 40, since=world.after(10)))) == ["p10", "p20"]


class TestSelection:
    @pytest.fixture(autouse=True)
    def rows(self, world: World) -> None:
        for at in range(6):
            world.predict(f"p{at}", at=at, version=at % 3)
            world.answer(f"p{at}", float(at % 2), received=at + 100)

    def test_since_is_inclusive_and_until_is_not(self, world: World) -> None:
        table = matured(world, 2 * DAY, since=world.after(2), until=world.after(4))
        assert labels(table) == {"p2": 0.0, "p3": 1.0}
        assert matured(world, 2 * DAY, since=world.after(4), until=world.after(2)).num_rows == 0

    def test_a_span_has_the_rows_that_the_whole_has(self, world: World) -> None:
        whole = matured(world, 2 * DAY)
        assert matured(world, 2 * DAY, since=world.after(3)).equals(whole.slice(3))

    def test_models_are_those_that_predicted(self, world: World) -> None:
        assert list(labels(matured(world, 2 * DAY, models={0, 2}))) == ["p0", "p2", "p3", "p5"]
        assert labels(matured(world, 2 * DAY, models=())) == {}

    def test_columns_can_be_chosen(self, world: World) -> None:
        table = matured(world, 2 * DAY, columns=("label", "f_demand"))
        assert table.column_names == ["f_demand", "label"]
        assert table.num_rows == 6
        assert matured(world, 2 * DAY, columns=["id"], models=[1]).to_pydict() == {"id": ["p1", "p4"]}

    def test_the_watermark_is_the_newest_time_that_can_mature(self, world: World) -> None:
        world.ingest()
        assert world.cohorts.matured(world.task, now=world.after(DAY)).watermark == world.after(0)


def test_without_any_event_there_are_columns_and_no_rows(world: World) -> None:
    table = matured(world, 2 * DAY)
    assert table.num_rows == 0
    assert table.column_names[:6] == ["id", "at", "entity", "version", "variant", "scores"]
    assert table.column_names[-3:] == ["label", "label_at", "answered"]
    assert known(world, 0).schema == table.schema
    world.predict("p1")
    assert matured(world, 2 * DAY).schema == table.schema


def test_predictions_wait_while_their_window_is_open(world: World) -> None:
    assert not world.cohorts.waiting(world.task, world.after(0))
    world.predict("p1")
    world.ingest()
    assert world.cohorts.waiting(world.task, world.after(DAY - 1))
    assert not world.cohorts.waiting(world.task, world.after(DAY))


def test_a_feature_that_no_row_has_reads_as_null(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 1.0)
    world.ingest()
    changed(world, features=(*world.task.features, Feature("weather", "category")))
    assert matured(world, 2 * DAY)["f_weather"].to_pylist() == [None]


class TestEvidence:
    """What a decision rested on can be read again, to the last bit."""

    def prepared(self, world: World) -> tuple[LakeVersions, pa.Table]:
        changed(world, unanswered=False)
        for number in range(40):
            world.predict(f"p{number:02}", at=number, writer=f"w{number % 2}", entity=f"e{number % 7}")
            if number % 3:
                world.answer(f"p{number:02}", float(number % 2), received=number + 5, writer="w2")
            world.ingest()
        first = world.cohorts.matured(world.task, now=world.after(2 * DAY))
        return first.lake, first.table

    def more(self, world: World) -> None:
        for number in range(40):
            world.predict(f"q{number:02}", at=number, writer=f"w{number % 2}")
            world.predict(f"p{number:02}", at=number, writer="w3", version=9)
            world.answer(f"p{number:02}", 1.0, received=number + 50, writer="w2")
            world.ingest()

    def test_after_more_events_and_compaction(self, world: World) -> None:
        versions, table = self.prepared(world)
        self.more(world)
        assert not world.cohorts.matured(world.task, now=world.after(2 * DAY)).table.equals(table)
        again = world.cohorts.matured(world.task, now=world.after(2 * DAY), versions=versions)
        assert again.table.equals(table)
        assert world.lake.compact("price/predictions") > 70
        assert world.lake.compact("price/outcomes") > 60
        again = world.cohorts.matured(world.task, now=world.after(2 * DAY), versions=versions)
        assert again.table.equals(table)

    def test_from_a_copy_of_the_versions_in_json(self, world: World) -> None:
        versions, table = self.prepared(world)
        self.more(world)
        kept = msgspec.json.decode(msgspec.json.encode(versions), type=LakeVersions)
        assert world.cohorts.matured(world.task, now=world.after(2 * DAY), versions=kept).table.equals(table)
        since = world.after(20)
        part = world.cohorts.matured(world.task, now=world.after(2 * DAY), versions=kept, since=since).table
        assert part.equals(table.slice(20))

    def test_from_a_time_before_the_tables_existed(self, world: World) -> None:
        versions = world.cohorts.versions("price")
        self.prepared(world)
        assert world.cohorts.matured(world.task, now=world.after(2 * DAY), versions=versions).table.num_rows == 0

    def test_training_rows_too(self, world: World) -> None:
        self.prepared(world)
        first = world.cohorts.known(world.task, now=world.after(20))
        self.more(world)
        again = world.cohorts.known(world.task, now=world.after(20), versions=first.lake)
        assert again.table.equals(first.table)


def test_fifty_thousand_rows_take_less_than_a_quarter_of_a_second(world: World) -> None:
    for number in range(50_000):
        world.predict(f"p{number:06}", at=number, features={"demand": number / 7, "period": "am", "holiday": True})
        world.answer(f"p{number:06}", float(number % 2), received=number + 60)
    while not world.ingest().caught_up:
        pass
    now = world.after(2 * DAY)
    # Processor time of all threads: what others do on the machine must not decide.
    assert min(_timed(world, now) for _ in range(5)) < 0.25


def _timed(world: World, now: int) -> float:
    started = time.process_time()
    assert world.cohorts.matured(world.task, now=now).table.num_rows == 50_000
    return time.process_time() - started


def test_pinned_predictions_are_in_the_lake_and_in_no_cohort(world: World) -> None:
    world.predict("live", at=100, entity="shop")
    world.predict("pinned", at=110, entity="shop", variant="pinned", version=1)
    world.answer(None, 1.0, received=120, entity="shop")
    world.answer("pinned", 0.0, received=130)
    assert labels(matured(world, 2 * DAY)) == {"live": 1.0}, "the outcome is the live prediction's"
    assert labels(known(world, 2 * DAY)) == {"live": 1.0}
    assert world.cohorts.counts(world.task, world.after(2 * DAY)).unknown == 1
    kept = world.lake.read(predictions_name("price"), schema=PREDICTIONS)
    assert sorted(kept["variant"].to_pylist()) == ["champion", "pinned"]


def test_a_live_prediction_is_not_undone_by_a_pinned_one_of_the_same_id(world: World) -> None:
    world.predict("p1", at=100)
    world.predict("p1", at=100, variant="pinned")
    world.answer("p1", 1.0, received=200)
    assert labels(matured(world, 2 * DAY)) == {"p1": 1.0}

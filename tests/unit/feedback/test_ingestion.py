from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tropism.core.errors import DiskFull
from tropism.core.events import Outcome, encode
from tropism.core.task import Feature
from tropism.feedback import Ingestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.feedback.conftest import World

    from tropism.storage.lake import Appended

PREDICTIONS, OUTCOMES, REJECTED = "price/predictions", "price/outcomes", "_rejected"


def ids(world: World, table: str) -> list[str]:
    return sorted(world.lake.read(table, columns=["id"])["id"].to_pylist())


def test_events_arrive_with_everything_that_was_sent(world: World) -> None:
    world.predict("p1", at=3, features={"demand": 2.5, "period": "pm"}, entity="shop", unit="u7", variant="baseline")
    world.answer("p1", 1.0, received=9, name="o1", entity="shop")
    done = world.ingest()
    assert (done.predictions, done.outcomes, done.rejected, done.positions) == (1, 1, 0, {"w0": 2})
    row = world.lake.read(PREDICTIONS).to_pylist()[0]
    assert row.pop("at").timestamp() == world.after(3) / 1e6
    assert row == {
        "id": "p1",
        "entity": "shop",
        "unit": "u7",
        "version": 1,
        "variant": "baseline",
        "scores": [0.5],
        "degraded": [],
        "served": None,
        "propensity": None,
        "writer": "w0",
        "seq": 1,
        "f_demand": 2.5,
        "f_period": "pm",
        "f_holiday": None,
    }
    row = world.lake.read(OUTCOMES).to_pylist()[0]
    assert (row["id"], row["prediction_id"], row["entity"], row["value"]) == ("o1", "p1", "shop", 1.0)
    assert row["received"].timestamp() == world.after(9) / 1e6


def test_columns_have_the_types_of_the_features(world: World) -> None:
    world.predict("p1", features={"demand": None})
    world.ingest()
    schema = world.lake.read(PREDICTIONS).schema
    assert [schema.field(f"f_{name}").type for name in world.task.feature_names] == [
        pa.float64(),
        pa.string(),
        pa.bool_(),
    ]
    assert schema.field("version").type == pa.int32()


def test_a_feature_added_later_is_null_in_older_rows(world: World) -> None:
    world.predict("p1")
    world.ingest()
    added = Feature("weather", "category")
    world.task = type(world.task)(
        name="price", kind="binary", target="up", features=(*world.task.features, added), outcome_window="1d"
    )
    world.predict("p2", features={"weather": "rain"})
    world.ingest()
    rows = {row["id"]: row["f_weather"] for row in world.lake.read(PREDICTIONS).to_pylist()}
    assert rows == {"p1": None, "p2": "rain"}


def test_nothing_new_leaves_the_lake_alone_and_is_quick(world: World) -> None:
    world.predict("p1")
    ingestion = world.ingestion()
    ingestion.run()
    version = world.lake.version(PREDICTIONS)
    started = time.process_time()
    for _ in range(100):
        assert ingestion.run().caught_up
    assert (time.process_time() - started) / 100 < 0.002
    assert world.lake.version(PREDICTIONS) == version


def test_a_limit_is_kept_and_the_rest_comes_next(world: World) -> None:
    for number in range(5):
        world.predict(f"p{number}")
    assert [world.ingest(2).predictions for _ in range(4)] == [2, 2, 1, 0]
    assert not world.ingest(2).predictions
    assert ids(world, PREDICTIONS) == [f"p{number}" for number in range(5)]


def test_several_writers_share_a_commit(world: World) -> None:
    for number in range(6):
        world.predict(f"p{number}", writer=f"w{number % 3}")
    done = world.ingest()
    assert done.positions == {"w0": 2, "w1": 2, "w2": 2}
    assert {writer: world.lake.position(PREDICTIONS, writer) for writer in done.positions} == done.positions
    world.predict("p6", writer="w1")
    assert world.ingest().predictions == 1
    assert ids(world, PREDICTIONS) == [f"p{number}" for number in range(7)]


def test_a_lost_cursor_duplicates_nothing(world: World) -> None:
    world.predict("p1")
    world.answer("p1", 1.0)
    world.journal.append(b"\xc1 no event")
    world.ingest()
    world.cursors.values.clear()
    world.predict("p2", writer="w1")
    done = world.ingest()
    assert (done.predictions, done.outcomes, done.rejected) == (1, 0, 0)
    assert [world.lake.read(name).num_rows for name in (PREDICTIONS, OUTCOMES, REJECTED)] == [2, 1, 1]


@pytest.mark.parametrize("table", [PREDICTIONS, OUTCOMES, REJECTED])
def test_a_run_cut_short_before_a_commit_is_made_up_for(
    world: World, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    world.predict("p1")
    world.answer("p1", 1.0)
    world.journal.append(b"\xc1 no event")
    append: Callable[..., Appended] = world.lake.append

    def full(name: str, rows: pa.Table, *, positions: Mapping[str, int] | None = None) -> Appended:
        if name == table:
            raise DiskFull("the disk is full")
        return append(name, rows, positions=positions)

    with monkeypatch.context() as patched:
        patched.setattr(world.lake, "append", full)
        with pytest.raises(DiskFull):
            world.ingest()
    assert world.cursors.values == {}
    world.ingest()
    assert [world.lake.read(name).num_rows for name in (PREDICTIONS, OUTCOMES, REJECTED)] == [1, 1, 1]


def test_a_second_process_with_an_old_cursor_does_no_harm(world: World) -> None:
    class OldCursors:
        def get(self, name: str) -> Any:
            return None

        def set(self, name: str, value: Any, *, now: int) -> None:
            pass

    for number in range(4):
        world.predict(f"p{number}")
    stale = Ingestion(world.journal, world.lake, world.find, OldCursors(), world.clock)
    stale.run(3)
    world.ingest()
    assert stale.run(2).predictions == 0
    assert ids(world, PREDICTIONS) == ["p0", "p1", "p2", "p3"]


def bad_outcome(**changes: Any) -> bytes:
    plain: dict[str, Any] = {"id": "o", "task": "price", "value": 1.0, "at": 0, "received": 0, "prediction_id": "p"}
    return encode(Outcome(**plain | changes))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not an event"),
        (b"\xc1", "not an event"),
        (b"\x81\xa4type\xa5other", "not an event"),
        (bad_outcome(id="OO").replace(b"OO", b"\xff\xfe"), "not an event"),
        (b"\x81\xa1x" + b"\x91" * 100_000, "not an event"),
        (bad_outcome(task="prise"), "no task 'prise'"),
        (bad_outcome(value=float("nan")), "not finite"),
        (bad_outcome(prediction_id=None), "neither a prediction nor an entity"),
        (bad_outcome(at=2**62), "'at' is no time"),
        (bad_outcome(received=-(2**62)), "'received' is no time"),
    ],
)
def test_a_record_that_no_table_takes_is_kept_with_the_reason(world: World, payload: bytes, reason: str) -> None:
    world.journal.append(payload, "w4")
    world.predict("p1", writer="w4")
    world.clock.set(77)
    done = world.ingest()
    assert (done.rejected, done.predictions, done.outcomes) == (1, 1, 0)
    row = world.lake.read(REJECTED).to_pylist()[0]
    assert (row["writer"], row["seq"], row["payload"], row["at"].microsecond) == ("w4", 1, payload, 77)
    assert reason in row["reason"]


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ({"demand": "3"}, "feature 'demand' is str, not float"),
        ({"demand": True}, "feature 'demand' is bool, not float"),
        ({"period": 3.0}, "feature 'period' is float, not str"),
        ({"holiday": 1.0}, "feature 'holiday' is float, not bool"),
        ({"colour": "red"}, "no feature 'colour'"),
    ],
)
def test_an_impossible_feature_rejects_its_prediction_only(world: World, features: Any, reason: str) -> None:
    world.predict("good")
    world.predict("bad", features=features)
    world.predict("worse", version=2**40)
    done = world.ingest()
    assert (done.predictions, done.rejected) == (1, 2)
    reasons = [row["reason"] for row in sorted(world.lake.read(REJECTED).to_pylist(), key=lambda row: row["seq"])]
    assert reason in reasons[0]
    assert "'version' is no version" in reasons[1]


def test_fifty_thousand_predictions_take_less_than_three_seconds(world: World) -> None:
    for number in range(50_000):
        world.predict(f"p{number}", at=number)
    started = time.process_time()
    assert world.ingest().predictions == 50_000
    assert time.process_time() - started < 3

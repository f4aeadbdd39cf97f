from __future__ import annotations

import resource
import sqlite3
from datetime import timedelta
from decimal import Decimal as Number
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.features.windows.streams import Event, labels, moment, random_events, reference, table, view
from tests.unit.features.windows.test_offline import event

from tropism.core.clock import SECOND, ManualClock, from_datetime
from tropism.core.errors import DiskFull, InvalidInput, NotWritable
from tropism.features import Decimal, Entity, FeatureView, ParquetSource, StreamSource, Vector, agg
from tropism.features.windows import WindowStore, window_values


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3 * SECOND), st.lists(event().filter(lambda one: one["who"]), max_size=4)), max_size=5
    ),
    st.integers(0, 4 * SECOND),
    st.sampled_from(["arrival", "event"]),
    st.booleans(),
)
def test_values_online_are_those_offline_to_the_last_bit(
    batches: list[tuple[int, list[Event]]], allowance: int, known: str, as_arrow: bool
) -> None:
    """Events from the future wait; reads go back as far as the allowance; a read is after what it reads arrived."""
    of, clock, history = view(known=known), ManualClock(-5 * SECOND), []
    asked: list[tuple[str, int]] = []
    online: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        store = WindowStore(Path(folder) / "tiles.sqlite", clock, allowance)
        for number, (step, events) in enumerate(batches):
            clock.advance(step)
            for one in events:
                one["arrived"] = moment(clock.now())
            history += events
            store.apply([of], table(events) if as_arrow else events, {"0": number})
            times = [clock.now() + 1, clock.now() - allowance] if known == "arrival" else [clock.now() + 1]
            for time in times:
                asked += [(who, time) for who in ("x", "y", "z")]
                online += store.values(of, ["x", "y", "z"], time)
        store.close()
    if known == "arrival":
        assert online == window_values(of, table(history), labels(asked), "t").to_pylist()
        return
    for row, (who, time) in zip(online, asked, strict=True):
        arrived = [one for one in history if one["arrived"] < moment(time)]
        assert row == window_values(of, table(arrived), labels([(who, time)]), "t").to_pylist()[0]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3 * SECOND),
            st.integers(0, 4 * SECOND),
            st.lists(event().filter(lambda one: one["who"]), max_size=4),
        ),
        max_size=6,
    ),
    st.lists(st.integers(-SECOND, 6 * SECOND), min_size=7, max_size=7),
    st.sampled_from(["arrival", "event"]),
)
def test_what_was_read_is_computed_again_from_the_history_and_how_far_the_view_had_come(
    batches: list[tuple[int, int, list[Event]]], moments: list[int], known: str
) -> None:
    """Batches are stamped, and applied some time after that; reads come between, also after stamps not applied yet."""
    of, clock, stamp, history = view(known=known), ManualClock(-5 * SECOND), -5 * SECOND, []
    asked: list[tuple[str, int]] = []
    reach: list[int] = []
    online: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        store = WindowStore(Path(folder) / "tiles.sqlite", clock)
        for number, (step, delay, events) in enumerate([(0, 0, []), *batches]):
            stamp += step
            for one in events:
                one["arrived"] = moment(stamp)
            history += events
            clock.set(max(clock.now(), stamp + delay))
            store.apply([of], events, {"0": number}, known=stamp)
            time = clock.now() + moments[number]
            found = store.read(of, ["x", "y", "z"], time)
            assert found.known == stamp if stamp > 0 else found.known == 0
            asked += [(who, time) for who in ("x", "y", "z")]
            reach += [stamp] * 3
            online += found.values
        store.close()
    assert online == window_values(of, table(history), labels(asked, reach), "t", known="known").to_pylist()


@pytest.mark.parametrize("known", ["arrival", "event"])
def test_a_long_stream_read_by_others_meanwhile_is_computed_again(tmp_path: Path, known: str) -> None:
    of, clock = view(known=known), ManualClock()
    events = random_events(8, 10_000, spread=120)
    random = np.random.default_rng(9)
    store, reader = (WindowStore(tmp_path / "tiles.sqlite", clock) for _ in range(2))
    assert reader.read(of, ["a1"], 0).known == 0
    asked: list[tuple[str, int]] = []
    reach: list[int] = []
    online: list[dict[str, Any]] = []
    start, stamp = 0, from_datetime(events[0]["arrived"])
    origin = 100 * SECOND - stamp
    for one in events:  # the watermark is of now, not of 1969
        one["at"] += timedelta(microseconds=origin)
    while start < len(events):
        end = min(len(events), start + int(random.integers(1, 200)))
        stamp = max(stamp + 1, from_datetime(events[end - 1]["arrived"]) + origin)
        for one in events[start:end]:
            one["arrived"] = moment(stamp)
        clock.set(stamp + int(random.integers(0, SECOND)))
        places = [("0", place) for place in range(max(0, start - 3), end)]
        store.apply([of], events[max(0, start - 3) : end], {}, places, known=stamp)
        time = clock.now() + int(random.integers(-SECOND // 2, 3 * SECOND))
        keys = [f"a{number}" for number in random.integers(0, 41, 20)]
        found = reader.read(of, keys, time)
        online += found.values
        reach += [found.known] * len(keys)
        asked += [(key, time) for key in keys]
        start = end
    store.close()
    reader.close()
    assert len(online) > 1_000
    assert online == window_values(of, table(events), labels(asked, reach), "t", known="known").to_pylist()


def test_how_far_a_view_has_come_is_kept_and_never_goes_back(tmp_path: Path) -> None:
    of, other, path = view(agg.count("10s")), view(agg.sum("items", "10s")), tmp_path / "tiles.sqlite"
    store = WindowStore(path, ManualClock(SECOND))
    assert store.read(of, ["x"], SECOND).known == 0
    store.apply([of], [{"who": "x", "at": 1}], {"0": 1})
    assert store.read(of, ["x"], 2 * SECOND)[:2] == ([{"count_10s": 1}], 0)
    store.apply([of], [], {}, known=700)
    store.apply([of, other], [{"who": "x", "at": 1}], {"0": 2}, known=600)
    assert store.read(of, ["x"], 2 * SECOND)[:2] == ([{"count_10s": 2}], 700)
    with pytest.raises(InvalidInput):
        store.apply([of], [{"who": "x", "at": "now"}], {"0": 3}, known=800)
    store.close()
    store = WindowStore(path)
    assert store.read(of, [], SECOND).known == 700
    assert store.read(other, [], SECOND).known == 600
    store.drop(of)
    assert store.read(of, [], SECOND).known == 0
    store.close()


def test_a_file_from_before_views_said_how_far_they_had_come_is_taken(tmp_path: Path) -> None:
    of, path = view(agg.count("10s")), tmp_path / "tiles.sqlite"
    store = WindowStore(path, ManualClock(SECOND))
    store.apply([of], [{"who": "x", "at": 1}], {"0": 1}, known=9)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE views DROP COLUMN known")
    connection.close()
    stores = [WindowStore(path, ManualClock(SECOND)) for _ in range(2)]
    assert stores[0].read(of, ["x"], 2 * SECOND)[:2] == ([{"count_10s": 1}], 0)
    stores[1].apply([of], [], {}, known=5)
    assert stores[0].read(of, ["x"], 2 * SECOND).known == 5
    for store in stores:
        store.close()


def test_a_long_stream_with_late_events_is_the_same_online_and_offline(tmp_path: Path) -> None:
    of, clock = view(), ManualClock()
    events = random_events(3, 20_000, spread=120)
    random = np.random.default_rng(4)
    store = WindowStore(tmp_path / "tiles.sqlite", clock)
    asked: list[tuple[str, int]] = []
    online: list[dict[str, Any]] = []
    start = 0
    while start < len(events):
        end = min(len(events), start + int(random.integers(1, 300)))
        clock.set((events[end - 1]["arrived"] - moment(0)) // timedelta(microseconds=1))
        store.apply([of], events[start:end], {"0": end})
        time = clock.now() + 1 - int(random.integers(0, SECOND))
        keys = [f"a{number}" for number in random.integers(0, 41, 20)]
        online += store.values(of, keys, time)
        asked += [(key, time) for key in keys]
        start = end
    store.close()
    assert len(online) > 2_000
    assert online == window_values(of, table(events), labels(asked), "t").to_pylist()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 8), st.integers(0, 8)), max_size=8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_event_counts_once_however_often_it_is_sent(sent: list[tuple[str, int, int]], twice: bool) -> None:
    """Each batch has so many new events of a partition, after so many that were sent before."""
    of, other = view(agg.count("10s")), view(agg.sum("items", "10s"))
    reached: dict[str, int] = {}
    with TemporaryDirectory() as folder:
        store = WindowStore(Path(folder) / "tiles.sqlite", ManualClock(SECOND))
        for part, new, again in sent:
            start = reached.get(part, -1) + 1
            reached[part] = start + new - 1
            places = [(part, offset) for offset in range(max(0, start - again), start + new)] * (1 + twice)
            store.apply([of, other], [{"who": "x", "at": 1, "items": 2}] * len(places), {}, places)
        total = sum(offset + 1 for offset in reached.values())
        assert store.values(of, ["x"], 2 * SECOND) == [{"count_10s": total}]
        assert store.values(other, ["x"], 2 * SECOND) == [{"sum_items_10s": 2 * total or None}]
        assert store.offsets(of) == store.offsets(other) == reached
        store.close()


def test_a_batch_without_places_is_passed_over_whole_or_refused(tmp_path: Path) -> None:
    of = view(agg.count("10s"))
    store = WindowStore(tmp_path / "tiles.sqlite", ManualClock(SECOND))
    batch = [{"who": "x", "at": 1}, {"who": "x", "at": moment(2)}]
    assert store.apply([of], batch, {"0": 1, "1": 5}) == 2
    assert store.apply([of], batch, {"0": 1, "1": 5}) == 0
    with pytest.raises(InvalidInput) as caught:
        store.apply([of], batch, {"0": 2, "1": 5})
    assert caught.value.faults[0].field == "offsets"
    assert store.offsets(of) == {"0": 1, "1": 5}
    assert store.apply([of], [], {"0": 7}) == 0
    assert store.offsets(of) == {"0": 7, "1": 5}
    with pytest.raises(InvalidInput):
        store.apply([of], batch, {}, [("0", 8)])
    assert store.values(of, ["x", "y", "x"], 2 * SECOND) == [{"count_10s": 2}, {"count_10s": 0}, {"count_10s": 2}]
    store.close()


def test_old_tiles_are_dropped_and_a_time_far_ahead_drops_none(tmp_path: Path) -> None:
    of, clock, path = (
        view(agg.count("10s", hop="5s"), agg.sum("items", "1m", hop="5s")),
        ManualClock(),
        tmp_path / "t.sqlite",
    )
    store = WindowStore(path, clock)
    for second in range(600):
        clock.set(second * SECOND)
        store.apply([of], [{"who": "x", "at": clock.now(), "items": 1}], {"0": second})
    ahead = {"who": "x", "at": clock.now() + 10**15}
    store.apply([of], [ahead, {"who": "x", "at": 0}], {"0": 600})
    clock.advance(5 * SECOND)
    store.apply([of], [{"who": "x", "at": clock.now() - 1, "items": 1}], {"0": 601})
    events = [{"who": "x", "at": moment(second * SECOND), "items": 1} for second in range(600)]
    events.append({"who": "x", "at": moment(clock.now() - 1), "items": 1})
    assert store.values(of, ["x"], clock.now() + 1) == [reference(of, events, "x", clock.now() + 1)]
    store.close()
    with sqlite3.connect(path) as connection:
        ((tiles,),) = connection.execute("SELECT count(*) FROM tiles")
        ((young,),) = connection.execute("SELECT count(*) FROM young")
    connection.close()
    assert tiles < 16
    assert young == 2


def test_what_is_dropped_or_of_another_definition_is_not_read(tmp_path: Path) -> None:
    of, other = view(agg.count("10s")), view(agg.count("20s", name="count_10s"))
    store = WindowStore(tmp_path / "tiles.sqlite", ManualClock(SECOND))
    store.apply([of], [{"who": "x", "at": 1}], {"0": 1})
    assert store.values(other, ["x"], 2 * SECOND) == [{"count_10s": 0}]
    assert store.offsets(other) == {}
    store.drop(of)
    assert store.values(of, ["x"], 2 * SECOND) == [{"count_10s": 0}]
    assert store.offsets(of) == {}
    store.close()


def test_values_have_the_types_of_their_columns(tmp_path: Path) -> None:
    source = StreamSource(
        "s", timestamp="at", schema={"a": int, "b": str, "v": Vector(2), "d": Decimal(18), "t": "time"}
    )
    fields = (
        agg.last("v", "10s"),
        agg.distinct("v", "10s"),
        agg.max("d", "10s"),
        agg.last("d", "10s"),
        agg.min("t", "10s"),
    )
    of = FeatureView("f", entity=Entity("e", key=("a", "b")), source=source, fields=fields)
    store = WindowStore(tmp_path / "tiles.sqlite", ManualClock(SECOND))
    large = Number("12345678901234567890.123456789012345678")
    batch = [{"a": 1, "b": "x", "at": 5, "v": [0.1, 2], "d": large, "t": moment(-1)}, {"a": 1, "b": "x", "at": 4}]
    store.apply([of], batch, {"0": 1})
    (row,) = store.values(of, ["1\x1fx"], SECOND + 1)
    single = float(np.float32(0.1))
    assert row == {
        "last_v_10s": [single, 2.0],
        "distinct_v_10s": 1,
        "max_d_10s": large,
        "last_d_10s": large,
        "min_t_10s": moment(-1),
    }
    store.close()


def test_any_text_is_a_key(tmp_path: Path) -> None:
    of, keys = view(agg.count("10s", hop="1s")), ["a", "a\0b", "", '\u2028"\\\x1f', "\U0001f600"]
    clock = ManualClock(SECOND)
    store = WindowStore(tmp_path / "tiles.sqlite", clock)
    for number, key in enumerate(keys):
        store.apply([of], [{"who": key, "at": 1}] * (number + 1), {"0": number})
    asked = [*keys, "\0" * 513, "a"]
    expected = [{"count_10s": count} for count in (1, 2, 3, 4, 5, 0, 1)]
    assert store.read(of, asked, 2 * SECOND).values == expected
    clock.advance(2 * SECOND)
    store.apply([of], [{"who": "z", "at": 1}], {"0": 9})
    assert store.read(of, asked, 3 * SECOND).values == expected
    store.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("who", None),
        ("at", None),
        ("at", "yesterday"),
        ("at", 10**30),
        ("arrived", -(10**18)),
        ("amount", "12"),
        ("amount", 10**400),
        ("amount", True),
        ("cents", Number("0.001")),
        ("cents", Number("1e40")),
        ("cents", Number("inf")),
        ("items", 1.5),
        ("items", 2**63),
        ("shop", 3),
        ("seen", "now"),
    ],
)
def test_an_event_that_does_not_fit_is_refused_by_field_and_nothing_is_taken(
    tmp_path: Path, field: str, value: object
) -> None:
    of = view()
    store = WindowStore(tmp_path / "tiles.sqlite", ManualClock(SECOND))
    good = {"who": "x", "at": 1}
    with pytest.raises(InvalidInput) as caught:
        store.apply([of], [good, {**good, field: value}], {"0": 2})
    assert caught.value.faults[0].field == field
    assert store.offsets(of) == {}
    assert store.values(of, ["x"], SECOND)[0]["count_10s"] == 0
    store.close()


def test_only_windows_over_a_stream_have_tiles(tmp_path: Path) -> None:
    store = WindowStore(tmp_path / "tiles.sqlite")
    with pytest.raises(InvalidInput):
        store.apply([view(agg.count("10s"), source=ParquetSource("x", timestamp="at"))], [], {})
    store.close()


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritable):
        WindowStore(tmp_path / "file" / "tiles.sqlite")


def test_a_full_disk_takes_none_of_a_batch(tmp_path: Path) -> None:
    of = view(agg.count("10s"), agg.last("shop", "10s"))
    store = WindowStore(tmp_path / "tiles.sqlite", ManualClock(SECOND))
    store.apply([of], [{"who": "x", "at": 1}], {"0": 0})
    batch = [{"who": f"k{number}", "at": 1, "shop": "s" * 400} for number in range(5_000)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(DiskFull):
            store.apply([of], batch, {"0": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.offsets(of) == {"0": 0}
    assert store.apply([of], batch, {"0": 1}) == 5_000
    assert store.values(of, ["k7"], SECOND + 1)[0]["count_10s"] == 1
    store.close()


def test_arrow_times_in_nanoseconds_and_keys_as_numbers_are_taken(tmp_path: Path) -> None:
    of = view(agg.sum("amount", "10s"))
    store = WindowStore(tmp_path / "tiles.sqlite", ManualClock(SECOND))
    batch = pa.table({"who": [7], "at": pa.array([1_000], pa.timestamp("ns")), "amount": pa.array([1], pa.int32())})
    store.apply([of], batch, {"0": 0})
    assert store.values(of, ["7"], 2 * SECOND) == [{"sum_amount_10s": 1.0}]
    store.close()

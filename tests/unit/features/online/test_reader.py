from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tropism.core.errors import InvalidInput, UnknownFeature
from tropism.features import Entity, FeatureView, Field, ParquetSource
from tropism.features.online import OnlineReader, OnlineStore, OnlineView, Packing, Status
from tropism.features.online.sqlite import SQLiteOnlineStore
from tropism.features.types import dtype

PROFILE = OnlineView("profile", "profile@1", ("segment", "limit"), (dtype("text"), dtype("number")), ttl=100)
SPEND = OnlineView("spend", "spend@7", ("count", "mean"), (dtype("integer"), dtype("number")))
NAMES = ["profile.segment", "profile.limit", "spend.count", "spend.mean"]


@pytest.fixture
def store() -> Iterator[OnlineStore]:
    store = SQLiteOnlineStore(":memory:")
    yield store
    store.close()


def put(store: OnlineStore, view: OnlineView, key: str, event: int, *values: Any) -> None:
    store.write(view.stored, [key], [Packing(view.dtypes).pack(event, event, values)])


def reader(store: OnlineStore) -> OnlineReader:
    return OnlineReader(store, [PROFILE, SPEND])


def test_values_of_several_views_come_together_in_the_order_asked(store: OnlineStore) -> None:
    put(store, PROFILE, "1", 50, "gold", 10.5)
    put(store, PROFILE, "2", 50, None, 3.0)
    put(store, SPEND, "2", 40, 4, None)
    names = ["spend.mean", "profile.limit", "spend.count", "profile.segment", "spend.mean"]
    expected = [
        {"spend.mean": None, "profile.limit": 3.0, "spend.count": 4, "profile.segment": None},
        {"spend.mean": None, "profile.limit": None, "spend.count": None, "profile.segment": None},
        {"spend.mean": None, "profile.limit": 10.5, "spend.count": None, "profile.segment": "gold"},
    ]

    found = reader(store).get(["2", "3", "1"], names, 60)

    assert found.rows() == expected
    assert [list(row) for row in found.rows()] == [names[:4]] * 3
    assert found.table().to_pylist() == expected
    assert found.table().column_names == names[:4]
    assert found.statuses == {
        "profile": [Status.PRESENT, Status.MISSING, Status.PRESENT],
        "spend": [Status.PRESENT, Status.MISSING, Status.MISSING],
    }


@pytest.mark.parametrize("names", [NAMES, NAMES[:2], ["spend.mean"], [NAMES[1], NAMES[3]], NAMES[::-1]])
def test_rows_and_table_say_the_same_for_any_choice_of_features(store: OnlineStore, names: list[str]) -> None:
    put(store, PROFILE, "1", 50, "gold", 10.5)
    put(store, SPEND, "1", 40, 4, 0.5)
    values = dict(zip(NAMES, ["gold", 10.5, 4, 0.5], strict=True))

    found = reader(store).get(["1", "2"], names, 60)

    assert found.rows() == [{name: values[name] for name in names}, dict.fromkeys(names)]
    assert found.table().to_pylist() == found.rows()


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (999, Status.MISSING),
        (1_000, Status.PRESENT),
        (1_099, Status.PRESENT),
        (1_100, Status.EXPIRED),
        (2**62, Status.EXPIRED),
    ],
)
def test_a_row_counts_from_its_event_until_its_time_to_live_is_over(
    store: OnlineStore, now: int, status: Status
) -> None:
    put(store, PROFILE, "1", 1_000, "gold", 10.5)
    found = reader(store).get(["1"], NAMES[:2], now)

    assert found.statuses == {"profile": [status]}
    value = "gold" if status is Status.PRESENT else None
    assert found.rows()[0]["profile.segment"] == found.table()["profile.segment"][0].as_py() == value


def test_without_a_time_to_live_a_row_counts_for_ever(store: OnlineStore) -> None:
    put(store, SPEND, "1", -5, 4, 0.5)
    assert reader(store).get(["1"], ["spend.count"], 2**62).statuses == {"spend": [Status.PRESENT]}


def test_a_present_row_of_nulls_is_not_a_missing_one(store: OnlineStore) -> None:
    put(store, SPEND, "1", 0, None, None)
    found = reader(store).get(["1", "2"], ["spend.count"], 5)
    assert found.statuses == {"spend": [Status.PRESENT, Status.MISSING]}
    assert found.rows() == [{"spend.count": None}] * 2


@pytest.mark.parametrize("damage", [lambda row: row[:-1], lambda row: b"\x02" + row[1:], lambda row: b"\x00" + row[1:]])
def test_a_row_of_another_layout_reads_as_missing_and_leaves_the_others(store: OnlineStore, damage: Any) -> None:
    for key in ("1", "2", "3"):
        put(store, PROFILE, key, 1_000, "gold", 10.5)
    row = Packing(PROFILE.dtypes).pack(1_000, 1_001, ["gold", 10.5])
    store.write(PROFILE.stored, ["2"], [damage(row)])

    found = reader(store).get(["1", "2", "3"], NAMES[:2], 1_050)

    assert found.statuses["profile"] == [Status.PRESENT, Status.MISSING, Status.PRESENT]
    assert found.unfit == 1
    assert [row["profile.limit"] for row in found.rows()] == [10.5, None, 10.5]
    assert found.table()["profile.limit"].to_pylist() == [10.5, None, 10.5]


def test_views_of_different_entities_have_keys_of_their_own(store: OnlineStore) -> None:
    put(store, PROFILE, "a", 50, "gold", 10.5)
    put(store, SPEND, "x", 50, 1, 1.0)
    found = reader(store).get({"profile": ["a", "b"], "spend": ["y", "x"]}, ["profile.limit", "spend.count"], 60)
    assert found.rows() == [
        {"profile.limit": 10.5, "spend.count": None},
        {"profile.limit": None, "spend.count": 1},
    ]


def test_all_views_are_read_in_one_round_trip(store: OnlineStore) -> None:
    trips = []

    class Counted(SQLiteOnlineStore):
        def read(self, wanted: Sequence[tuple[str, Sequence[str]]]) -> list[list[bytes | None]]:
            trips.append(wanted)
            return super().read(wanted)

    counted = Counted(":memory:")
    reader(counted).get(["1", "2"], NAMES, 60)
    counted.close()
    assert trips == [[("profile@1", ["1", "2"]), ("spend@7", ["1", "2"])]]


def test_no_keys_give_no_rows(store: OnlineStore) -> None:
    found = reader(store).get([], NAMES, 60)
    assert found.rows() == []
    assert found.table().num_rows == 0


@pytest.mark.parametrize("name", ["spend.total", "other.count", "count", "", "spend.", "spend.count.x"])
def test_an_unknown_feature_is_refused_by_name(store: OnlineStore, name: str) -> None:
    with pytest.raises(UnknownFeature) as caught:
        reader(store).get(["1"], ["spend.count", name], 60)
    assert caught.value.faults[0].value == repr(name)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["1"], []),
        ({"profile": ["1"]}, NAMES),
        ({"profile": ["1"], "spend": []}, NAMES),
        (["\ud800"], NAMES),
        (["\ud800", "1"], NAMES),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(store: OnlineStore, keys: Any, names: list[str]) -> None:
    put(store, PROFILE, "1", 50, "gold", 10.5)
    with pytest.raises(InvalidInput):
        reader(store).get(keys, names, 60)


def test_a_declared_view_gives_its_names_types_and_time_to_live() -> None:
    source = ParquetSource("profiles.parquet", timestamp="at")
    declared = FeatureView(
        "profile", entity=Entity("account", key="id"), source=source, ttl="1s", fields=(Field("limit", "decimal(2)"),)
    )
    assert OnlineView.of(declared, "profile@9") == OnlineView(
        "profile", "profile@9", ("limit",), (dtype("decimal(2)"),), 1_000_000
    )


def test_threads_read_side_by_side(store: OnlineStore) -> None:
    for number in range(20):
        put(store, SPEND, str(number), number, number, None)
    shared, wrong = reader(store), []

    def read(number: int) -> None:
        for _ in range(100):
            if shared.get([str(number)], ["spend.count"], 60).rows() != [{"spend.count": number}]:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

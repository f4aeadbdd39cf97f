from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.loop.watching.place import FEATURES, MINUTE, START, Place, ends, levels, minutes, task_of, times

from tropism.core.clock import DAY, SECOND
from tropism.core.task import Feature
from tropism.loop.watching.watch import FEATURES as KIND
from tropism.monitoring.watch.monitor import opened
from tropism.monitoring.watch.store import MonitorStore

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Place]

YEAR = 365 * DAY


def test_without_a_champion_it_says_so(place: Make) -> None:
    found = place().look(START)
    assert (found.version, found.monitors, found.waiting) == (None, {}, {"features": "there is no champion yet"})


def test_with_too_few_rows_each_monitor_says_what_it_waits_for(place: Make) -> None:
    one = place()
    one.promote(START)
    found = one.look(minutes(one, 9))
    assert found.monitors == {}
    assert found.waiting == {
        "features": "there is too little to compare with yet: 900 of 1000 predictions",
        "prediction": "there is too little to compare with yet: 900 of 1000 predictions",
        "loss": "there is too little to compare with yet: 0 of 200 outcomes",
    }


def test_the_reference_is_what_was_there_before_the_training(place: Make) -> None:
    one = place()
    one.begun(5_000)
    monitor = one.look(minutes(one, 3)).monitors[KIND]
    reference = opened(monitor.reference)
    assert (reference.rows, reference.origin) == (5_000, "the last 5,000 rows before version 1 was trained")
    assert reference.names == ("a", "b", "c")
    assert (monitor.windows, monitor.rows, monitor.started) == (3, 300, START)


def test_without_rows_from_before_the_first_thousand_served_are_the_reference(place: Make) -> None:
    one = place()
    one.promote(START)
    monitor = one.look(minutes(one, 15)).monitors[KIND]
    assert opened(monitor.reference).origin == "the first 1,000 rows served"
    assert monitor.rows == 500
    assert monitor.score < 0.5


def test_only_the_last_rows_are_the_reference_where_there_are_more(place: Make) -> None:
    one = place(task_of(reference=1_000))
    one.begun(5_000)
    reference = opened(one.look(minutes(one, 1)).monitors[KIND].reference)
    assert (reference.rows, reference.start) == (1_000, START - 200 * MINUTE)


def test_looking_twice_counts_nothing_twice(place: Make) -> None:
    one = place()
    one.begun()
    now = minutes(one, 20)
    first = one.look(now)
    assert one.look(now) == first
    assert one.look(now + MINUTE).monitors[KIND].rows == first.monitors[KIND].rows == 2_000
    assert one.platform.watch.known(one.task).monitors == one.look(now + MINUTE).monitors


def test_many_looks_find_what_one_finds(place: Make) -> None:
    often, once = place(), place()
    for one in (often, once):
        one.begun()
        minutes(one, 40, shift=0.2)
    for minute in range(1, 41):
        often.look(START + minute * MINUTE + 10 * SECOND)
    once.look(START + 40 * MINUTE + 10 * SECOND)
    many, single = (one.platform.watch.known(one.task).monitors[KIND] for one in (often, once))
    assert (many.windows, many.rows, many.until) == (single.windows, single.rows, single.until)
    assert many.score == pytest.approx(single.score, rel=1e-4)
    assert many.score > 0.3
    assert many.columns == pytest.approx(single.columns, rel=1e-3, abs=1e-6)
    assert ends(often) == ends(once)


def test_what_a_worker_missed_is_taken_in_by_parts(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, whole = place(), place()
    for one in (parts, whole):
        one.begun()
        minutes(one, 90, shift=0.1)
        minutes(one, 90, start=START + 7 * DAY, shift=0.1)
    now = START + 8 * DAY + 10 * SECOND
    once = whole.look(now).monitors[KIND]
    monkeypatch.setattr("tropism.loop.watching.rows._AT_ONCE", 1_000)
    monkeypatch.setattr("tropism.loop.watching.taking._CELLS", 20)
    often = parts.look(now).monitors[KIND]
    assert (
        (often.windows, often.rows, often.until)
        == (once.windows, once.rows, once.until)
        == (180, 18_000, START + 8 * DAY)
    )
    assert often.score == pytest.approx(once.score, rel=1e-3, abs=1e-6)
    assert ends(parts) == ends(whole)


def test_a_burst_is_one_window(place: Make) -> None:
    one = place()
    one.begun()
    one.served(times(START, START + MINUTE, 100_000), one.rows(100_000))
    found = one.look(START + MINUTE + 10 * SECOND).monitors[KIND]
    assert (found.windows, found.rows, found.score < 0.5) == (1, 100_000, True)


def test_a_shift_is_an_alarm_that_names_its_feature(place: Make) -> None:
    one = place()
    one.begun(20_000)
    found = one.look(minutes(one, 20, shift=0.5)).monitors[KIND]
    assert found.score >= 0.8
    assert found.causes[0] == "a"
    assert found.alarm is not None
    assert found.alarms == 1


def test_two_that_look_at_once_count_each_window_once(place: Make) -> None:
    one = place()
    one.begun()
    one.look(minutes(one, 1))
    watches = [one.platform.watch, one.second(), one.second(), one.second()]
    for turn in range(1, 9):
        now = minutes(one, 3, start=START + (3 * turn - 2) * MINUTE)
        ready = threading.Barrier(len(watches))
        failed: list[Exception] = []

        def look(watch: Any, now: int = now, ready: threading.Barrier = ready) -> None:
            try:
                ready.wait(30)
                watch.look(one.task, now)
            except Exception as error:  # noqa: BLE001 - shown below
                failed.append(error)  # noqa: B023

        threads = [threading.Thread(target=look, args=(watch,)) for watch in watches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failed == []
        assert one.platform.watch.known(one.task).monitors[KIND].rows == (1 + 3 * turn) * 100
    assert len(ends(one)) == len(set(ends(one))) == 25


def test_a_new_champion_starts_anew_and_old_monitors_are_let_go(place: Make) -> None:
    one = place()
    one.begun()
    one.look(minutes(one, 20, shift=1.0))
    assert one.look(START + 21 * MINUTE).monitors[KIND].score >= 0.8
    for version in (2, 3):
        at = START + version * 30 * MINUTE
        assert one.promote(at) == version
        found = one.look(minutes(one, 3, start=at, shift=1.0))
        assert (found.version, found.monitors[KIND].windows) == (version, 3)
    one.look(at + 10 * MINUTE)
    kept = MonitorStore(one.platform.database).subjects("price")
    assert sorted(kept) == ["features/2", "features/3"]


def test_rules_states_outlive_a_new_champion(place: Make) -> None:
    one = place()
    one.begun()
    one.platform.alerts.apply("price", (), {}, START)
    for version in (2, 3, 4):
        one.promote(START + version * MINUTE)
        one.look(START + version * MINUTE + 1)
    assert "rules" in MonitorStore(one.platform.database).subjects("price")


def test_a_crash_between_history_and_state_adds_nothing_twice(place: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = place()
    one.begun()
    before = one.look(minutes(one, 2)).monitors[KIND]
    now = minutes(one, 3, start=START + 2 * MINUTE)

    def crash(*_: Any, **__: Any) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(MonitorStore, "put", crash)
        with pytest.raises(ZeroDivisionError):
            one.look(now)
    assert one.platform.watch.known(one.task).monitors[KIND] == before
    assert len(ends(one)) == 5
    now = minutes(one, 1, start=START + 5 * MINUTE)
    assert one.look(now).monitors[KIND].windows == 6
    assert ends(one) == [START + minute * MINUTE for minute in range(1, 7)]
    assert levels(one)["rows"].to_pylist() == [100] * 6


def test_a_new_feature_is_watched_from_the_next_champion_on(place: Make) -> None:
    one = place()
    one.begun()
    one.look(minutes(one, 2))
    one.change(task_of((*FEATURES, Feature("new"))))

    def more(start: int, count: int) -> int:
        end = start + count * MINUTE
        made = times(start, end, count * 100)
        one.served(made, one.rows(len(made)) | {"new": one.rng.normal(size=len(made))})
        return end

    at = more(START + 2 * MINUTE, 20)
    found = one.look(at + 10 * SECOND).monitors[KIND]
    assert (set(found.columns), found.score < 0.5) == ({"a", "b", "c"}, True)
    one.promote(at)
    later = one.look(more(at, 3) + 10 * SECOND).monitors[KIND]
    assert (set(later.columns), later.score < 0.5) == ({"a", "b", "c", "new"}, True)


def test_a_column_that_is_gone_counts_as_missing_and_is_named(place: Make) -> None:
    one = place()
    one.begun()
    one.look(minutes(one, 2))
    one.task = task_of((FEATURES[0], FEATURES[2]))  # the registry refuses this change of a task
    found = one.look(minutes_of(one, START + 2 * MINUTE)).monitors[KIND]
    assert found.problems == {"b": "there is no column 'f_b'"}
    assert found.causes[0] == "b"


def minutes_of(place: Place, at: int) -> int:
    """Three minutes of the task's features without `b`."""
    rows = {name: column for name, column in place.rows(300).items() if name != "b"}
    place.served(times(at, at + 3 * MINUTE, 300), rows)
    return at + 3 * MINUTE + 10 * SECOND


def test_one_bad_column_harms_no_other(place: Make) -> None:
    one = place(task_of((Feature("a"), Feature("empty"), Feature("same"), Feature("odd"), Feature("id", "category"))))

    def rows(count: int, number: int, shift: float = 0.0) -> dict[str, Any]:
        odd = one.rng.normal(size=count)
        odd[::7], odd[1::7], odd[2::7] = np.inf, -np.inf, np.nan
        named = [f"name-{number + k}" for k in range(count)]
        a = one.rng.normal(size=count) + shift
        return {"a": a, "empty": pa.nulls(count, pa.float64()), "same": np.ones(count), "odd": odd, "id": named}

    one.served(times(START - 100 * MINUTE, START, 20_000), rows(20_000, 0), version=0)
    one.promote(START)
    one.served(times(START, START + 20 * MINUTE, 2_000), rows(2_000, 1_000_000))
    found = one.look(START + 20 * MINUTE + 10 * SECOND).monitors[KIND]
    assert opened(found.reference).problems == {"empty": "it has no value in the reference"}
    assert set(found.columns) == {"a", "same", "odd", "id"}
    assert found.score < 0.5
    one.served(times(START + 20 * MINUTE, START + 30 * MINUTE, 1_000), rows(1_000, 2_000_000, shift=1.0))
    assert one.look(START + 30 * MINUTE + 10 * SECOND).monitors[KIND].causes[0] == "a"


def test_a_million_categories_are_watched(place: Make) -> None:
    one = place(task_of((Feature("a"), Feature("id", "category"))))
    count = 1_000_000
    names = pa.array(np.char.add("n", np.arange(count).astype(str)))
    one.served(times(START - 100 * MINUTE, START, count), {"a": np.zeros(count), "id": names}, version=0)
    one.promote(START)
    one.served(times(START, START + 2 * MINUTE, 200), {"a": np.zeros(200), "id": [f"new-{k}" for k in range(200)]})
    found = one.look(START + 2 * MINUTE + 10 * SECOND).monitors[KIND]
    assert found.score < 0.5
    assert len(found.reference) < 10_000


def test_nothing_to_watch_is_said(place: Make) -> None:
    one = place(task_of((Feature("a"),)))
    one.served(times(START - MINUTE, START, 1_000), {"a": pa.nulls(1_000, pa.float64())}, version=0)
    one.promote(START)
    found = one.look(START + 2 * MINUTE)
    assert "features" not in found.monitors
    assert found.waiting[KIND] == "no column can be watched: a: it has no value in the reference"


def test_imported_pinned_and_batch_rows_are_nobody_asking(place: Make) -> None:
    one = place()
    one.begun()
    for variant in ("import", "batch", "pinned"):
        one.served(times(START, START + 5 * MINUTE, 500), one.rows(500, shift=5.0), variant=variant)
    found = one.look(START + 6 * MINUTE).monitors[KIND]
    assert (found.windows, found.rows, found.score) == (0, 0, 0.0)


def test_imports_before_the_champion_are_its_reference(place: Make) -> None:
    one = place()
    one.served(times(START - 100 * MINUTE, START, 2_000), one.rows(2_000), version=0, variant="import")
    one.promote(START)
    assert opened(one.look(START + MINUTE).monitors[KIND].reference).rows == 2_000


def test_predictions_are_compared_with_the_first_of_the_champion(place: Make) -> None:
    one = place()
    one.begun()

    def scored(start: int, count: int, mean: float, version: int = 1) -> None:
        scores = one.rng.normal(mean, 0.05, size=count)
        one.served(times(start, start + 20 * MINUTE, count), one.rows(count), version=version, scores=scores)

    scored(START, 1_500, 0.4)
    scored(START + 20 * MINUTE, 500, 0.9, version=7)  # another version's, as under test
    calm = one.look(START + 41 * MINUTE).monitors["prediction"]
    assert (calm.rows, calm.score < 0.5) == (500, True)
    scored(START + 41 * MINUTE, 500, 0.5)
    assert one.look(START + 62 * MINUTE).monitors["prediction"].score >= 0.8


def test_a_model_that_got_worse_shows_in_the_loss_once_outcomes_matured(place: Make) -> None:
    one = place()
    one.begun()

    def fared(start: int, right: float) -> None:
        made = times(start, start + 60 * MINUTE, 1_200)
        truth = one.rng.integers(0, 2, size=1_200)
        hits = one.rng.random(1_200) < right
        ids = one.served(made, one.rows(1_200), scores=np.where(hits == truth, 0.9, 0.1))
        one.told(ids, truth, made + MINUTE)

    fared(START, 0.9)
    calm = one.look(START + 71 * MINUTE).monitors["loss"]
    assert (calm.rows, calm.score < 0.5) == (1_000, True)
    fared(START + 60 * MINUTE, 0.5)
    assert one.look(START + 80 * MINUTE).monitors["loss"].rows == 1_000 + 9 * 20  # the others' windows are open
    assert one.look(START + 131 * MINUTE).monitors["loss"].score >= 0.8

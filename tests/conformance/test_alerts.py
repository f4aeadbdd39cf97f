"""What callers may rely on from alerts and silences, whichever database holds them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import StatementError

from tropism.core.clock import DAY, SECOND
from tropism.core.errors import Conflict, InvalidInput, NotFound
from tropism.core.monitoring import Rule
from tropism.monitoring.alerts import Alert, AlertStore, Changes
from tropism.registry.audit import Audit
from tropism.storage.tables import Database
from tropism.storage.tables.schema import alerts, monitors, notices_out

if TYPE_CHECKING:
    from sqlalchemy import Row

MINUTE = 60 * SECOND
START = 1_000_000_000 * SECOND
RULES = (Rule("drift", "drift > 0.8", "high"), Rule("age", "drift('age') > 0.8", channels=("pager",)))
BAD: dict[str, float | None] = {"drift": 0.9, "drift:age": 0.95}
GOOD: dict[str, float | None] = {"drift": 0.1, "drift:age": 0.1}
CHANNELS = ("mail", "pager")


@pytest.fixture
def store(tables: Database) -> AlertStore:
    return AlertStore(tables)


def fire(store: AlertStore, now: int = START, task: str = "price") -> Changes:
    return store.apply(task, RULES, BAD, now, CHANNELS, {"causes": ["age"]})


def end(store: AlertStore, now: int = START + MINUTE, task: str = "price") -> Changes:
    store.apply(task, RULES, GOOD, now, CHANNELS)
    return store.apply(task, RULES, GOOD, now + MINUTE, CHANNELS)


def notices(tables: Database) -> list[Row[Any]]:
    with tables.read() as connection:
        return list(connection.execute(select(notices_out).order_by(notices_out.c.event, notices_out.c.channel)))


def test_an_alert_and_its_notices_are_stored_together(tables: Database, store: AlertStore) -> None:
    drift, age = fire(store).fired
    assert store.get(drift.id) == drift
    assert {alert.id for alert in store.list()} == {drift.id, age.id}
    rows = notices(tables)
    assert [(row.alert_id, row.channel) for row in rows if row.alert_id == age.id] == [(age.id, "pager")]
    assert sorted(row.channel for row in rows if row.alert_id == drift.id) == ["mail", "pager"]
    body = next(row.body for row in rows if row.alert_id == drift.id)
    assert body["type"] == "alert.fired"
    assert body["alert"]["evidence"]["context"] == {"causes": ["age"]}
    assert body["alert"]["message"] == drift.message
    assert {(row.attempts, row.next_at, row.delivered_at, row.given_up_at) for row in rows} == {(0, START, None, None)}


def test_an_end_is_told_where_the_firing_was(tables: Database, store: AlertStore) -> None:
    fire(store)
    store.silence(until=START + DAY, reason="works", actor="ann", now=START)
    assert len(end(store).resolved) == 2
    assert [row.channel for row in notices(tables) if row.event == "resolved"] == ["mail", "pager", "pager"]
    assert {alert.state for alert in store.list()} == {"resolved"}


def test_a_silenced_alert_has_no_notice_at_either_end(tables: Database, store: AlertStore) -> None:
    store.silence(task="price", until=START + DAY, reason="works", actor="ann", now=START)
    (drift, _) = fire(store).fired
    assert store.get(drift.id).evidence["silenced"]["actor"] == "ann"
    end(store)
    assert notices(tables) == []


def test_an_alert_is_told_of_when_its_silence_is_ended(tables: Database, store: AlertStore) -> None:
    made = store.silence(rule="drift", until=START + DAY, reason="works", actor="ann", now=START)
    drift = fire(store).fired[0]
    assert store.unsilence(made.id, "bob", START) == made
    assert [alert.id for alert in fire(store, START + MINUTE).told] == [drift.id]
    assert sorted(row.channel for row in notices(tables) if row.alert_id == drift.id) == ["mail", "pager"]
    assert store.get(drift.id).evidence["told_at"] == START + MINUTE


def test_an_acknowledged_alert_is_not_told_of_when_its_silence_ends(tables: Database, store: AlertStore) -> None:
    store.silence(until=START + 1, reason="works", actor="ann", now=START)
    for alert in fire(store).fired:
        store.acknowledge(alert.id, "ann", "", START)
    assert fire(store, START + MINUTE) == Changes()
    assert notices(tables) == []


def test_states_survive_between_stores(tables: Database, store: AlertStore) -> None:
    rules = (Rule("drift", "drift > 0.8", hold="1m"),)
    assert store.apply("price", rules, BAD, START) == Changes()
    assert len(AlertStore(tables).apply("price", rules, BAD, START + MINUTE).fired) == 1


def test_states_that_cannot_be_read_cost_holds_but_no_alert(tables: Database, store: AlertStore) -> None:
    fire(store)
    with tables.begin() as connection:
        connection.execute(monitors.update().values(state=b"\xff{"))
    assert fire(store, START + MINUTE) == Changes()
    assert len(end(store, START + 2 * MINUTE).resolved) == 2


def test_tasks_do_not_meet(store: AlertStore) -> None:
    fire(store)
    fire(store, task="fraud")
    end(store)
    assert {alert.task for alert in store.list(state="open")} == {"fraud"}
    assert {alert.task for alert in store.list("price")} == {"price"}
    assert len(store.apply("fraud", (), {}, START + MINUTE, CHANNELS).resolved) == 2


def test_alerts_are_listed_newest_first_by_state(store: AlertStore) -> None:
    first = fire(store).fired
    end(store)
    later = START + DAY
    (drift, age) = fire(store, later).fired
    store.acknowledge(age.id, "ann", "on it", later)
    assert [alert.fired_at for alert in store.list()] == [later, later, START, START]
    assert len(store.list(limit=1)) == 1
    assert {alert.id for alert in store.list(state="open")} == {drift.id, age.id}
    assert [alert.id for alert in store.list(state="acknowledged")] == [age.id]
    assert {alert.id for alert in store.list(state="resolved")} == {alert.id for alert in first}


def test_an_acknowledged_alert_says_by_whom_and_stays_open_until_it_ends(tables: Database, store: AlertStore) -> None:
    alert = fire(store).fired[0]
    done = store.acknowledge(alert.id, "ann", "on it", START + 5)
    assert (done.state, done.acknowledged_by, done.acknowledged_at, done.comment) == ("open", "ann", START + 5, "on it")
    assert store.acknowledge(alert.id, "ann", "again", START + 9) == done
    with pytest.raises(Conflict, match="ann"):
        store.acknowledge(alert.id, "bob", "", START + 9)
    assert fire(store, START + MINUTE) == Changes()
    end(store, START + 2 * MINUTE)
    ended = store.get(alert.id)
    assert (ended.state, ended.acknowledged_by) == ("resolved", "ann")
    assert [entry.action for entry in Audit(tables).list()] == ["alert.acknowledged"]


def test_what_is_not_there_or_over_is_told(store: AlertStore) -> None:
    alert = fire(store).fired[0]
    end(store)
    with pytest.raises(Conflict, match="ended"):
        store.acknowledge(alert.id, "ann", "", START + DAY)
    for call in (
        lambda: store.get("nothing"),
        lambda: store.acknowledge("nothing", "ann", "", 0),
        lambda: store.unsilence("nothing", "ann", 0),
    ):
        with pytest.raises(NotFound) as caught:
            call()
        assert caught.value.faults[0].fix


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until": START}, "until"),
        ({"until": START + 400 * DAY}, "until"),
        ({"until": 1 << 80}, "until"),
        ({"reason": " "}, "reason"),
        ({"actor": ""}, "actor"),
        ({"reason": "x" * 3_000}, "reason"),
        ({"subject": "a\0"}, "subject"),
    ],
)
def test_a_silence_that_cannot_be_is_refused(store: AlertStore, changes: dict[str, Any], field: str) -> None:
    fields: dict[str, Any] = {"until": START + DAY, "reason": "works", "actor": "ann", "now": START}
    with pytest.raises(InvalidInput) as caught:
        store.silence(**{**fields, **changes})
    assert [fault.field for fault in caught.value.faults] == [field]
    assert store.silences(START) == ()


def test_silences_are_listed_while_they_hold(tables: Database, store: AlertStore) -> None:
    long = store.silence(until=START + DAY, reason="works", actor="ann", now=START)
    short = store.silence(task="price", subject="age", until=START + MINUTE, reason="works", actor="ann", now=START)
    assert store.silence(until=START + DAY, reason="works", actor="ann", now=START) == long
    assert store.silences(START) == (short, long)
    assert store.silences(START + MINUTE) == (long,)
    store.unsilence(long.id, "bob", START)
    assert store.silences(START) == (short,)
    with pytest.raises(NotFound):
        store.unsilence(long.id, "bob", START)
    actions = [entry.action for entry in Audit(tables).list()]
    assert actions == ["alerts.unsilenced", "alerts.silenced", "alerts.silenced"]


def test_a_look_that_fails_leaves_nothing(tables: Database, store: AlertStore) -> None:
    with pytest.raises(StatementError, match="no form in JSON"):
        store.apply("price", RULES, BAD, START, CHANNELS, {"what": object()})
    with pytest.raises(InvalidInput, match="not a condition"):
        store.apply("price", (*RULES, Rule("broken", "drift >")), BAD, START, CHANNELS)
    assert (store.list(), notices(tables)) == ((), [])
    assert len(fire(store).fired) == 2


def test_figures_and_grounds_of_any_kind_are_stored(store: AlertStore) -> None:
    facts = {"drift": np.float64("inf"), "drift:age": np.float64(0.9)}
    grounds = {"scores": np.array([1.0, np.nan]), "text": "é\0"}
    drift, age = store.apply("price", RULES, facts, START, CHANNELS, grounds).fired
    assert store.get(drift.id).value == float("inf")
    assert store.get(age.id).evidence["context"] == {"scores": [1.0, None], "text": "é\0"}


def test_many_workers_open_one_alert_and_write_its_notices_once(tables_url: str, tables: Database) -> None:
    databases = [Database(tables_url) for _ in range(4)]
    barrier = threading.Barrier(len(databases), timeout=30)
    fired: list[Alert] = []
    resolved: list[Alert] = []

    def work(database: Database) -> None:
        mine = AlertStore(database)
        for turn in range(12):
            barrier.wait()
            facts = BAD if turn % 3 == 0 else GOOD
            changes = mine.apply("price", RULES[:1], facts, START + turn * 61 * MINUTE, CHANNELS)
            fired.extend(changes.fired)
            resolved.extend(changes.resolved)

    threads = [threading.Thread(target=work, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.dispose()
    with tables.read() as connection:
        assert connection.scalar(select(monitors.c.seq)) == 4 * 12
        assert connection.scalar(select(func.count()).select_from(alerts)) == len(fired) == 4
    assert len({alert.id for alert in resolved}) == len(resolved) == 4
    assert len(notices(tables)) == 16

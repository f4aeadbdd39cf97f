"""What senders may rely on from the outbox of alerts, whichever database holds it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tropism.core.clock import SECOND
from tropism.monitoring.delivery.outbox import Outbox
from tropism.storage.tables.schema import notices_out

if TYPE_CHECKING:
    from tropism.storage.tables import Database

LEASE = 50 * SECOND


def add(tables: Database, identifier: str, **values: Any) -> None:
    row: dict[str, Any] = {
        "id": identifier,
        "alert_id": identifier,
        "event": "fired",
        "channel": "ops",
        "body": {"a": 1},
    }
    row |= {"created_at": 0, "attempts": 0, "next_at": 0, "error": ""}
    with tables.begin() as connection:
        connection.execute(notices_out.insert().values(**{**row, **values}))


def test_many_senders_at_once_claim_each_notice_once(tables: Database) -> None:
    for number in range(40):
        add(tables, f"n{number:02}")
    claimed: list[str] = []
    ready = threading.Barrier(4)

    def work() -> None:
        outbox = Outbox(tables, LEASE)
        ready.wait()
        while (notice := outbox.claim("ops", 1)) is not None:
            claimed.append(notice.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [f"n{number:02}" for number in range(40)]


def test_a_claim_ends_with_its_lease_and_the_late_sender_changes_nothing(tables: Database) -> None:
    add(tables, "a")
    outbox = Outbox(tables, LEASE)
    late = outbox.claim("ops", 0)
    assert late is not None
    assert outbox.claim("ops", LEASE - 1) is None
    heir = outbox.claim("ops", LEASE)
    assert heir is not None
    assert (late.attempts, heir.attempts) == (1, 2)
    outbox.later(late, 1, "late")
    outbox.give_up(late, 1, "late")
    assert outbox.claim("ops", LEASE + 1) is None  # still the heir's
    outbox.delivered(late, LEASE + 1)  # it did arrive, whoever says so
    outbox.later(heir, LEASE + 2, "no answer")
    assert outbox.channels(1 << 60) == []


def test_resolved_waits_for_the_fired_of_its_own_alert_and_channel(tables: Database) -> None:
    add(tables, "fired", alert_id="1", next_at=100)
    add(tables, "resolved", alert_id="1", event="resolved")
    add(tables, "elsewhere", alert_id="1", event="resolved", channel="mail")
    outbox = Outbox(tables, LEASE)
    assert outbox.claim("ops", 99) is None
    assert getattr(outbox.claim("mail", 99), "id", "") == "elsewhere"
    fired = outbox.claim("ops", 100)
    assert fired is not None
    assert outbox.claim("ops", 100) is None
    outbox.delivered(fired, 100)
    assert getattr(outbox.claim("ops", 100), "id", "") == "resolved"


def test_what_is_too_old_is_given_up_together_and_what_is_being_sent_is_not(tables: Database) -> None:
    for name in ("old", "older"):
        add(tables, name, created_at=5)
    add(tables, "new", created_at=6, next_at=6)
    outbox = Outbox(tables, LEASE)
    assert outbox.channels(5) == ["ops"]
    sent = outbox.claim("ops", 5)
    assert outbox.give_up_older("ops", 5, 5, "no answer") == 1
    assert sent is not None
    outbox.later(sent, 7, "no answer")
    assert {getattr(outbox.claim("ops", 7), "id", "") for _ in range(3)} == {"new", sent.id, ""}

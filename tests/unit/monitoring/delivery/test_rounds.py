"""What is delivered, when it is tried again, and when it is given up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tropism.core.clock import DAY, SECOND, ManualClock
from tropism.core.errors import NotFound
from tropism.monitoring.delivery.base import Answer, Notice
from tropism.monitoring.delivery.rounds import Delivered, Delivery
from tropism.monitoring.settings import AlertSettings

from .conftest import NOW, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tropism.monitoring.delivery.base import Channel
    from tropism.storage.tables import Database

    Add = Callable[..., None]
    Row = Callable[[str], Any]
    Deliver = Callable[..., Delivery]

AWAY = Answer("away", "it answered 503")
REFUSED = Answer("refused", "it answered 400")


@pytest.fixture
def deliver(database: Database, clock: ManualClock) -> Iterator[Deliver]:
    """A delivery over channels, without chance."""
    made: list[Delivery] = []

    def one(timeout: str = "10s", **channels: Channel) -> Delivery:
        made.append(Delivery(database, channels, AlertSettings(timeout=timeout), clock, chance=lambda: 1.0))
        return made[-1]

    yield one
    for delivery in made:
        delivery.close()


def test_what_was_accepted_is_never_sent_again(deliver: Deliver, add: Add, row: Row, clock: ManualClock) -> None:
    channel = Scripted()
    delivery = deliver(ops=channel)
    for name in "abc":
        add(name)
    assert delivery.run() == Delivered(delivered=3)
    clock.advance(30 * DAY)
    assert delivery.run() == Delivered()
    assert channel.sent == ["a", "b", "c"]
    assert row("a").delivered_at == NOW


def test_a_refused_notice_is_tried_again_later_and_later_and_holds_up_no_other(
    deliver: Deliver, add: Add, row: Row, clock: ManualClock
) -> None:
    channel = Scripted(bad=[REFUSED] * 3)
    delivery = deliver(ops=channel)
    add("bad")
    add("good", created_at=NOW + 1, next_at=NOW)
    assert delivery.run() == Delivered(delivered=1, failed=1)
    assert row("bad").error == "it answered 400"
    waits = []
    while row("bad").delivered_at is None:
        waits.append((row("bad").next_at - clock.now()) // SECOND)
        clock.set(row("bad").next_at - 1)
        assert delivery.run() == Delivered()
        clock.advance(1)
        delivery.run()
    assert waits == [1, 2, 4]
    assert channel.counts == {"bad": 4, "good": 1}
    assert row("bad").error == ""


def test_a_channel_that_is_away_is_tried_with_one_notice_at_a_time(
    deliver: Deliver, add: Add, clock: ManualClock
) -> None:
    channel = Scripted(all=[AWAY] * 3)
    delivery = deliver(ops=channel)
    for number in range(20):
        add(f"n{number:02}")
    for _ in range(7):  # back-off of the channel: tried at 0, 1 and 3 seconds, and back at 7
        delivery.run()
        clock.advance(SECOND)
    assert len(channel.sent) == 3
    assert delivery.run().delivered == 20
    assert set(channel.counts.values()) == {1, 2}


def test_a_receiver_is_left_alone_for_as_long_as_it_asks(
    deliver: Deliver, add: Add, row: Row, clock: ManualClock
) -> None:
    delivery = deliver(ops=Scripted(all=[Answer("away", "it answered 429", 90 * SECOND)]))
    add("a")
    add("b")
    delivery.run()
    assert row("a").next_at == NOW + 90 * SECOND
    clock.advance(89 * SECOND)
    assert delivery.run() == Delivered()
    clock.advance(SECOND)
    assert delivery.run() == Delivered(delivered=2)


def test_resolved_never_comes_before_its_fired(deliver: Deliver, add: Add, clock: ManualClock) -> None:
    channel = Scripted(f=[REFUSED] * 2)
    delivery = deliver(ops=channel)
    add("f", alert_id="1")
    add("r", alert_id="1", event="resolved", created_at=NOW + 1, next_at=NOW)
    add("other", alert_id="2", event="resolved")
    for _ in range(6):
        delivery.run()
        clock.advance(SECOND)
    assert channel.sent == ["f", "other", "f", "f", "r"]


def test_resolved_does_not_wait_for_a_fired_that_was_given_up(deliver: Deliver, add: Add) -> None:
    channel = Scripted(f=[Answer("gone", "it answered 410")])
    add("f", alert_id="1")
    add("r", alert_id="1", event="resolved", created_at=NOW + 1, next_at=NOW)
    assert deliver(ops=channel).run() == Delivered(delivered=1, given_up=1)
    assert channel.sent == ["f", "r"]


def test_it_is_given_up_after_three_days_and_the_reason_is_kept(
    deliver: Deliver, add: Add, row: Row, clock: ManualClock
) -> None:
    channel = Scripted(all=[AWAY] * 10_000)
    delivery = deliver(ops=channel)
    add("a")
    add("b")
    given_up = 0
    while clock.now() < NOW + 3 * DAY + 3_600 * SECOND:
        given_up += delivery.run().given_up
        clock.advance(600 * SECOND)
    assert given_up == 2
    for name in "ab":
        assert NOW + 2.97 * DAY < row(name).given_up_at < NOW + 3.03 * DAY
        assert row(name).error == "it answered 503"
        assert row(name).delivered_at is None
    assert 300 < len(channel.sent) < 460  # every ten minutes, after the first few


def test_a_receiver_that_is_gone_is_not_asked_again(deliver: Deliver, add: Add, row: Row, clock: ManualClock) -> None:
    channel = Scripted(a=[Answer("gone", "it answered 410")])
    delivery = deliver(ops=channel)
    add("a")
    assert delivery.run() == Delivered(given_up=1)
    clock.advance(DAY)
    assert delivery.run() == Delivered()
    assert row("a").error == "it answered 410"


def test_a_channel_that_nobody_has_keeps_its_notices_as_long_as_others(
    deliver: Deliver, add: Add, row: Row, clock: ManualClock
) -> None:
    delivery = deliver(ops=Scripted())
    add("a", channel="old")
    assert delivery.run() == Delivered()
    clock.advance(3 * DAY)
    assert delivery.run() == Delivered(given_up=1)
    assert row("a").error == "no channel has this name"


def test_two_workers_never_send_the_same_notice_at_once(deliver: Deliver, add: Add) -> None:
    """Both are in the middle of a round, each with a notice that it has claimed."""
    both = threading.Barrier(2, timeout=20)

    class Meeting(Scripted):
        def send(self, notice: Notice) -> Answer:
            if len(self.sent) == 0:
                both.wait()
            return super().send(notice)

    channels = [Meeting(), Meeting()]
    workers = [deliver(ops=channel) for channel in channels]
    for number in range(60):
        add(f"n{number:02}")
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(channels[0].sent + channels[1].sent) == [f"n{number:02}" for number in range(60)]
    assert all(channel.sent for channel in channels)


def test_what_a_dead_worker_was_sending_is_sent_when_its_lease_ends(
    deliver: Deliver, add: Add, clock: ManualClock
) -> None:
    class Dying:
        def send(self, notice: Notice) -> Answer:
            raise KeyboardInterrupt

    add("a")
    with pytest.raises(KeyboardInterrupt):
        deliver(ops=Dying()).run()
    channel = Scripted()
    heir = deliver(ops=channel)
    clock.advance(49 * SECOND)
    assert heir.run() == Delivered()
    clock.advance(SECOND)
    assert heir.run() == Delivered(delivered=1)
    assert channel.sent == ["a"]


def test_a_clock_that_goes_back_holds_up_nothing(deliver: Deliver, add: Add, clock: ManualClock) -> None:
    delivery = deliver(ops=Scripted(all=[AWAY]))
    add("a")
    assert delivery.run() == Delivered(failed=1)
    clock.advance(-30 * DAY)
    assert delivery.run() == Delivered(delivered=1)


def test_a_channel_that_hangs_holds_up_no_other(deliver: Deliver, add: Add) -> None:
    released = threading.Event()

    class Hanging(Scripted):
        def send(self, notice: Notice) -> Answer:
            released.wait(20)
            return super().send(notice)

    slow, quick = Hanging(), Scripted()
    delivery = deliver(timeout="100ms", slow=slow, quick=quick)
    add("s", channel="slow")
    add("q1", channel="quick")
    assert delivery.run() == Delivered(delivered=1)
    add("q2", channel="quick")
    assert delivery.run() == Delivered(delivered=1)
    assert (slow.sent, quick.sent) == ([], ["q1", "q2"])
    released.set()
    assert delivery.run() == Delivered(delivered=1)
    assert slow.sent == ["s"]


def test_a_test_message_says_what_happened(deliver: Deliver) -> None:
    delivery = deliver(ops=Scripted(), bad=Scripted(all=[REFUSED]))
    assert delivery.test("ops").delivered
    assert delivery.test("bad") == REFUSED
    with pytest.raises(NotFound, match="did you mean 'ops'"):
        delivery.test("opps")

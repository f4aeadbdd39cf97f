from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tropism.core.clock import DAY, SECOND, ManualClock
from tropism.core.errors import DiskFull
from tropism.core.events import Push, encode
from tropism.features import Decimal, StreamSource
from tropism.features.store.sources import FAILURES
from tropism.features.store.stamping import Stamps
from tropism.feedback import Ingestion, Streams
from tropism.feedback.pushes import taken
from tropism.feedback.sorting import PushBatch
from tropism.storage.journal import JournalReader, JournalSettings, JournalWriter
from tropism.storage.journal.records import Record as Place
from tropism.storage.lake import Lake

NOW = 20_000 * DAY
SOURCE = StreamSource("payments", timestamp="when", schema={"account": str, "amount": Decimal(2)})
TABLE = "_streams/payments"


class Cursors:
    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        return self.values.get(name)

    def set(self, name: str, value: Any, *, now: int) -> None:
        self.values[name] = value


class Desk:
    def __init__(self, root: Path) -> None:
        self.journal = JournalWriter(root / "journal", JournalSettings(fsync="os", reserve=0))
        self.reader = JournalReader(root / "journal")
        self.lake, self.clock, self.cursors = Lake(root / "lake"), ManualClock(NOW), Cursors()
        self.stamps = root / "stamps"
        self.source: StreamSource | None = SOURCE
        self.again()

    def again(self) -> None:
        """As in a new process."""
        self.ingestion = Ingestion(
            self.reader,
            self.lake,
            lambda _: None,
            self.cursors,
            self.clock,
            Streams(lambda name: self.source if name == "payments" else None, Stamps(self.stamps), self.clock),
        )

    def push(self, *amounts: str | None, name: str = "", failures: list[tuple[str, str, str]] | None = None) -> Push:
        rows = [("a", amount, self.clock.now() - SECOND) for amount in amounts]
        columns = ("account", "amount", "when")
        return Push(
            source="payments", received=self.clock.now(), names=columns, rows=rows, id=name, failures=failures or []
        )

    def record(self, *pushes: Push) -> None:
        self.journal.append([encode(pushes)])

    @property
    def amounts(self) -> list[str]:
        table = self.lake.read(TABLE, columns=["seq", "row", "c_amount"]) if TABLE in self.lake.names() else None
        if table is None:
            return []
        return [str(one) for one in table.sort_by([("seq", "ascending"), ("row", "ascending")])["c_amount"].to_pylist()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_events_arrive_exactly_with_the_moment_at_which_they_were_taken_in(desk: Desk) -> None:
    desk.record(desk.push("1.10", "2.20"), desk.push("3.30"))
    desk.clock.advance(5 * SECOND)
    assert desk.ingestion.run().events == 3
    assert desk.amounts == ["1.10", "2.20", "3.30"]
    rows = desk.lake.read(TABLE).sort_by("row").to_pylist()
    assert [(row["writer"], row["seq"], row["row"]) for row in rows] == [("w0", 1, 0), ("w0", 1, 1), ("w0", 1, 2)]
    assert {row["at"] for row in rows} == {row["c_arrived_at"] for row in rows}
    assert rows[0]["at"].timestamp() == (NOW + 5 * SECOND) / SECOND


def test_later_batches_are_known_later_even_if_time_stands_still(desk: Desk) -> None:
    for amount in ("1.00", "2.00"):
        desk.record(desk.push(amount))
        desk.ingestion.run()
    stamps = desk.lake.read(TABLE).sort_by("seq")["at"].to_pylist()
    assert stamps[0] < stamps[1]


@pytest.mark.parametrize("restart", [False, True])
def test_a_push_that_is_sent_again_counts_once(desk: Desk, restart: bool) -> None:
    desk.record(desk.push("1.00", name="order-1"), desk.push("1.00", name="order-1"))
    desk.ingestion.run()
    if restart:
        desk.again()
    desk.record(desk.push("1.00", name="order-1"), desk.push("2.00", name="order-2"), desk.push("3.00"))
    desk.ingestion.run()
    assert desk.amounts == ["1.00", "2.00", "3.00"]


def test_an_id_is_remembered_for_a_day(desk: Desk) -> None:
    desk.record(desk.push("1.00", name="order-1"))
    desk.ingestion.run()
    desk.clock.advance(DAY + SECOND)
    desk.record(desk.push("2.00", name="order-1"))
    desk.ingestion.run()
    assert desk.amounts == ["1.00", "2.00"]


def test_one_id_in_two_streams_is_two_pushes(desk: Desk) -> None:
    desk.record(desk.push("1.00", name="order-1"))
    desk.ingestion.run()
    other = StreamSource("refunds", timestamp="when", schema={"account": str, "amount": Decimal(2)})
    assert taken(desk.lake, PushBatch(other, [Place("w0", 2, b"")], [desk.push("1.00", name="order-1")], [0]), NOW)


def test_a_clock_that_was_set_back_gives_out_no_moment_twice(desk: Desk) -> None:
    desk.record(desk.push("1.00"))
    desk.ingestion.run()
    desk.clock.set(NOW - DAY)
    desk.again()
    desk.record(desk.push("2.00"))
    desk.ingestion.run()
    first, second = desk.lake.read(TABLE).sort_by("seq")["at"].to_pylist()
    assert first < second


@pytest.mark.parametrize("table", ["_pushes", TABLE, FAILURES])
def test_a_batch_that_is_cut_short_anywhere_is_taken_in_whole_the_next_time(
    desk: Desk, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [("{}", "warn", "-1")]
    desk.record(desk.push("1.00", name="order-1", failures=failing), desk.push("1.00", name="order-1"))
    append = Lake.append

    def full(self: Lake, name: str, *args: Any, **more: Any) -> Any:
        if name == table:
            raise DiskFull("full")
        return append(self, name, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "append", full)
        with pytest.raises(DiskFull):
            desk.ingestion.run()
    desk.again()
    desk.record(desk.push("2.00", name="order-2"))
    desk.ingestion.run()
    assert desk.amounts == ["1.00", "2.00"]
    assert desk.lake.read(FAILURES).num_rows == 1


def test_rules_that_events_failed_are_kept_with_examples(desk: Desk) -> None:
    failures = [("{r}", "null", str(number)) for number in range(7)] + [("{s}", "reject", "x")]
    desk.record(desk.push("1.00", failures=failures))
    desk.ingestion.run()
    rows = sorted(desk.lake.read(FAILURES).to_pylist(), key=lambda row: row["rule"])
    assert [(row["rule"], row["policy"], row["failures"], row["while"]) for row in rows] == [
        ("{r}", "null", 7, "push"),
        ("{s}", "reject", 1, "push"),
    ]
    assert rows[0]["examples"] == ["0", "1", "2", "3", "4"]


def test_pushes_for_no_stream_are_kept_apart_with_the_reason(desk: Desk) -> None:
    desk.source = None
    desk.record(desk.push("1.00"))
    assert desk.ingestion.run().rejected == 1
    assert desk.lake.read("_rejected")["reason"].to_pylist() == ["there is no stream 'payments'"]


def test_pushes_that_fit_no_more_do_not_hold_up_the_others(desk: Desk) -> None:
    desk.record(desk.push("1.00"))
    desk.record(Push(source="payments", received=NOW, names=("account", "amount", "when"), rows=[("a", "x", NOW)]))
    desk.record(desk.push("2.00"))
    done = desk.ingestion.run()
    assert (done.events, done.rejected) == (2, 1)
    assert desk.amounts == ["1.00", "2.00"]
    assert "does not fit the stream 'payments'" in desk.lake.read("_rejected")["reason"][0].as_py()


def test_two_workers_know_of_each_other_s_pushes(desk: Desk) -> None:
    first = desk.ingestion
    desk.record(desk.push("1.00", name="a"))
    first.run()
    desk.again()
    desk.record(desk.push("2.00", name="b"))
    desk.ingestion.run()
    desk.record(desk.push("2.00", name="b"), desk.push("1.00", name="a"), desk.push("3.00", name="c"))
    first.run()
    assert desk.amounts == ["1.00", "2.00", "3.00"]

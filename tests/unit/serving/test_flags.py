from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tropism.core.clock import SECOND, ManualClock
from tropism.core.errors import IntegrityError, NotReady
from tropism.core.flag import Flag, FlagRule
from tropism.registry import Registry
from tropism.serving.flags import FlagCounting, FlagLoader, count_given
from tropism.serving.meters import Meters
from tropism.storage.blobs import Blobs
from tropism.storage.tables import Database

BETA = Flag(key="beta", rules=(FlagRule(when="country == 'DE'", serve="on"),))


@pytest.fixture
def registry(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path / 'tables.sqlite'}")
    database.migrate()
    yield Registry(database, Blobs(str(tmp_path / "blobs")))
    database.dispose()


def test_flags_are_made_anew_only_when_one_was_changed(registry: Registry) -> None:
    load = FlagLoader(registry.flags)
    empty = load()
    assert (empty.flags.keys, empty.body) == ((), b'{"flags":[]}')
    registry.flags.put(BETA, actor="ann", now=1)
    first = load()
    assert first.flags.keys == ("beta",)
    assert load() is first
    registry.flags.kill("beta", True, actor="ann", now=2)
    assert load().etag not in (first.etag, empty.etag)


def test_flags_that_cannot_be_read_leave_the_last_ones_in_place(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.flags.put(BETA, actor="ann", now=1)
    load = FlagLoader(registry.flags)
    known = load()
    with registry.db.begin() as connection:
        connection.exec_driver_sql("UPDATE flags SET spec = '{'")
        connection.exec_driver_sql("UPDATE progress SET value = '9' WHERE name = 'registry/flags'")
    with pytest.raises(IntegrityError):
        registry.flags.all()
    assert load() is known


def evaluate(meters: Meters, *countries: str) -> None:
    from tropism.experiments.flags import Flagset

    flags = Flagset([BETA])
    count_given(meters, (flags.evaluate("beta", {"country": one}, 0) for one in countries))
    count_given(meters, [flags.evaluate("what-a-caller-sent", {}, 0)])


def test_what_was_given_is_counted_by_variant_and_stored_as_differences(registry: Registry) -> None:
    registry.flags.put(BETA, actor="ann", now=1)
    meters, clock = Meters(), ManualClock(1_700_000_000 * SECOND)
    evaluate(meters, "DE")
    counting = FlagCounting(meters, registry.flags, clock)  # what was counted before is stored already
    evaluate(meters, "DE", "DE", "NL")
    assert meters.flag_evaluations.values == {("beta", "on", "TARGETING_MATCH"): 3, ("beta", "off", "DEFAULT"): 1}
    counting.store()
    counting.store()
    evaluate(meters, "NL")
    counting.close()
    counting.close()
    found = registry.flags.exposures.of("beta", now=clock.now())
    assert [(one.variant, one.day, one.ever) for one in found] == [("off", 2, 2), ("on", 2, 2)]


def test_while_the_registry_is_away_counts_wait(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise NotReady("the tables are away")

    registry.flags.put(BETA, actor="ann", now=1)
    meters, clock = Meters(), ManualClock(1_700_000_000 * SECOND)
    counting = FlagCounting(meters, registry.flags, clock)
    evaluate(meters, "DE")
    with monkeypatch.context() as patch:
        patch.setattr(registry.flags.exposures, "add", away)
        counting.store()
    assert registry.flags.exposures.last() == {}
    counting.store()
    assert registry.flags.exposures.last() == {"beta": clock.now()}


def test_a_thread_stores_from_time_to_time(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = threading.Event()
    monkeypatch.setattr(registry.flags.exposures, "add", lambda *_, **__: stored.set())
    meters = Meters()
    counting = FlagCounting(meters, registry.flags, ManualClock(0), every=0.01)
    counting.start()
    evaluate(meters, "DE")
    assert stored.wait(20)
    counting.close()

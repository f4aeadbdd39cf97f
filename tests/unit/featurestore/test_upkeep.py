from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path

import pytest
from tests.unit.featurestore.shops import Shop, write_profiles

from tropism.core.clock import SECOND, ManualClock
from tropism.core.errors import NotReady
from tropism.featurestore.upkeep import Upkeep
from tropism.wiring import Platform


class Kept:
    """A project, its upkeep and a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.shop = Shop(folder, '[features]\nretry = "1m"\n')
        self.shop.apply()
        self.platform: Platform = self.shop.open()
        self.clock = ManualClock(self.platform.real.now())
        self.platform.__dict__["clock"] = self.clock
        self.upkeep = Upkeep(self.platform.features)

    def later(self, seconds: int) -> None:
        self.clock.set(self.clock.now() + seconds * SECOND)
        self.upkeep()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.ERROR) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "tropism.worker" and one.levelno == level]


def test_a_round_fills_views_and_brings_in_events(kept: Kept) -> None:
    kept.shop.push(kept.platform, 1, "3.00")
    kept.later(1)
    assert kept.shop.spent(kept.platform) == Decimal("3.00")
    assert kept.shop.segment(kept.platform) == "gold"


@pytest.mark.parametrize("broken", ["gone", "columns", "text", "cut"])
def test_a_source_that_breaks_is_told_once_each_retry_and_what_is_served_stays(
    kept: Kept, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept.later(1)
    path = kept.shop.folder / "profiles.parquet"
    if broken == "gone":
        path.unlink()
    elif broken == "columns":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"account_id": ["a"], "other": [1]}), path)
    elif broken == "text":
        write_profiles(kept.shop.folder, "silver", at="yesterday")
    else:
        path.write_bytes(path.read_bytes()[:50])
    for _ in range(20):
        kept.later(2)
    (line,) = lines(caplog)
    assert line.startswith("the view 'profile@1' cannot be filled: ")
    assert kept.shop.segment(kept.platform) == "gold"
    kept.later(60)
    assert len(lines(caplog)) == 2
    with caplog.at_level(logging.INFO, "tropism.worker"):
        write_profiles(kept.shop.folder, "silver")
        kept.later(61)
    assert kept.shop.segment(kept.platform) == "silver"
    assert lines(caplog, logging.INFO) == ["no longer: the view 'profile@1' cannot be filled"]


def test_a_row_from_the_future_waits_for_its_time(kept: Kept) -> None:
    from datetime import UTC, datetime, timedelta

    kept.later(1)
    ahead = datetime.fromtimestamp(kept.clock.now() / SECOND, UTC) + timedelta(seconds=30)
    write_profiles(kept.shop.folder, "silver", at=ahead)
    kept.later(2)
    assert kept.shop.segment(kept.platform) == "gold"
    kept.later(40)
    assert kept.shop.segment(kept.platform) == "silver"


def test_a_stream_that_fails_does_not_keep_files_from_being_read(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> int:
        raise NotReady("the lake is away")

    with monkeypatch.context() as patched:
        patched.setattr(kept.platform.features.follower, "run", away)
        for _ in range(5):
            kept.later(2)
    (line,) = lines(caplog)
    assert line == "windows over the stream 'payments' cannot be brought up to date: the lake is away"
    assert kept.shop.segment(kept.platform) == "gold"
    kept.shop.push(kept.platform, 1, "3.00")
    kept.later(1)
    assert kept.shop.spent(kept.platform) == Decimal("3.00")


def test_even_a_defect_in_one_view_leaves_the_others(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(kept.platform.features.follower, "run", broken)
    kept.later(1)
    assert len(lines(caplog)) == 1
    assert kept.shop.segment(kept.platform) == "gold"

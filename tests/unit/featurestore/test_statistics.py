from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.featurestore.watched import START, Watched

from tropism.core.clock import DAY
from tropism.core.errors import UnknownFeature
from tropism.core.events import Outcome
from tropism.entrypoints.feature_watching import feature_statistics
from tropism.featurestore.statistics import TABLE, FeatureStatistics, plain
from tropism.registry import NewVersion
from tropism.wiring import apply_project

TODAY = datetime.date(1970, 1, 1) + datetime.timedelta(days=START // DAY)
YESTERDAY = TODAY - datetime.timedelta(days=1)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "shop")
    yield made
    made.close()


def found(watched: Watched, *names: str, **more: Any) -> dict[tuple[str, str], FeatureStatistics]:
    return {(one.feature, one.of): one for one in feature_statistics(watched.platform, names, **more)}


def test_plain_features_are_of_their_sources_rows_by_the_day_of_the_event(watched: Watched) -> None:
    watched.push(("a", "2.50"), ("b", "1.50"))
    watched.to(START + DAY)
    watched.push(("a", "9.00"))
    rows = found(watched, "profile.segment", "last.amount")
    profile = rows["profile.segment", "rows of profile@1"]
    assert {day: (one.count, one.top) for day, one in profile.days.items()} == {
        YESTERDAY: (2, {"gold": 1, "silver": 1})
    }
    last = rows["last.amount", "rows of last@1"]
    assert {day: (one.count, one.mean) for day, one in last.days.items()} == {
        TODAY: (2, 2.0),
        TODAY + datetime.timedelta(days=1): (1, 9.0),
    }
    assert last.whole is not None
    assert (last.whole.count, last.whole.minimum, last.whole.maximum) == (3, 1.5, 9.0)


def test_windows_and_computed_features_are_of_what_was_served(watched: Watched) -> None:
    watched.push(("a", "2.50"), ("b", "1.50"), ("a", "3.00"))
    watched.predict("a")
    watched.predict("nobody")
    rows = found(watched, "spend.count_7d", "ratio")
    assert set(rows) == {("spend.count_7d", "served to fraud"), ("ratio", "served to fraud")}
    count, ratio = (rows[name, "served to fraud"].days[TODAY] for name in ("spend.count_7d", "ratio"))
    assert (count.count, count.minimum, count.maximum) == (2, 0.0, 2.0)
    assert (ratio.count, ratio.nulls, ratio.mean) == (2, 1, 3.0)


def test_days_that_are_over_are_kept_and_not_computed_again(watched: Watched) -> None:
    watched.push(("a", "2.50"))
    watched.to(START + DAY)
    first = found(watched, "last.amount")["last.amount", "rows of last@1"]
    kept = watched.platform.lake.read(TABLE).num_rows
    assert first.days[TODAY].count == 1
    watched.journal()
    late = watched.platform.lake.read("_streams/payments")
    watched.platform.lake.append("_streams/payments", late)  # too late for its day, which is over
    again = found(watched, "last.amount")["last.amount", "rows of last@1"]
    assert again.days == first.days
    assert watched.platform.lake.read(TABLE).num_rows == kept
    assert kept == 2 * 7 - 1 + 2 * 7 - 1  # days of the source, and of what was served, without today


def test_another_definition_is_computed_anew(watched: Watched) -> None:
    watched.push(("a", "2.50"))
    watched.to(START + DAY)
    found(watched, "last")
    page = watched.folder / "project.py"
    text = page.read_text().replace(
        'Field("amount", Decimal(2))', 'Field("amount", Decimal(2)), Field("merchant", str)'
    )
    page.write_text(text)
    apply_project(watched.platform.settings)
    rows = found(watched, "last")
    assert rows["last.merchant", "rows of last@2"].days[TODAY].top == {"m": 1}
    assert rows["last.amount", "rows of last@2"].days[TODAY].count == 1


def test_without_a_champion_drift_is_against_the_days_before(watched: Watched) -> None:
    for amount in range(30):
        watched.push(("a", f"{amount}.00"))
    watched.to(START + 3 * DAY)
    for amount in range(30):
        watched.push(("a", f"{amount + 100}.00"))
    one = found(watched, "last.amount", days=2)["last.amount", "rows of last@1"]
    assert one.drift is not None
    assert one.drift.reference == "the 2 days before"
    assert one.drift.rows == (30, 30)
    assert one.drift.psi > 1
    assert 0.5 < one.drift.jensen_shannon <= 1
    assert found(watched, "last.amount", days=1)["last.amount", "rows of last@1"].drift is None


def test_drift_of_what_was_served_is_against_the_champions_training_rows(watched: Watched) -> None:
    platform = watched.platform
    for who in ("a", "b", "a"):
        watched.push((who, "2.50"))
        made = watched.predict(who)
        at = platform.clock.now()
        watched.journal(Outcome(id=f"o{at}", task="fraud", value=1.0, at=at, received=at, prediction_id=made))
    lake = msgspec.to_builtins(platform.cohorts.versions("fraud"))
    data = {"lake": lake, "now": platform.clock.now(), "from": START, "rows": 3}
    artifact = platform.blobs.put(b"a model")
    fields: dict[str, Any] = {"learner": "linear", "window": "all", "metrics": {}, "data": data}
    new = NewVersion(model="fraud", artifact=artifact, **fields)
    now, policy = platform.clock.now(), platform.registry.tasks.get("fraud").policy
    version = platform.registry.versions.register(new, now=now)
    platform.registry.promotion.promote(
        "fraud", version, expected=None, actor="ann", decision_id="d1", policy=policy, now=now
    )
    watched.to(START + DAY)
    for _ in range(2):
        watched.predict("nobody")
    one = found(watched, "spend.count_7d", days=1)["spend.count_7d", "served to fraud"]
    assert one.drift is not None
    assert (one.drift.reference, one.drift.rows) == ("training rows of fraud/1", (3, 2))
    assert one.drift.psi > 0


def test_a_source_that_is_gone_does_not_hide_the_others(watched: Watched) -> None:
    watched.push(("a", "2.50"))
    (watched.folder / "profiles.parquet").unlink()
    rows = found(watched)
    assert "profiles.parquet" in (rows["profile.limit", "rows of profile@1"].note or "")
    assert rows["last.amount", "rows of last@1"].days[TODAY].count == 1


def test_an_unknown_feature_is_refused_with_the_nearest(watched: Watched) -> None:
    with pytest.raises(UnknownFeature, match=r"spend\.count_7d"):
        found(watched, "spend.count_8d")


def test_as_json_it_has_no_sketches(watched: Watched) -> None:
    watched.push(("a", "2.50"))
    told = msgspec.json.decode(
        msgspec.json.encode(plain(found(watched, "last.amount")["last.amount", "rows of last@1"]))
    )
    assert told["days"][0]["day"] == TODAY.isoformat()
    assert told["whole"]["quantiles"]["0.5"] == 2.5
    assert set(told["whole"]) == {"count", "nulls", "infinite", "minimum", "maximum", "mean", "std", "quantiles", "top"}

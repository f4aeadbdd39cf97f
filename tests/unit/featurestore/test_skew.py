from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.featurestore.watched import Watched

from tropism.core.errors import UnknownTask
from tropism.entrypoints.feature_watching import served_skew
from tropism.project import load_features
from tropism.wiring import apply_project


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path / "shop")
    yield made
    made.close()


def served(watched: Watched) -> None:
    watched.push(("a", "2.50"), ("b", "1.00"))
    watched.predict("a")
    watched.push(("a", "0.10"))
    for who in ("a", "b", "nobody", None):
        watched.predict(who)


def test_nothing_differs_from_the_history(watched: Watched) -> None:
    served(watched)
    found = served_skew(watched.platform, "fraud")
    assert (found.mismatches, found.predictions, found.unplayed, found.note) == (0, 5, (), None)
    assert {one.name: one.compared for one in found.features} == dict.fromkeys(
        ("spend.sum_amount_24h", "spend.count_7d", "profile.segment", "profile.limit", "last.amount", "ratio"), 5
    )


def test_a_history_that_was_rewritten_shows_with_examples(watched: Watched) -> None:
    served(watched)
    watched.profiles(("a", "gold", "100.00"), ("b", "bronze", "20.00"))
    found = served_skew(watched.platform, "fraud")
    assert found.mismatches == 1
    (segment,) = (one for one in found.features if one.mismatches)
    assert segment.name == "profile.segment"
    assert (segment.examples[0].served, segment.examples[0].replayed) == ("'silver'", "'bronze'")


def test_the_newest_ones_are_taken(watched: Watched) -> None:
    served(watched)
    last = watched.platform.clock.now() - 1_000_000
    assert served_skew(watched.platform, "fraud", rows=2).predictions == 2
    found = served_skew(watched.platform, "fraud", since=last)
    assert (found.predictions, found.since, found.until) == (1, last, last)


def test_a_source_that_is_gone_leaves_the_other_views(watched: Watched) -> None:
    served(watched)
    (watched.folder / "profiles.parquet").unlink()
    found = served_skew(watched.platform, "fraud")
    assert found.mismatches == 0
    assert {one.feature: one.predictions for one in found.unplayed} == {"profile.segment": 5, "profile.limit": 5}
    assert "profiles.parquet" in found.unplayed[0].reason
    assert {one.name: one.compared for one in found.features}["spend.count_7d"] == 5


def test_what_a_dropped_version_served_is_computed_again(watched: Watched) -> None:
    served(watched)
    page = (watched.folder / "project.py").read_text()
    (watched.folder / "project.py").write_text(
        page.replace('agg.count("7d")', 'agg.count("7d"), agg.mean("amount", "7d")')
    )
    apply_project(watched.platform.settings)
    watched.platform.registry.features.drop("spend", 1, watched.platform.clock.now())
    watched.push(("a", "7.00"))
    watched.predict("a")
    found = served_skew(watched.platform, "fraud")
    assert (found.mismatches, found.predictions) == (0, 6)
    assert {one.name: one.compared for one in found.features}["spend.mean_amount_7d"] == 1
    assert {one.name: one.compared for one in found.features}["spend.count_7d"] == 6


def test_code_that_changed_since_is_not_held_against_it(watched: Watched) -> None:
    served(watched)
    page = watched.folder / "project.py"
    page.write_text(page.read_text().replace('request["amount"] /', '2 * request["amount"] /'))
    changed = served_skew(watched.platform, "fraud")
    assert {one.feature: one.predictions for one in changed.unplayed} == {"ratio": 5}
    assert "not that which was applied" in changed.unplayed[0].reason
    apply_project(watched.platform.settings)
    watched.after(20_000_000)
    watched.predict("a")
    found = served_skew(watched.platform, "fraud")
    assert {one.feature: (one.predictions, one.reason) for one in found.unplayed} == {
        "ratio": (5, "'ratio' had other code then")
    }
    assert (found.mismatches, {one.name: one.compared for one in found.features}["ratio"]) == (0, 1)


def test_a_task_without_the_store_says_so(watched: Watched) -> None:
    assert "has no features from the store" in (served_skew(watched.platform, "plain").note or "")
    assert "no prediction was served from the store" in (served_skew(watched.platform, "fraud").note or "")
    with pytest.raises(UnknownTask):
        served_skew(watched.platform, "nix")


def test_two_versions_of_a_view_are_told_apart(watched: Watched) -> None:
    """The task stays bound to the first version until it is applied; what is computed reads the second."""
    watched.push(("a", "2.50"))
    page = watched.folder / "project.py"
    page.write_text(page.read_text().replace('agg.count("7d")]', 'agg.count("7d", hop="1d")]'))
    platform = watched.platform
    platform.registry.features.apply(load_features(page), platform.clock.now())
    watched.push(("a", "1.00"))
    watched.predict("a")
    found = served_skew(platform, "fraud")
    assert (found.mismatches, found.unplayed) == (0, ())
    assert {one.compared for one in found.features} == {1}

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.unit.featurestore.shops import Shop

from tropism.core.errors import UnknownFeature


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.apply()
    return made


def test_definitions_are_the_same_object_until_they_change(shop: Shop) -> None:
    store = shop.open().features
    before = store.definitions()
    assert store.definitions() is before
    shop.edit('"24h")', '"24h", hop="1h")')
    shop.apply()
    after = store.definitions()
    assert set(after.versions) == {"spend@1", "spend@2", "profile@1"}
    assert after.views["spend"].stored == "spend@2"


def test_what_changes_elsewhere_in_the_registry_changes_no_definition(shop: Shop) -> None:
    platform = shop.open()
    before = platform.features.definitions()
    platform.registry.tasks.set_prior("fraud", [0.5], platform.clock.now())
    assert platform.features.definitions() is before


def test_dropped_versions_are_there_for_who_asks(shop: Shop) -> None:
    store = shop.open().features
    shop.edit('"24h")', '"24h", hop="1h")')
    shop.apply()
    store.opened.registry.drop("spend", 1, 0)
    assert "spend@1" not in store.definitions().versions
    assert "spend@1" in store.definitions(dropped=True).versions


def test_what_a_plan_leads_to_is_what_is_registered_then(shop: Shop) -> None:
    from tropism.project import load_features

    store = shop.open().features
    shop.edit('"24h")', '"24h", hop="1h")')
    shop.edit("profile = FeatureView(", "other = FeatureView(")
    plan = store.opened.registry.plan(load_features(shop.folder / "project.py"))
    planned = store.planned(plan)
    shop.apply()
    there = store.definitions()
    assert planned.views == there.views
    assert planned.versions == there.versions
    assert set(planned.on_demand) == set(there.on_demand)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('["spend.mean_amount_30d"],', '["spend.mean_amount_30d"] * 2,', "is not the one that was applied: apply it"),
        ('name="amount_ratio"', 'name="another"', "is gone: put it back, or drop it"),
    ],
)
def test_other_code_than_was_applied_computes_nothing_and_the_log_says_so_once(
    shop: Shop, before: str, after: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop.edit(before, after)
    platform = shop.open()
    for _ in range(10):
        assert platform.features.definitions().on_demand == {}
        platform.features.reader(["spend", "profile"])
    errors = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert errors == [f"the on-demand feature 'amount_ratio' of project.py {said}"]


def test_a_project_that_does_not_run_any_more_leaves_the_views(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    (shop.folder / "project.py").write_text("1 / 0")
    store = shop.open().features
    assert set(store.definitions().views) == {"spend", "profile"}
    assert "on-demand features cannot be computed" in caplog.text


def test_the_reader_of_a_task_reads_the_versions_that_it_is_bound_to(shop: Shop) -> None:
    platform = shop.open()
    task = platform.registry.tasks.get("fraud")
    shop.push(platform, 1, "3.00")
    platform.features.follower.run(platform.features.definitions().versions.values())
    shop.edit('"24h")', '"24h", hop="1h")')
    shop.apply()
    reader = platform.features.task_reader(task)
    assert reader is not None
    (read,) = reader.read([{"account_id": "a"}], [{"amount": 3.0}], platform.clock.now())
    assert str(read.values["spend.sum_amount_24h"]) == "3.00"
    assert "spend@1" in read.known


def test_a_task_whose_features_are_gone_has_no_reader_and_the_log_says_why(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    platform = shop.open()
    task = platform.registry.tasks.get("fraud")
    shop.edit('["spend.mean_amount_30d"],', '["spend.mean_amount_30d"] * 2,')
    assert platform.features.task_reader(task) is None
    assert "the features of 'fraud' cannot be read" in caplog.text


def test_a_stream_that_is_not_there_is_named_with_those_that_are(shop: Shop) -> None:
    with pytest.raises(UnknownFeature) as caught:
        shop.open().features.stream("payment")
    assert [fault.fix for fault in caught.value.faults] == ["use one of: payments"]

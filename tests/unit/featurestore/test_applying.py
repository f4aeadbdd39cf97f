from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from tests.unit.featurestore.shops import Shop

from tropism.core.errors import Conflict, DataInvalid, ProjectInvalid, SettingInvalid


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "value", "fix"),
    [
        ('views=("spend"', 'views=("spent"', "'spent'", "did you mean 'spend'?"),
        ('views=("spend"', 'views=("spend.sum_9d"', "'spend.sum_9d'", "did you mean"),
        ('f["spend.mean_amount_30d"]', 'f["spend.mean_amount_31d"]', "'spend.mean_amount_31d'", "mean_amount_30d"),
    ],
)
def test_a_task_that_cannot_be_bound_leaves_nothing_applied(
    shop: Shop, before: str, after: str, value: str, fix: str
) -> None:
    shop.edit(before, after)
    with pytest.raises(ProjectInvalid) as caught:
        shop.apply()
    (fault,) = caught.value.faults
    lines = (shop.folder / "project.py").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "views=" in text)
    assert fault.field == f"project.py:{line} views"
    assert value in fault.value
    assert fix in fault.fix
    registry = shop.open().registry
    assert (registry.features.list(), registry.tasks.all()) == ((), ())


def test_a_task_that_would_break_its_history_leaves_its_features_as_they_were(shop: Shop) -> None:
    shop.apply()
    shop.edit(', agg.mean("amount", "30d")]', "]")
    shop.edit(', "amount_ratio")', ")")
    with pytest.raises(Conflict, match="cannot change so"):
        shop.apply()
    assert [one.version for one in shop.open().registry.features.live() if one.name == "spend"] == [1]


def test_a_store_that_no_setting_can_mean_is_told_before_anything_is_stored(tmp_path: Path) -> None:
    shop = Shop(tmp_path, '[features]\nonline = "nonsense://here"\n')
    with pytest.raises(SettingInvalid):
        shop.apply()
    assert shop.open().registry.features.list() == ()


def test_a_task_that_moves_to_another_version_says_so_and_finds_it_filled(shop: Shop) -> None:
    (applied,) = shop.apply()
    assert applied == ("fraud", "created")
    platform = shop.open()
    shop.push(platform, 1, "10.00", "2.50")
    shop.edit('"24h")', '"24h", hop="1h")')
    (applied,) = shop.apply()
    assert "it reads spend@2 now, not spend@1" in applied.status
    assert "train it again" in applied.status
    assert shop.spent(platform) == Decimal("12.50")
    assert shop.apply() == (("fraud", "unchanged"),)


def test_on_demand_features_find_the_new_version_filled_as_soon_as_it_is_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.apply()
    platform = shop.open()
    shop.push(platform, 1, "4.00")
    shop.edit('"24h")', '"24h", hop="1h")')

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tropism.featurestore.applying._fill", stop)  # registered, and no task bound to it yet
    with pytest.raises(KeyboardInterrupt):
        shop.apply()
    (read,) = platform.features.reader(["amount_ratio"]).read(
        [{"account_id": "a"}], [{"amount": 8.0}], platform.clock.now()
    )
    assert read.values == {"amount_ratio": 2.0}


def test_other_code_of_an_on_demand_feature_is_told(shop: Shop) -> None:
    shop.apply()
    shop.edit('f["spend.mean_amount_30d"],', 'f["spend.mean_amount_30d"] + 1,')
    (applied,) = shop.apply()
    assert "amount_ratio is computed by other code" in applied.status


def test_a_version_that_cannot_be_filled_leaves_the_task_with_the_one_before(shop: Shop) -> None:
    shop.apply()
    shop.edit('Field("segment", str)', 'Field("segment", str, description="x"), Field("tier", str)')
    with pytest.raises(DataInvalid, match=r"'profile@2' cannot be filled, so that 'fraud' goes on with 'profile@1'"):
        shop.apply()
    task = shop.open().registry.tasks.get("fraud")
    assert {one.view for one in task.features if one.name.startswith("profile.")} == {"profile@1"}


def test_a_version_that_a_task_reads_is_not_dropped(shop: Shop) -> None:
    shop.apply()
    features = shop.open().registry.features
    with pytest.raises(Conflict, match=r"'spend@1' is read by the task fraud"):
        features.drop("spend", 1, 0)
    with pytest.raises(Conflict, match="'amount_ratio' is read by the task fraud"):
        features.drop("amount_ratio", 1, 0, kind="on-demand")
    shop.edit('"24h")', '"24h", hop="1h")')
    shop.apply()
    features.drop("spend", 1, 0)
    assert [one.version for one in features.serving() if one.name == "spend"] == [2]


def test_two_versions_of_a_view_in_one_task_are_refused(shop: Shop) -> None:
    shop.apply()
    shop.edit('"24h")', '"24h", hop="1h")')
    shop.edit('views=("spend"', 'views=("spend@1", "spend"')
    with pytest.raises(ProjectInvalid) as caught:
        shop.apply()
    assert {fault.fix.partition(";")[0] for fault in caught.value.faults} == {"name one version only"}

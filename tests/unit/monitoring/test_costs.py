from __future__ import annotations

import msgspec
import pytest

from tropism.core.errors import SettingInvalid
from tropism.monitoring.costs import Cost, CostSettings, cost

PRICES = CostSettings(cpu_hour=0.04, gpu_hour=2.0, per_1000=0.1)


def test_predictions_and_time_are_paid_for_apart() -> None:
    found = cost(PRICES, predictions=5_000, cpu_seconds=9_000, gpu_seconds=1_800)
    assert [found.predictions, found.cpu, found.gpu] == pytest.approx([0.5, 0.1, 1.0])
    assert found.total == pytest.approx(1.6)


def test_a_task_has_its_own_price_and_it_may_be_nothing() -> None:
    assert cost(PRICES, predictions=5_000, per_1000=0.0).total == 0.0
    assert cost(PRICES, predictions=5_000, per_1000=3.0).total == pytest.approx(15.0)


def test_without_prices_nothing_costs_anything() -> None:
    assert cost(CostSettings(), predictions=10, cpu_seconds=5.0) == Cost(predictions=0.0, cpu=0.0, gpu=0.0)


@pytest.mark.parametrize("name", ["cpu_hour", "gpu_hour", "per_1000"])
@pytest.mark.parametrize("value", [-0.01, float("nan"), float("inf")])
def test_what_is_no_price_is_named(name: str, value: float) -> None:
    with pytest.raises(SettingInvalid) as caught:
        msgspec.convert({name: value}, CostSettings)
    assert [fault.field for fault in caught.value.faults] == [f"costs.{name}"]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SettingInvalid) as caught:
        CostSettings(cpu_hour=-1, currency="")
    assert [fault.field for fault in caught.value.faults] == ["costs.cpu_hour", "costs.currency"]

"""What predictions cost, by the prices that a project states."""

from __future__ import annotations

import math

import msgspec

from tropism.core.errors import Fault, SettingInvalid


class CostSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices in the project's currency: `cpu_hour` of one core, `gpu_hour` of one device, for the time they worked.

    `per_1000`: of a thousand predictions of a task that states none of its own. `currency`: how it is told.

    >>> CostSettings(cpu_hour=0.04).currency
    'USD'
    """

    cpu_hour: float = 0.0
    gpu_hour: float = 0.0
    per_1000: float = 0.0
    currency: str = "USD"

    def __post_init__(self) -> None:
        faults = [
            Fault(f"costs.{name}", str(getattr(self, name)), "use a price, 0 or more")
            for name in ("cpu_hour", "gpu_hour", "per_1000")
            if not 0 <= getattr(self, name) < math.inf
        ]
        if not self.currency:
            faults.append(Fault("costs.currency", "", "use a name, such as EUR"))
        if faults:
            raise SettingInvalid("the prices are not valid", *faults)


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What something cost, by what it is for."""

    predictions: float
    cpu: float
    gpu: float

    @property
    def total(self) -> float:
        return self.predictions + self.cpu + self.gpu


def cost(
    prices: CostSettings,
    *,
    predictions: int = 0,
    cpu_seconds: float = 0.0,
    gpu_seconds: float = 0.0,
    per_1000: float | None = None,
) -> Cost:
    """The cost of predictions and of the time that was spent; `per_1000`: the task's own price.

    >>> cost(CostSettings(cpu_hour=0.05), predictions=2_000, cpu_seconds=7_200, per_1000=0.2).total
    0.5
    """
    price = prices.per_1000 if per_1000 is None else per_1000
    return Cost(
        predictions=predictions / 1_000 * price,
        cpu=cpu_seconds / 3_600 * prices.cpu_hour,
        gpu=gpu_seconds / 3_600 * prices.gpu_hour,
    )

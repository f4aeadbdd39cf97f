from __future__ import annotations

from typing import Any

import pytest

from tropism.core.bandit import BanditSettings
from tropism.core.errors import InvalidInput
from tropism.core.experiment import Experiment, Variant
from tropism.core.metric import Metric

TWO = (Variant(name="now"), Variant(name="new", version=2))
UNEVEN = (Variant(name="now", weight=0.9), Variant(name="n", weight=0.1))
RATIO = (Metric(name="loss", role="decision"), Metric(name="r", kind="ratio", of="a", over="b"))


def bandit(**fields: Any) -> Experiment:
    return Experiment(**{"name": "x", "task": "t", "mode": "bandit", "variants": TWO, **fields})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"bandit": BanditSettings(policy="guess")}, "bandit.policy: got 'guess'; use one of: thompson"),  # type: ignore[arg-type]
        ({"bandit": BanditSettings(floor=0.0)}, "bandit.floor: got 0.0; use a probability above 0"),
        ({"bandit": BanditSettings(floor=0.5)}, "bandit.floor: got 0.5; use less than 0.5"),
        ({"bandit": BanditSettings(floor=1e-5)}, "use at least 0.001"),
        ({"bandit": BanditSettings(temperature=0)}, "bandit.temperature: got 0; use a positive number"),
        ({"bandit": BanditSettings(width=float("nan"))}, "bandit.width: got nan; use a positive number"),
        ({"bandit": BanditSettings(features=("a",))}, "bandit.features: got a; leave them out, or use one of: linucb"),
        ({"bandit": BanditSettings(policy="linucb", features=("a", "a"))}, "name each once"),
        ({"bandit": BanditSettings(policy="linucb"), "metrics": RATIO}, "metrics.r.kind: got 'ratio'; use a mean"),
        ({"bandit": BanditSettings(floor=0.3), "variants": UNEVEN}, "variants.n.weight: got 0.1; use at least 0.3"),
        ({"mode": "ab", "bandit": BanditSettings()}, "bandit: got given for mode 'ab'; leave it out"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_by_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        bandit(**fields)
    assert said in str(caught.value)


def test_without_settings_it_is_thompson_sampling() -> None:
    assert bandit().shared_by == BanditSettings(policy="thompson", floor=0.05)

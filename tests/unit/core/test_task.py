from __future__ import annotations

from typing import Any

import pytest

from tropism.core.errors import InvalidInput
from tropism.core.task import Feature, Gate, Policy, Task, Triggers


def task(**changes: Any) -> Task:
    values: dict[str, Any] = {"name": "price", "kind": "binary", "target": "up", "features": (Feature("demand"),)}
    return Task(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Price!"}, "name"),
        ({"target": ""}, "target"),
        ({"kind": "binari"}, "kind"),
        ({"features": ()}, "features"),
        ({"features": (Feature("a"), Feature("a"))}, "features"),
        ({"features": (Feature("up"),)}, "features"),
        ({"features": (Feature("a", minimum=2, maximum=1),)}, "features.a.minimum"),
        ({"kind": "multiclass"}, "classes"),
        ({"classes": ("a", "b")}, "classes"),
        ({"metric": "mae"}, "metric"),
        ({"unanswered": "maybe"}, "unanswered"),
        ({"learners": ()}, "learners"),
        ({"outcome_window": "2 moons"}, "outcome_window"),
        ({"policy": Policy(check_every="often")}, "policy.check_every"),
        ({"policy": Policy(gate=Gate(alpha=2))}, "policy.gate.alpha"),
        ({"policy": Policy(gate=Gate(min_outcomes=1))}, "policy.gate.min_outcomes"),
        ({"policy": Policy(recent=1)}, "policy.recent"),
        ({"policy": Policy(triggers=Triggers(decay=-1))}, "policy.triggers.decay"),
        ({"policy": Policy(triggers=Triggers(drift=7))}, "policy.triggers.drift"),
        ({"policy": Policy(triggers=Triggers(every="soon"))}, "policy.triggers.every"),
        ({"policy": Policy(windows=("lately",))}, "policy.windows"),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        task(**changes)
    assert field in [fault.field for fault in caught.value.faults]
    assert all(fault.fix for fault in caught.value.faults)


def test_labels_fit_the_kind() -> None:
    assert [task().label(value) for value in (True, 0, 1.0, 2, "1", None)] == [1.0, 0.0, 1.0, None, None, None]
    several = task(kind="multiclass", classes=("low", "high"))
    assert [several.label(value) for value in ("high", "none", 1)] == [1.0, None, None]
    amount = task(kind="regression")
    assert [amount.label(value) for value in (2, 2.5, True, float("nan"), "2")] == [2.0, 2.5, None, None, None]


def test_an_unanswered_prediction_is_left_out_or_assumed() -> None:
    assert task().assumed_label is None
    assert task(unanswered=False).assumed_label == 0.0

from __future__ import annotations

from typing import Any

import pytest

from tropism.core.task import Feature, Task
from tropism.registry.history import history_faults

_KEPT = (Feature("a"), Feature("b", "category"))


def _task(**fields: Any) -> Task:
    given = {"name": "t", "kind": "multiclass", "target": "y", "features": _KEPT, "classes": ("x", "y")}
    return Task(**{**given, **fields})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "binary", "classes": ()}, "kind"),
        ({"target": "z"}, "target"),
        ({"entity": "shop"}, "entity"),
        ({"features": (Feature("a"),)}, "features.b"),
        ({"features": (Feature("a", "boolean"), Feature("b", "category"))}, "features.a.type"),
        ({"features": (*_KEPT, Feature("c", nullable=False))}, "features.c"),
        ({"classes": ("y", "x")}, "classes"),
        ({"classes": ("x", "z")}, "classes"),
        ({"classes": ("z", "x", "y")}, "classes"),
    ],
)
def test_what_breaks_history_is_named_with_a_remedy(change: dict[str, Any], field: str) -> None:
    fault = next(fault for fault in history_faults(_task(), _task(**change)) if fault.field == field)
    assert fault.value
    assert fault.fix


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"classes": ("x", "y", "z")},
        {"features": tuple(reversed(_KEPT))},
        {"features": (*_KEPT, Feature("c"))},
        {"features": (*_KEPT, Feature("c", nullable=False, default=0.0))},
        {"features": (Feature("a", minimum=0.0, default=1.0), Feature("b", "category", nullable=False))},
        {"learners": ("linear",), "outcome_window": "3d", "unanswered": "x", "metric": "brier", "description": "d"},
    ],
)
def test_what_history_can_follow_is_accepted(change: dict[str, Any]) -> None:
    assert history_faults(_task(), _task(**change)) == []

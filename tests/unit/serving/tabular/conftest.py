from __future__ import annotations

from typing import Any

import pytest

from tropism.core.clock import SECOND
from tropism.core.task import Feature, Task
from tropism.serving.tabular import Limits

NOW = 1_700_000_000 * SECOND


@pytest.fixture
def task() -> Task:
    """A feature of each type, one that may not be missing, and two with a default."""
    features = (
        Feature("amount"),
        Feature("country", "category"),
        Feature("new", "boolean"),
        Feature("size", nullable=False),
        Feature("colour", "category", default="red"),
        Feature("weight", default=None),
    )
    return Task(name="payments", kind="binary", target="fraud", features=features)


@pytest.fixture
def limits() -> Limits:
    return Limits(rows=1_000, size=1 << 20, latest=NOW + 60 * SECOND)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Rows as they may be sent as JSON."""
    full = {"amount": 1.5, "country": "NL", "new": True, "size": 3, "colour": "blue", "weight": 0.1}
    return [
        full,
        {**full, "amount": None, "country": None, "new": None, "weight": None, "colour": None},
        {**full, "amount": -(2**53) - 1, "country": 'a "b", c', "size": 1e300, "new": False},
        {**full, "amount": 5e-324, "country": "Straße ☃", "colour": "x" * 1_024},
    ]

"""Figures that are sent with outcomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tropism.core.errors import InputError, InvalidOutcome
from tropism.core.events import Outcome
from tropism.core.identity import Identifiers, task_tag
from tropism.core.privacy import JournalPolicy
from tropism.core.task import Feature, Task
from tropism.serving import Deployment, Snapshot
from tropism.serving.outcomes import Outcomes

IDS = Identifiers()


@pytest.fixture
def live(desk: Any) -> Any:
    features = (Feature("demand"), Feature("income"))
    task = Task(name="price", kind="binary", target="up", features=features, journal=JournalPolicy(redact=("income",)))
    desk.holder.current = Snapshot(1, {"price": Deployment(task)})
    return desk


async def send(desk: Any, **fields: Any) -> list[Any]:
    item = {"prediction_id": IDS.new(desk.clock.now(), task_tag("price")), **fields}
    await Outcomes(desk.parts).accept(json.dumps({"outcomes": [item]}).encode())
    events: list[Any] = desk.recorded()
    return events


async def test_figures_go_with_a_label(live: Any) -> None:
    (event,) = await send(live, outcome=True, values={"revenue": 12, "returned": False, "clicked": True})
    assert isinstance(event, Outcome)
    assert (event.value, event.values) == (1.0, {"revenue": 12.0, "returned": 0.0, "clicked": 1.0})


@pytest.mark.parametrize("fields", [{}, {"outcome": None}])
async def test_figures_alone_are_an_outcome_without_a_label(live: Any, fields: dict[str, Any]) -> None:
    (event,) = await send(live, values={"revenue": 12.5}, **fields)
    assert (event.value, event.values) == (None, {"revenue": 12.5})


@pytest.mark.parametrize("fields", [{}, {"values": {}}, {"values": None}, {"outcome": None}])
async def test_an_outcome_that_says_nothing_is_refused(live: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidOutcome) as caught:
        await send(live, **fields)
    assert caught.value.faults[0].field == "outcomes[0].outcome"
    assert live.recorded() == []


@pytest.mark.parametrize(
    ("values", "field", "fix"),
    [
        ({"revenue": "12"}, "values.revenue", "send a number"),
        ({"revenue": None}, "values.revenue", "send a number"),
        ({"revenue": [1]}, "values.revenue", "send a number"),
        ({"revenue": 1e80}, "values.revenue", "send a number"),
        ({"revenue": 10**400}, "values.revenue", "send a number"),
        ({"Revenue": 1}, "values.Revenue", "a-z"),
        ({"": 1}, "values.", "a-z"),
        ({"loss": 1}, "values.loss", "another name"),
        ({"income": 1}, "values.income", "leave it out"),
        ([1], "values", "by name"),
        ({f"n{number}": 1 for number in range(33)}, "values", "at most 32"),
    ],
)
async def test_a_figure_that_cannot_be_used_is_named(live: Any, values: Any, field: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        await send(live, outcome=True, values=values)
    (fault,) = caught.value.faults
    assert fault.field == f"outcomes[0].{field}" and fix in fault.fix
    assert live.recorded() == []


async def test_every_bad_figure_is_named_and_the_label_too(live: Any) -> None:
    with pytest.raises(InvalidOutcome) as caught:
        await send(live, outcome="yes", values={"a": "x", "b": 1, "c": {}})
    assert [fault.field for fault in caught.value.faults] == [
        f"outcomes[0].{name}" for name in ("values.a", "values.c", "outcome")
    ]

"""Alerts: which there are, that somebody looks after one, and silences."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import one_of
from tropism.core.monitoring import effective_rules
from tropism.entrypoints.api.routes.parts import Parts
from tropism.loop.viewing.spans import until_of

router = APIRouter(tags=["alerts"])
TaskName = Annotated[str | None, Query(description="Only those of this task.", examples=["fraud"])]
State = Annotated[
    Literal["open", "acknowledged", "resolved"] | None,
    Query(description="Only these; open ones include those that somebody acknowledged."),
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="How many, newest first.")]


class Acknowledgement(BaseModel, extra="forbid"):
    """Somebody looks after an alert."""

    actor: str = Field(default="http", min_length=1, description="Who does; goes into the audit trail.")
    comment: str = Field(default="", description="What others should know.", examples=["known: a source is down"])


class SilenceOrder(BaseModel, extra="forbid"):
    """Alerts that nobody is to be told of for a time. What is left out means any."""

    until: str = Field(
        description="For so long, such as `2h`, or until a time in ISO 8601; a year at most.",
        examples=["2h", "2026-01-31T12:00:00Z"],
    )
    reason: str = Field(min_length=1, description="Why.", examples=["the source is being moved"])
    task: str | None = Field(default=None, description="The task.", examples=["fraud"])
    rule: str | None = Field(default=None, description="The rule's name.", examples=["drift"])
    subject: str | None = Field(default=None, description="The features that the rule names.", examples=["amount"])
    actor: str = Field(default="http", min_length=1, description="Who asks; goes into the audit trail.")


@router.get("/v1/alerts", operation_id="list_alerts")
@router.get("/api/v1/ml/monitoring/alerts", operation_id="list_monitoring_alerts")
def list_alerts(parts: Parts, task: TaskName = None, state: State = None, limit: Limit = 100) -> list[dict[str, Any]]:
    """Alerts, newest first: the rule that fired, since when, on which figures, and who looks after it."""
    if task is not None:
        parts.sources.task(task)
    return [msgspec.to_builtins(alert) for alert in parts.alerts.list(task, state, limit)]


@router.get("/v1/alerts/silences")
def list_silences(parts: Parts, task: TaskName = None) -> list[dict[str, Any]]:
    """The silences that hold, the one that ends first first."""
    if task is not None:
        parts.sources.task(task)
    found = parts.alerts.silences(parts.clock.now())
    return [msgspec.to_builtins(silence) for silence in found if task is None or silence.task in (None, task)]


@router.post("/v1/alerts/silences", status_code=201)
def silence(order: SilenceOrder, parts: Parts) -> dict[str, Any]:
    """Let nobody be told of alerts for a time. They fire all the same; those open when it ends are told of then."""
    _check_names(parts, order)
    now = parts.clock.now()
    made = parts.alerts.silence(
        until=until_of(order.until, now, "body.until"),
        reason=order.reason,
        actor=order.actor,
        now=now,
        task=order.task,
        rule=order.rule,
        subject=order.subject,
    )
    return dict(msgspec.to_builtins(made))


@router.delete("/v1/alerts/silences/{silence_id}")
def unsilence(
    silence_id: str,
    parts: Parts,
    actor: Annotated[str, Query(min_length=1, description="Who asks; goes into the audit trail.")] = "http",
) -> dict[str, Any]:
    """End a silence before its time. The reply is the silence as it was."""
    return dict(msgspec.to_builtins(parts.alerts.unsilence(silence_id, actor, parts.clock.now())))


@router.get("/v1/alerts/{alert}")
def get_alert(alert: str, parts: Parts) -> dict[str, Any]:
    """One alert, with what was known when it fired."""
    return dict(msgspec.to_builtins(parts.alerts.get(alert)))


@router.post("/v1/alerts/{alert}/acknowledge")
def acknowledge(
    alert: str, order: Annotated[Acknowledgement, Body(default_factory=Acknowledgement)], parts: Parts
) -> dict[str, Any]:
    """Say that somebody looks after an alert. It stays open until its condition is false."""
    return dict(msgspec.to_builtins(parts.alerts.acknowledge(alert, order.actor, order.comment, parts.clock.now())))


def _check_names(parts: Parts, order: SilenceOrder) -> None:
    """A silence of a name that nothing has would silence nothing. Raises: UnknownTask, InvalidInput."""
    tasks = parts.registry.tasks.all() if order.task is None else (parts.sources.task(order.task),)
    rules = {rule.name for task in tasks for rule in effective_rules(task.monitoring)}
    if order.rule is not None and order.rule not in rules:
        fix = one_of(order.rule, rules, "rules", "leave it out")
        raise InvalidInput(f"there is no rule '{order.rule}'", Fault("body.rule", repr(order.rule), fix))

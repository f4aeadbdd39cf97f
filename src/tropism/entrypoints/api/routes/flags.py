"""Feature flags: written and explained under `/v1`, evaluated under `/ofrep/v1` by any OpenFeature client."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field

from tropism.core.errors import Fault, InvalidInput
from tropism.core.flag import read_flag
from tropism.entrypoints.api.routes.parts import Parts
from tropism.experiments.flags.ofrep import OfrepReply, answer_all, answer_one, matches
from tropism.serving.flags import FlagLoader, LiveFlags

router = APIRouter(tags=["flags"])
Key = Annotated[str, Path(description="The flag's key.", examples=["new-checkout"])]
Actor = Annotated[str, Query(min_length=1, description="Who asks; goes into the audit trail.")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="How many, newest first.")]
Known = Annotated[str, Header(alias="If-None-Match", description="The entity tag of what the caller has.")]
_CONTEXT = {"type": "object", "description": "Attributes; `targetingKey` is who the flag is asked for."}
_ASKED: dict[str, Any] = {
    "requestBody": {
        "content": {"application/json": {"schema": {"type": "object", "properties": {"context": _CONTEXT}}}}
    }
}


class Switch(BaseModel, extra="forbid"):
    """One switch of a flag, in the position that it is to have."""

    enabled: bool | None = Field(default=None, description="Whether the flag's rules hold.")
    environment: str | None = Field(default=None, description="Only there.", examples=["production"])
    killed: bool | None = Field(default=None, description="Whether the flag is off everywhere, whatever it says.")
    actor: str = Field(default="http", min_length=1, description="Who asks; goes into the audit trail.")


class Question(BaseModel, extra="forbid"):
    """For whom a flag is evaluated."""

    context: dict[str, Any] = Field(default={}, examples=[{"targetingKey": "user-7", "country": "DE"}])
    environment: str = Field(default="", description="Whose rules hold; else the context's `environment`.")


def _live(request: Request, parts: Parts) -> LiveFlags:
    load: FlagLoader | None = getattr(request.app.state, "flags", None)
    if load is None:
        load = request.app.state.flags = FlagLoader(parts.registry.flags)
    return load()


Live = Annotated[LiveFlags, Depends(_live)]


@router.get("/v1/flags")
def list_flags(live: Live, known: Known = "") -> Response:
    """Every flag, by key. With the entity tag of an earlier reply in `If-None-Match`: 304 if nothing changed since."""
    headers = {"etag": live.etag, "cache-control": "no-cache"}
    if matches(known, live.etag):
        return Response(status_code=304, headers=headers)
    return Response(live.body, headers=headers, media_type="application/json")


@router.get("/v1/flags/{key}")
def get_flag(key: Key, parts: Parts) -> dict[str, Any]:
    """One flag and its revision."""
    return dict(msgspec.to_builtins(parts.registry.flags.get(key)))


@router.put("/v1/flags/{key}")
def put_flag(
    key: Key,
    flag: Annotated[dict[str, Any], Body(description="The flag; `key` may be left out.")],
    parts: Parts,
    actor: Actor = "http",
    revision: Annotated[int | None, Query(ge=0, description="Refuse unless it is at this one; 0: it is new.")] = None,
    comment: Annotated[str, Query(max_length=2_000, description="Why; goes into the audit trail.")] = "",
) -> dict[str, Any]:
    """Make a flag, or replace it. The same again changes nothing."""
    if flag.get("key", key) != key:
        raise InvalidInput("two keys are named", Fault("body.key", repr(flag["key"])[:100], f"write '{key}', or none"))
    made = read_flag({**flag, "key": key})
    now = parts.clock.now()
    stored = parts.registry.flags.put(made, actor=actor, now=now, revision=revision, comment=comment)
    return dict(msgspec.to_builtins(stored))


@router.delete("/v1/flags/{key}")
def delete_flag(key: Key, parts: Parts, actor: Actor = "http") -> dict[str, Any]:
    """Delete a flag that no other needs. The reply is the flag as it was; its history stays."""
    return dict(msgspec.to_builtins(parts.registry.flags.delete(key, actor=actor, now=parts.clock.now())))


@router.post("/v1/flags/{key}/toggle")
def toggle_flag(key: Key, order: Switch, parts: Parts) -> dict[str, Any]:
    """Switch a flag on or off, everywhere or in one environment; or kill it, which wins over everything."""
    now, store = parts.clock.now(), parts.registry.flags
    if (order.enabled is None) == (order.killed is None) or (order.killed is not None and order.environment):
        fix = "send `enabled` (with an `environment`, if you like) or `killed`"
        raise InvalidInput("say which switch", Fault("body", "", fix))
    if order.killed is not None:
        return dict(msgspec.to_builtins(store.kill(key, order.killed, actor=order.actor, now=now)))
    enabled, environment = bool(order.enabled), order.environment
    return dict(msgspec.to_builtins(store.toggle(key, enabled, actor=order.actor, now=now, environment=environment)))


@router.post("/v1/flags/{key}/evaluate")
def explain_flag(
    key: Key, question: Annotated[Question, Body(default_factory=Question)], parts: Parts, live: Live
) -> dict[str, Any]:
    """What a flag comes to for a context, and `why`: a sentence for each step."""
    parts.registry.flags.get(key)
    why: list[str] = []
    found = live.flags.evaluate(key, question.context, parts.clock.now(), question.environment, why)
    return {**found._asdict(), "why": why}


@router.get("/v1/flags/{key}/history")
def flag_history(key: Key, parts: Parts, limit: Limit = 100) -> list[dict[str, Any]]:
    """Who changed a flag, when, and which of its fields; newest first. Deleted flags keep theirs."""
    return [msgspec.to_builtins(one) for one in parts.registry.flags.history(key, limit)]


@router.get("/v1/flags/{key}/exposures")
def flag_exposures(key: Key, parts: Parts) -> list[dict[str, Any]]:
    """How often each variant was given by the data planes, in the last day and ever, and when last."""
    store = parts.registry.flags
    store.get(key)
    return [msgspec.to_builtins(one) for one in store.exposures.of(key, now=parts.clock.now())]


@router.post("/ofrep/v1/evaluate/flags/{key}", openapi_extra=_ASKED)
async def evaluate_flag(key: Key, request: Request, parts: Parts, live: Live) -> Response:
    """What one flag comes to (OFREP 0.2)."""
    return _sent(answer_one(live.flags, key, await request.body(), parts.clock.now()))


@router.post("/ofrep/v1/evaluate/flags", openapi_extra=_ASKED)
async def evaluate_flags(request: Request, parts: Parts, live: Live, known: Known = "") -> Response:
    """What every flag comes to (OFREP 0.2). With `If-None-Match`: 304 if that is the same as before."""
    return _sent(answer_all(live.flags, await request.body(), parts.clock.now(), known))


def _sent(reply: OfrepReply) -> Response:
    headers = {"etag": reply.etag} if reply.etag else {}
    if reply.status == 304:
        return Response(status_code=304, headers=headers)
    return Response(reply.body, reply.status, headers, media_type="application/json")

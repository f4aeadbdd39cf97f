"""Levels: policies, gates, moves, reviews, retiring, deleting, cards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Body, Depends, Query, Response
from pydantic import BaseModel, Field

from tropism.entrypoints.api.routes.parts import Parts
from tropism.entrypoints.governing import Governing

router = APIRouter(prefix="/v1/models/{name}", tags=["governance"])
LevelName = Annotated[str, Query(min_length=1, description="The level to come to.", examples=["staging"])]
Actor = Annotated[str, Query(min_length=1, description="Who does it; goes into the audit trail.")]
_ACTOR: Any = Field(default="http", min_length=1, description="Who does it; goes into the audit trail.")


def _governing(parts: Parts) -> Governing:
    return Governing(parts)


Governed = Annotated[Governing, Depends(_governing)]


class PolicyOrder(BaseModel, extra="forbid"):
    """A policy of levels."""

    policy: dict[str, Any] = Field(description="Levels with their gates, and roles, as `GET` of this path gives them.")
    actor: str = _ACTOR


class LevelOrder(BaseModel, extra="forbid"):
    """A move. Up, the gates of the level must have passed."""

    level: str = Field(min_length=1, description="Where to.", examples=["staging"])
    expected: str | None = Field(default=None, description="Where it was when this was decided; left out, where it is.")
    reason: str = Field(default="", max_length=2_000, description="Why.")
    keep: bool = Field(default=False, description="Leave the version that is there now where it is.")
    actor: str = _ACTOR


class RetireOrder(BaseModel, extra="forbid"):
    """A version has had its day."""

    reason: str = Field(default="", max_length=2_000, description="Why.")
    actor: str = _ACTOR


class ReviewOrder(BaseModel, extra="forbid"):
    """One person's word on a move. Nobody reviews a version that he registered."""

    level: str = Field(min_length=1, description="The level that it would come to.", examples=["production"])
    actor: str = Field(min_length=1, description="Who reviews.", examples=["ann"])
    role: str = Field(default="", description="In which of the policy's roles.", examples=["risk"])
    verdict: Literal["approved", "refused"] = Field(default="approved", description="What he says.")
    comment: str = Field(default="", max_length=2_000, description="Why.")


class ApprovalOrder(BaseModel, extra="forbid"):
    """One person's word on a promotion that waits. Nobody approves a version that he registered or proposed."""

    actor: str = Field(min_length=1, description="Who says it.", examples=["ann"])
    role: str = Field(default="", description="In which of the policy's roles.", examples=["risk"])
    verdict: Literal["approved", "refused"] = Field(default="approved", description="What he says.")
    comment: str = Field(default="", max_length=2_000, description="Why.")


@router.get("/levels")
def get_levels(name: str, governing: Governed) -> dict[str, Any]:
    """The policy that holds, and the versions that were ever moved, with their levels."""
    policy = msgspec.to_builtins(governing.policies.get(name))
    standing = [msgspec.to_builtins(one) for one in governing.levels.all(name).values()]
    return {"policy": policy, "versions": standing}


@router.put("/levels")
def set_levels(name: str, order: PolicyOrder, parts: Parts, governing: Governed) -> dict[str, Any]:
    """Write the policy. One that no model could pass is refused; the reply says which field and why."""
    from tropism.core.governance_faults import read_governance

    task = parts.registry.tasks.get(name)
    policy = read_governance(order.policy, task)
    revision = governing.policies.set(name, policy, actor=order.actor, now=parts.clock.now())
    return {"revision": revision, "policy": msgspec.to_builtins(policy)}


@router.post("/versions/{version}/gates", status_code=202)
def run_gates(name: str, version: int, level: LevelName, governing: Governed, actor: Actor = "http") -> dict[str, Any]:
    """Have a worker run the gates of a level, and keep what they found. Follow it at `/v1/jobs/{id}`; its result is
    the run."""
    job = governing.ask(name, version, level, actor=actor)
    return {"id": job.id, "status": job.status}


@router.get("/versions/{version}/gates")
def list_gates(name: str, version: int, parts: Parts, governing: Governed) -> list[dict[str, Any]]:
    """What gates found about a version, the newest run first."""
    parts.registry.versions.get(name, version)
    return [msgspec.to_builtins(one) for one in governing.runs.list(name, version)]


@router.get("/versions/{version}/level")
def get_level(name: str, version: int, governing: Governed) -> dict[str, Any]:
    """Where a version stands, since when, and every move that it made."""
    standing = msgspec.to_builtins(governing.levels.get(name, version))
    return {**standing, "history": [msgspec.to_builtins(one) for one in governing.levels.history(name, version)]}


@router.post("/versions/{version}/level")
def move_level(name: str, version: int, order: LevelOrder, governing: Governed) -> dict[str, Any]:
    """Move a version to a level. Refused unless its gates passed; the reply says what is missing."""
    asked = {"expected": order.expected, "reason": order.reason, "keep": order.keep}
    return dict(msgspec.to_builtins(governing.move(name, version, order.level, actor=order.actor, **asked)))  # type: ignore[arg-type]


@router.post("/versions/{version}/retire")
def retire(
    name: str, version: int, order: Annotated[RetireOrder, Body(default_factory=RetireOrder)], governing: Governed
) -> dict[str, Any]:
    """Take a version off all levels. It is kept. What is served or compared is not retired."""
    return dict(msgspec.to_builtins(governing.retire(name, version, actor=order.actor, reason=order.reason)))


@router.delete("/versions/{version}")
def delete(
    name: str,
    version: int,
    governing: Governed,
    reason: Annotated[str, Query(min_length=1, max_length=2_000, description="Why.")],
    actor: Actor = "http",
) -> dict[str, Any]:
    """Delete a version's artifact for good. Who did it, when and why stays. What is served or pinned is not deleted."""
    return dict(msgspec.to_builtins(governing.delete(name, version, actor=actor, reason=reason)))


@router.get("/versions/{version}/card", response_model=None)
def get_card(
    name: str,
    version: int,
    governing: Governed,
    form: Annotated[
        Literal["json", "markdown", "html"], Query(alias="format", description="What to write it as.")
    ] = "json",
) -> dict[str, Any] | Response:
    """The model card: purpose, data, metrics beside baselines, limits, levels and gates, lineage, decisions."""
    from tropism.entrypoints.card_text import markdown, page

    found = governing.card(name, version)
    if form == "markdown":
        return Response(markdown(found), media_type="text/markdown; charset=utf-8")
    if form == "html":
        return Response(page(found), media_type="text/html; charset=utf-8")
    return dict(msgspec.to_builtins(found))


@router.get("/approvals")
def list_approvals(name: str, parts: Parts) -> list[dict[str, Any]]:
    """Promotions that wait for people: what each said, and who must still approve."""
    parts.registry.tasks.get(name)
    approvals, now = parts.registry.approvals, parts.clock.now()
    return [
        {
            **msgspec.to_builtins(one),
            "votes": [msgspec.to_builtins(vote) for vote in approvals.votes(one.id)],
            "missing": approvals.missing(one.id, now),
        }
        for one in approvals.open(name)
    ]


@router.post("/versions/{version}/approval")
def approve(name: str, version: int, order: ApprovalOrder, governing: Governed) -> dict[str, Any]:
    """Approve or refuse that a version becomes the champion. Once enough people approved, it does."""
    words = {"actor": order.actor, "role": order.role, "comment": order.comment}
    return dict(msgspec.to_builtins(governing.answer(name, version, verdict=order.verdict, **words)))


@router.get("/versions/{version}/reviews")
def list_reviews(name: str, version: int, parts: Parts, governing: Governed) -> list[dict[str, Any]]:
    """Reviews of a version, the oldest first."""
    parts.registry.versions.get(name, version)
    return [msgspec.to_builtins(one) for one in governing.reviews.list(name, version)]


@router.post("/versions/{version}/reviews", status_code=201)
def review(name: str, version: int, order: ReviewOrder, governing: Governed) -> dict[str, Any]:
    """Approve or refuse a move. Good once, and for as long as the policy says."""
    words = {"actor": order.actor, "role": order.role, "comment": order.comment}
    return dict(msgspec.to_builtins(governing.review(name, version, order.level, verdict=order.verdict, **words)))


@router.delete("/reviews/{review_id}")
def withdraw(name: str, review_id: str, governing: Governed, actor: Actor) -> dict[str, Any]:
    """Take one's own review back. The reply is the review as it is now."""
    governing.policies.get(name)
    return dict(msgspec.to_builtins(governing.withdraw(review_id, actor=actor)))


@router.get("/versions/{version}/against/{other}")
def compare(name: str, version: int, other: int, governing: Governed) -> dict[str, Any]:
    """Two versions side by side: facts, files, scores of the same rows, and which of them to take."""
    return dict(msgspec.to_builtins(governing.compare(name, version, other)))


@router.get("/alias-history")
def alias_history(
    name: str,
    parts: Parts,
    alias: Annotated[str | None, Query(description="Only this one.", examples=["champion"])] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Rows of the audit log to tell it from.")] = 1_000,
) -> list[dict[str, Any]]:
    """Where aliases pointed in the past, the newest move first, as the audit log tells it."""
    from tropism.registry.alias_history import alias_moves

    parts.registry.tasks.get(name)
    return [msgspec.to_builtins(one) for one in alias_moves(parts.registry.db, name, alias, limit)]

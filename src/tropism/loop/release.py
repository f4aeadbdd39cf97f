"""Release: carries verdicts out. Every write is idempotent under its decision id, so a step may run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tropism.core.errors import Conflict, PolicyRefused
from tropism.core.identity import derived_id, task_tag
from tropism.loop.climbing import as_held, asks_approval, climb, held, hold
from tropism.loop.gate import Verdict
from tropism.registry import NewChallenge, NewDecision

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.decide import Plan
    from tropism.loop.observe import Observation
    from tropism.loop.services import Services
    from tropism.loop.train import Trained

ACTOR = "loop"
_MOST_TESTS = 100
"""Open tests of a kind that the registry allows; how many the loop opens by itself is the policy's."""


def release(
    services: Services,
    task: Task,
    seen: Observation,
    plan: Plan,
    trained: Trained | None,
    verdicts: list[Verdict],
    key: str,
) -> list[str]:
    """Record the training, carry out the verdicts, open and aim tests. Returns the ids of the decisions.

    The champion moves once at most: a rollback goes first, then the challenger whose advantage is surest.
    """
    turn = _Turn(services, task, seen, key)
    if trained is not None:
        turn.record_training(plan, trained)
    for verdict in sorted(verdicts, key=_urgency):
        turn.carry_out(verdict)
    turn.take_up()
    turn.aim()
    turn.put_on_probation()
    turn.keep_prior()
    if trained is not None and trained.version is not None and seen.champion is not None:
        turn.challenge(trained.version)
    return turn.decisions


def _urgency(verdict: Verdict) -> tuple[bool, bool, float]:
    surest = -float(verdict.evidence.get("lower") or 0.0)
    return verdict.kind != "rollback", verdict.kind != "promote", surest


class _Turn:
    """The writes of one cycle. `champion` is the champion as this cycle leaves it."""

    def __init__(self, services: Services, task: Task, seen: Observation, key: str) -> None:
        self._services = services
        self._registry = services.registry
        self._task = task
        self._seen = seen
        self._key = key
        self._closed: set[str] = set()
        self.champion = seen.champion
        self._previous = seen.previous
        self.decisions: list[str] = []

    def record_training(self, plan: Plan, trained: Trained) -> None:
        result = trained.result
        evidence = {
            "reasons": list(plan.reasons),
            "failure": trained.failure,
            "changed": plan.changed,
            "lake": msgspec.to_builtins(self._seen.lake),
            "candidates": [] if result is None else msgspec.to_builtins(result.candidates),
            "fits": 0 if result is None else result.fits,
            "cpu_seconds": 0.0 if result is None else result.cpu_seconds,
        }
        decision = self._decision("train", trained.version, evidence, "train")
        self._registry.decisions.record(decision, now=self._seen.now)

    def carry_out(self, verdict: Verdict) -> None:
        """A verdict that would move a champion that has moved in this turn is left to the next cycle; and a promotion
        while an experiment splits traffic between the champion and others, until that has ended."""
        moving = verdict.kind in ("promote", "rollback")
        if moving and self.champion != self._seen.champion:
            return
        if verdict.kind == "promote" and self._seen.splits:
            return
        decision = self._decision(verdict.kind, verdict.version, verdict.evidence, verdict.test or str(verdict.version))
        if verdict.kind == "promote":
            self._promote(verdict, decision)
        elif verdict.kind == "rollback":
            self._roll_back(verdict, decision)
        else:
            self._registry.decisions.record(decision, now=self._seen.now)
            if verdict.kind != "wait":
                self._close(verdict.test, "lost")

    def take_up(self) -> None:
        """First models that were good enough, and have come up the levels meanwhile: the oldest of them."""
        if self.champion is not None or self._seen.champion is not None:
            return
        for waiting in held(self._registry, self._task.name):
            if self.champion is None and waiting.version is not None:
                verdict = Verdict(kind="promote", version=waiting.version, test=None, evidence=waiting.evidence)
                self._promote(verdict, self._decision("promote", waiting.version, waiting.evidence, waiting.id))

    def aim(self) -> None:
        """Tests against a champion that was replaced: challengers turn to the new one, a probation is over.
        Those of an experiment end with it."""
        for test in self._seen.tests:
            if test.id in self._closed or test.incumbent == self.champion or test.experiment:
                continue
            self._close(test.id, "expired")
            if test.kind == "challenge" and test.challenger != self.champion:
                self.challenge(test.challenger)

    def put_on_probation(self) -> None:
        """The former champion goes on being compared, whoever replaced it; once for each promotion."""
        if self._previous is None or self.champion is None:
            return
        if self._registry.versions.get(self._task.name, self._previous).state == "rolled-back":
            return
        seen = self._seen
        promoted_at = seen.promoted_at if self.champion == seen.champion else seen.now
        what = f"probation:{self.champion}:{self._previous}"
        self._open("probation", self._previous, derived_id(promoted_at or 0, what, task_tag(self._task.name)))

    def keep_prior(self) -> None:
        """What answers until there is a champion."""
        if self.champion is None and self._seen.prior:
            self._registry.tasks.set_prior(self._task.name, self._seen.prior, self._seen.now)

    def challenge(self, challenger: int) -> None:
        """Open a test of a version against the champion."""
        made = derived_id(self._seen.now, f"{self._key}:challenge:{challenger}", task_tag(self._task.name))
        self._open("challenge", challenger, made)
        self._registry.aliases.set(self._task.name, "challenger", challenger, actor=ACTOR, now=self._seen.now)

    def _open(self, kind: Literal["challenge", "probation"], challenger: int, made: str) -> None:
        if self.champion is None:
            return
        new = NewChallenge(
            id=made,
            model=self._task.name,
            challenger=challenger,
            incumbent=self.champion,
            kind=kind,
            alpha=self._task.policy.gate.alpha,
        )
        self._registry.challenges.open(new, now=self._seen.now, most=_MOST_TESTS)

    def _promote(self, verdict: Verdict, decision: NewDecision) -> None:
        """Somebody may have moved the champion meanwhile, or the policy may ask for a person, or for a level: then the
        version is brought up the levels, and its promotion waits."""
        decision = as_held(self._registry, decision)
        self.decisions[-1] = decision.id
        why = climb(self._services, self._task, verdict.version, now=self._seen.now)
        if why:
            hold(self._services, decision, why)
            return
        if asks_approval(self._registry, self._task):
            self._registry.decisions.record(decision, now=self._seen.now)
            approval = derived_id(self._seen.now, f"{decision.id}:approval")
            request = (approval, self._task.name, verdict.version, decision.id)
            self._registry.approvals.request(*request, now=self._seen.now)
            self._close(verdict.test, "won")
            return
        try:
            self._registry.promotion.promote(
                self._task.name,
                verdict.version,
                expected=self._seen.champion,
                actor=ACTOR,
                decision_id=decision.id,
                policy=self._task.policy,
                now=self._seen.now,
                evidence=decision.evidence,
            )
        except (Conflict, PolicyRefused):
            return
        self._previous, self.champion = self.champion, verdict.version
        self._close(verdict.test, "won")

    def _roll_back(self, verdict: Verdict, decision: NewDecision) -> None:
        try:
            moved = self._registry.promotion.rollback(
                self._task.name,
                actor=ACTOR,
                decision_id=decision.id,
                now=self._seen.now,
                expected=self._seen.champion,
                evidence=decision.evidence,
            )
        except Conflict:
            return
        self._previous, self.champion = None, moved.version
        self._close(verdict.test, "won")

    def _close(self, test: str | None, status: Literal["won", "lost", "expired"]) -> None:
        if test is not None:
            self._registry.challenges.close(test, status, now=self._seen.now)
            self._closed.add(test)

    def _decision(self, kind: str, version: int | None, evidence: dict[str, object], what: str) -> NewDecision:
        made = derived_id(self._seen.now, f"{self._key}:{kind}:{what}", task_tag(self._task.name))
        self.decisions.append(made)
        values = {"id": made, "model": self._task.name, "kind": kind, "version": version}
        return msgspec.convert(values | {"at": self._seen.now, "actor": ACTOR, "evidence": evidence}, NewDecision)

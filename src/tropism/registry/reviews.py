"""Reviews: several people's word that a version may move to a level. Never its author's, each good once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import msgspec
from sqlalchemy import select

from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, Fault, InvalidInput, NotFound
from tropism.core.faults import one_of
from tropism.core.governance import ApprovalGate
from tropism.core.identity import person
from tropism.registry.audit import append
from tropism.registry.level_policies import policy_of
from tropism.registry.records import record
from tropism.registry.tombstones import require_kept
from tropism.registry.versions import require_version
from tropism.storage.tables.governance_schema import reviews
from tropism.storage.tables.schema import audit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from tropism.core.governance import Governance
    from tropism.storage.tables import Database

Verdict = Literal["approved", "refused"]
_LONGEST = 200


class Word(Protocol):
    """One person's word on one move, as far as counting it goes."""

    @property
    def level(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def comment(self) -> str: ...
    def holds(self, now: int) -> bool: ...


W = TypeVar("W", bound=Word)


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word on one move. It holds from `at` to `expires_at` (µs), unless it was withdrawn or used before,
    at `closed_at`; `used_by` is the move that used it."""

    id: str
    model: str
    version: int
    level: str
    artifact: str
    actor: str
    role: str
    verdict: Verdict
    comment: str
    at: int
    expires_at: int
    closed_at: int | None
    used_by: str | None

    def holds(self, now: int) -> bool:
        """Whether it counts at a moment (µs)."""
        return self.closed_at is None and now < self.expires_at


class Reviews:
    """Takes reviews and lists them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def give(
        self,
        review_id: str,
        model: str,
        version: int,
        level: str,
        *,
        actor: str,
        now: int,
        role: str = "",
        verdict: Verdict = "approved",
        comment: str = "",
    ) -> Review:
        """Takes a person's review of a move; the same again gives the one that holds.

        Raises:
            InvalidInput: the level asks for no approval, the actor is the version's author or does not have the role,
                or the role is not one that counts.
            Conflict: the same person said otherwise and that still holds, or the version was deleted.
            UnknownModel, UnknownVersion, UnknownTask: there is none.
        """
        with self._db.exclusive() as connection:
            chosen = require_version(connection, model, version)
            require_kept(connection, model, version)
            policy = policy_of(connection, model)
            _check(connection, policy, model, version, level, actor, role)
            standing = _ofperson(connection, model, version, level, actor, now)
            if standing is not None:
                return _require_same(standing, verdict, role)
            facts = {"id": review_id, "level": level, "role": role, "verdict": verdict, "comment": comment}
            facts["artifact"] = chosen.artifact
            until = now + parse_duration(policy.reviews)
            values = {"model": model, "version": version, "actor": actor.strip(), "at": now, "expires_at": until}
            if _find(connection, review_id) is not None:
                raise Conflict("this id belongs to another review", Fault("id", review_id, "use a new id for each"))
            connection.execute(reviews.insert(), {**facts, **values})
            action, subject = f"review.{verdict}", f"{model}/{version}"
            append(connection, at=now, actor=actor, action=action, subject=subject, detail=facts)
            return _require(connection, review_id)

    def withdraw(self, review_id: str, *, actor: str, now: int) -> Review:
        """Takes a review back; only whoever gave it can. Again, it changes nothing.

        Raises:
            NotFound: there is no such review.
            InvalidInput: it is another person's.
            Conflict: it was used.
        """
        with self._db.exclusive() as connection:
            found = _require(connection, review_id)
            if person(found.actor) != person(actor):
                fault = Fault("actor", repr(actor[:60]), f"only {found.actor} can take it back")
                raise InvalidInput("this is another person's review", fault)
            if found.used_by is not None:
                raise Conflict("it was used", Fault("id", review_id, "move the version back instead"))
            if found.closed_at is not None:
                return found
            connection.execute(reviews.update().where(reviews.c.id == review_id).values(closed_at=now))
            subject, detail = f"{found.model}/{found.version}", {"id": review_id, "level": found.level}
            append(connection, at=now, actor=actor, action="review.withdrawn", subject=subject, detail=detail)
            return _require(connection, review_id)

    def list(self, model: str, version: int, level: str | None = None) -> tuple[Review, ...]:
        """All that were given, the oldest first."""
        with self._db.read() as connection:
            found = reviews_of(connection, model, version)
        return tuple(one for one in found if level is None or one.level == level)

    def author(self, model: str, version: int) -> str | None:
        """Who registered a version, by the audit log."""
        with self._db.read() as connection:
            return author_of(connection, model, version)


def reviews_of(connection: Connection, model: str, version: int) -> tuple[Review, ...]:
    """Reviews of a version, the oldest first."""
    chosen = (reviews.c.model == model) & (reviews.c.version == version)
    rows = connection.execute(select(reviews).where(chosen).order_by(reviews.c.at, reviews.c.id))
    return tuple(record(Review, row) for row in rows)


def counted(gate: ApprovalGate, given: Iterable[W], level: str, now: int) -> tuple[tuple[W, ...], str]:
    """The approvals that count for a gate, and what is missing; nothing is missing where it passes.

    >>> counted(ApprovalGate(count=2), (), "production", now=0)
    ((), '2 more people must approve')
    """
    holding = [one for one in given if one.level == level and one.holds(now)]
    refused = [one for one in holding if one.verdict == "refused"]
    people = {
        person(one.actor): one
        for one in holding
        if one.verdict == "approved" and (not gate.roles or one.role in gate.roles)
    }
    found = tuple(people.values())
    if refused:
        said = f": {refused[0].comment}" if refused[0].comment else ""
        return found, f"{refused[0].actor} refused it{said}; it stands until withdrawn or expired"
    absent = [role for role in gate.roles if role not in {one.role for one in found}]
    missing = max(gate.count - len(found), len(absent))
    if not missing:
        return found, ""
    many = "1 more person" if missing == 1 else f"{missing} more people"
    asked = f", {', '.join(absent)} among them" if absent else ""
    return found, f"{many} must approve{asked}"


def use(connection: Connection, used: Iterable[Review], move_id: str, now: int) -> None:
    """Closes approvals that a move rested on."""
    for one in used:
        connection.execute(reviews.update().where(reviews.c.id == one.id).values(closed_at=now, used_by=move_id))


def author_of(connection: Connection, model: str, version: int) -> str | None:
    """Who registered a version, by the audit log."""
    chosen = (audit.c.action == "version.registered") & (audit.c.subject == f"{model}/{version}")
    return connection.scalar(select(audit.c.actor).where(chosen).order_by(audit.c.seq).limit(1))


def _check(
    connection: Connection, policy: Governance, model: str, version: int, level: str, actor: str, role: str
) -> None:
    gates = [gate for gate in policy.level(level).gates if isinstance(gate, ApprovalGate)]
    if not gates:
        fix = "run its gates and move the version: no review is needed"
        raise InvalidInput(f"the level '{level}' asks for no approval", Fault("level", repr(level), fix))
    require_person(actor)
    require_other(connection, model, version, actor)
    require_role(policy, gates, level, actor, role)


def require_person(actor: str) -> None:
    """Raises: InvalidInput: this names nobody, or has characters that nobody sees, which make one name look like two.

    >>> require_person("Ann Lee")
    """
    if not person(actor) or len(actor) > _LONGEST or not actor.isprintable():
        fix = f"say who reviews, in 1 to {_LONGEST} characters that can be seen"
        raise InvalidInput("a review needs a name", Fault("actor", ascii(actor[:60]), fix))


def require_other(connection: Connection, model: str, version: int, actor: str) -> None:
    """Raises: InvalidInput: the actor registered the version."""
    if person(actor) == person(author_of(connection, model, version) or ""):
        fix = "let somebody else review it: nobody approves his own version"
        raise InvalidInput(f"{actor} registered version {version}", Fault("actor", repr(actor[:60]), fix))


def require_role(policy: Governance, gates: Iterable[ApprovalGate], level: str, actor: str, role: str) -> None:
    """Raises: InvalidInput: the role is none in which this is approved, or the actor does not have it."""
    counting = {name for gate in gates for name in gate.roles}
    known = counting or set(policy.roles)
    if (role or counting) and role not in known:
        fix = one_of(role, known, "roles", "leave it out: this policy declares none")
        raise InvalidInput(f"no approval of '{level}' is given in this role", Fault("role", repr(role[:60]), fix))
    people = policy.roles.get(role, ()) if role else ()
    if people and person(actor) not in {person(one) for one in people}:
        fault = Fault("actor", repr(actor[:60]), f"this role is that of: {', '.join(people)}")
        raise InvalidInput(f"{actor} is not in the role '{role}'", fault)


def _ofperson(connection: Connection, model: str, version: int, level: str, actor: str, now: int) -> Review | None:
    """What the same person said of the same move, where it holds."""
    found = reviews_of(connection, model, version)
    mine = (one for one in found if one.level == level and person(one.actor) == person(actor) and one.holds(now))
    return next(mine, None)


def _require_same(standing: Review, verdict: Verdict, role: str) -> Review:
    if (standing.verdict, standing.role) != (verdict, role):
        said = f"{standing.verdict} as {standing.role}" if standing.role else standing.verdict
        fix = f"withdraw the review {standing.id} first"
        raise Conflict(f"{standing.actor} {said} this before", Fault("actor", repr(standing.actor), fix))
    return standing


def _find(connection: Connection, review_id: str) -> Review | None:
    row = connection.execute(select(reviews).where(reviews.c.id == review_id)).first()
    return None if row is None else record(Review, row)


def _require(connection: Connection, review_id: str) -> Review:
    found = _find(connection, review_id)
    if found is None:
        fix = "list them with `tropism review MODEL VERSION`"
        raise NotFound(f"there is no review '{review_id[:60]}'", Fault("id", repr(review_id[:60]), fix))
    return found

"""Challenges of experiments in which treatments answer nobody: opened and closed with the experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Conflict, Fault
from tropism.core.experiment import BESIDE
from tropism.core.identity import derived_id, task_tag
from tropism.registry.challenges import NewChallenge, close_challenge, find_challenge, open_challenge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from tropism.core.experiment import Experiment

_MOST = 50
"""Open challenges of a model beyond which no experiment opens more, so that there is room for those of the loop."""


def challenge_ids(spec: Experiment, started_at: int | None) -> dict[str, str]:
    """The challenge of each treatment, by variant; none where an experiment splits units, or has not started.

    >>> from tropism.core.experiment import Experiment, Variant
    >>> variants = (Variant(name="now"), Variant(name="new", version=7))
    >>> spec = Experiment(name="deeper", task="fraud", mode="shadow", variants=variants)
    >>> list(challenge_ids(spec, 5)), challenge_ids(spec, None)
    (['new'], {})
    """
    if spec.mode not in BESIDE or started_at is None:
        return {}
    tag = task_tag(spec.task)
    texts = {one.name: f"experiment:{spec.name}:challenge:{one.name}" for one in spec.variants[1:]}
    return {name: derived_id(started_at, text, tag) for name, text in texts.items()}


def open_challenges(
    connection: Connection, spec: Experiment, versions: Mapping[str, int], *, now: int, actor: str
) -> None:
    """Opens a challenge for each treatment, which share the experiment's alpha; none where units are split.

    Raises:
        Conflict: a treatment is the champion itself, or there are too many challenges.
    """
    found = challenge_ids(spec, now)
    champion = versions[spec.control.name]
    fix = f"name another version than {champion}, the champion: it would be compared with itself"
    faults = [Fault(f"variants.{name}", str(champion), fix) for name in found if versions[name] == champion]
    if faults:
        raise Conflict(f"experiment '{spec.name}' cannot start", *faults)
    for name, made in found.items():
        new = NewChallenge(
            id=made, model=spec.task, challenger=versions[name], incumbent=champion, alpha=spec.alpha / len(found)
        )
        open_challenge(connection, new, now=now, actor=actor, most=_MOST)


def close_challenges(
    connection: Connection, spec: Experiment, started_at: int | None, *, won: int | None, now: int, actor: str
) -> None:
    """Closes those that are open: that of the version `won` as won, the others as expired."""
    for made in challenge_ids(spec, started_at).values():
        stored = find_challenge(connection, made)
        if stored is not None and stored.status == "open":
            close_challenge(connection, stored, "won" if stored.challenger == won else "expired", now, actor)

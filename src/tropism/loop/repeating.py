"""Whether a look at an experiment found anything that the ledger does not have yet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tropism.loop.exposures import matured_whole

if TYPE_CHECKING:
    from tropism.core.task import Task
    from tropism.loop.judged import Judged
    from tropism.loop.services import Services
    from tropism.registry import NewDecision

_RECENT = 50
"""Waits that are looked through for the last one about the same; where it lies further back, one more is stored."""


def says_more(services: Services, task: Task, one: Judged, decision: NewDecision) -> bool:
    """Whether a decision to wait is worth storing: it is the first, another day has matured since the last one, or what
    it says is not the same but for its figures. Everything else is what the last one said already."""
    for last in services.registry.decisions.list(task.name, limit=_RECENT, kind="wait"):
        if last.evidence.get("experiment") == one.name and last.version == one.version:
            if last.id == decision.id:  # this look, which was cut off before it was done
                return True
            newer = matured_whole(task, decision.at) > matured_whole(task, last.at)
            return newer or _gist(last.evidence) != _gist(decision.evidence)
    return True


def _gist(evidence: dict[str, Any]) -> tuple[Any, ...]:
    words = re.sub(r"[\d.,e+-]*\d", "#", str(evidence.get("reason", "")))
    step = evidence["trial"]["step"] if "trial" in evidence else None
    return evidence.get("action"), evidence.get("verdict"), step, words

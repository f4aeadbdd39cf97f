"""What a replay came to, as values: what the report shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.entrypoints.replay.stream import Stream
    from tropism.entrypoints.replay.summary import PolicySummary


@dataclass(frozen=True)
class Decision:
    """A decision of the loop. `at`: µs. `evidence`: as the registry stores it."""

    id: str
    at: int
    kind: str
    model: str
    version: int | None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Drift:
    """How far a feature (or the predictions) had moved at a time; `score` 0 is not at all."""

    at: int
    feature: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that the report shows.

    `policies`: in the order to be shown, all over the same events. `warmup`: events before the first one compared.
    `command`: what to type for the same replay. `extra`: more keys for report.json.
    """

    stream: Stream
    policies: tuple[PolicySummary, ...]
    decisions: tuple[Decision, ...] = ()
    drift: tuple[Drift, ...] = ()
    warmup: int = 0
    command: str = ""
    served_over_http: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)

"""What a health report is made from. Whoever collects it leaves out what there is none of, and says why."""

from __future__ import annotations

from typing import Literal

import msgspec

from tropism.core.monitoring import Severity
from tropism.core.task import Kind
from tropism.monitoring.costs import Cost
from tropism.monitoring.estimation.estimate import Estimate
from tropism.monitoring.figures import Figure
from tropism.monitoring.health.monitored import Monitored
from tropism.monitoring.health.moved import Moved
from tropism.monitoring.quality import Quality
from tropism.monitoring.segments.report import Search
from tropism.monitoring.service import ModelService
from tropism.monitoring.tracking import Performance

# fmt: off
Part = Literal[
    "performance", "baseline", "start", "estimated", "features", "prediction", "loss", "measures", "quality",
    "feedback", "service", "cost", "alerts", "decisions", "segments",
]
# fmt: on
NOT_COLLECTED = "it was not collected"


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What came back on the period's predictions whose outcome window has closed.

    `predictions`: how many these are; `answered`: those that an outcome came for. `usual`: the share that used to be
    answered, None where that is not known: then all should be. `delay`, `delay_p90`: seconds until the outcome,
    median and 90% point.
    """

    predictions: int
    answered: int
    usual: float | None = None
    delay: float | None = None
    delay_p90: float | None = None

    @property
    def coverage(self) -> float | None:
        """Share of the predictions that are answered; None without predictions."""
        return min(1.0, self.answered / self.predictions) if self.predictions else None


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that was open in the period. Times in µs; `resolved_at`: None while it is open."""

    id: str
    rule: str
    severity: Severity
    fired_at: int
    resolved_at: int | None
    message: str


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of the loop: train, promote, reject, rollback, keep or wait, at `at` (µs)."""

    id: str
    at: int
    kind: str
    version: int | None
    reason: str


class HealthFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a task's champion in a period. Times in µs since the epoch; None: not known, see `absent`.

    `metric`: the task's own, such as brier. `version`: of the champion; `former`: of the one before it. `window`: the
    task's outcome window (µs). `performance`: over the period, as `track` gives it. `current`: of the champion's
    predictions in the period, as one window; `start`: of its first matured predictions; `previous`: of the former
    champion's last ones before the promotion. `estimated`: of the latest predictions, before labels. `monitors`: those
    there are. `moved`: the period's counts beside the reference's. `importance`: of features to the champion, shares
    of 1. `problems`: columns that could not be read, and why. `absent`: why a part is not there, by its name.
    """

    task: str
    kind: Kind
    metric: str
    version: int | None
    start_at: int
    end_at: int
    generated_at: int
    promoted_at: int | None = None
    former: int | None = None
    window: int = 0
    performance: tuple[Performance, ...] = ()
    current: Performance | None = None
    start: Performance | None = None
    previous: Performance | None = None
    estimated: tuple[Estimate, ...] = ()
    monitors: tuple[Monitored, ...] = ()
    moved: tuple[Moved, ...] = ()
    importance: dict[str, float] = {}
    quality: Quality | None = None
    feedback: Feedback | None = None
    service: ModelService | None = None
    cost: Cost | None = None
    currency: str = ""
    alerts: tuple[Raised, ...] | None = None
    decisions: tuple[Decided, ...] | None = None
    segments: Search | None = None
    problems: dict[str, str] = {}
    absent: dict[Part, str] = {}

    def monitor(self, kind: str) -> Monitored | None:
        """The monitor of this kind: features, prediction or loss."""
        return next((one for one in self.monitors if one.kind == kind), None)

    def why(self, part: Part) -> str:
        """Why a part is not there."""
        return self.absent.get(part, NOT_COLLECTED)

    def figure(self, of: Performance | None, *, baseline: bool = False) -> Figure | None:
        """The task's metric of a span, or of the baseline's answers in it."""
        if of is None:
            return None
        return (of.baseline if baseline else of.metrics).get(self.metric)

    @property
    def open_alerts(self) -> tuple[Raised, ...]:
        """Alerts that nobody and nothing has ended."""
        return tuple(alert for alert in self.alerts or () if alert.resolved_at is None)

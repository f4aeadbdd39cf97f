"""Levels that a model's versions stand on, and the gates that each must pass to get there.

Every version is on the level `none` until it is moved. What takes a version off all levels is `retired`. The levels
between are a project's own; `default_governance` gives two of them, `staging` and `production`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.core.faults import one_of

NONE, RETIRED, DELETED = "none", "retired", "deleted"
"""Levels that are always there; nothing leads out of the last."""
GROUP = "tropism.gates"
"""The entry points by which packages bring gates of their own."""
UPWARD = {"accuracy", "precision", "recall", "f1", "auc", "average_precision", "macro_f1", "r2"}
"""Metrics of which more is better; none of them is above 1. Of all others less is better, and none is below 0."""
MEASURED: dict[str, tuple[str, ...]] = {
    "binary": (
        "brier", "log_loss", "accuracy", "precision", "recall", "f1", "auc", "average_precision", "calibration_error",
    ),
    "multiclass": ("brier", "log_loss", "accuracy", "macro_f1", "calibration_error"),
    "regression": ("mae", "mse", "rmse", "r2"),
}  # fmt: skip
"""What `evaluation.metrics` reports of each kind of task."""
MOST_ROWS = 10_000
"""Rows that gates look at, at most: the newest. A gate that asks for more can never pass."""


class _Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="gate"):
    """What every gate is: its kind, and the figures it asks for."""


class MetricGate(_Gate, frozen=True, kw_only=True, tag="metric"):
    """A metric on rows that the version did not learn from, and beside the best baseline on the same rows.

    `metric`: left out, the task's own. `least`: of metrics of which more is better; `most`: of the others. `baseline`:
    the version must also be shown to lose less than the best baseline, by the task's own metric; without that a model
    that always says no passes wherever yes is rare. `rows`: fewest to judge on.
    """

    metric: str = ""
    least: float | None = None
    most: float | None = None
    baseline: bool = True
    rows: int = 100


class ChampionGate(_Gate, frozen=True, kw_only=True, tag="champion"):
    """Beside the champion, on rows that neither learnt from. `margin`: how much more loss is let pass, in units of the
    task's own metric; the upper end of the interval must be within. Passes where there is no champion."""

    margin: float = 0.0
    rows: int = 100


class LatencyGate(_Gate, frozen=True, kw_only=True, tag="latency"):
    """Time of one prediction of one row on this machine, warm: its `quantile` over `calls` is `most_ms` at most."""

    most_ms: float = 100.0
    quantile: float = 0.99
    calls: int = 1_000


class LoadGate(_Gate, frozen=True, kw_only=True, tag="load"):
    """Predictions by `threads` at once in this process for so many seconds. None may fail, 99 of 100 are done within
    `most_ms`, and there are `least_per_second` or more."""

    seconds: float = 5.0
    threads: int = 4
    most_ms: float = 100.0
    least_per_second: float = 0.0


class IntegrationGate(_Gate, frozen=True, kw_only=True, tag="integration"):
    """The artifact is loaded from where it lies, scores its stored rows as when it was trained, and answers rows as
    they are sent."""


class RobustnessGate(_Gate, frozen=True, kw_only=True, tag="robustness"):
    """Rows that are a little off, lack values, or hold absurd ones: every answer is a number, and noise of `noise`
    standard deviations of each number moves scores by at most `most_change` on average: of a probability, or of the
    standard deviation of the predicted numbers."""

    noise: float = 0.01
    most_change: float = 0.05


class FairnessGate(_Gate, frozen=True, kw_only=True, tag="fairness"):
    """Between any two groups that a feature named in `attributes` makes, shares of positive predictions (demographic
    parity), and of positive rows found (equal opportunity), differ by at most `most`, with 95% confidence over all
    pairs. `positive`: the class that counts as positive in a multiclass task. Groups below `rows` are left out."""

    attributes: tuple[str, ...]
    most: float = 0.1
    positive: str = ""
    rows: int = 50


class DataGate(_Gate, frozen=True, kw_only=True, tag="data"):
    """What is known of the training set: so many `rows` at least, its digest, and rows no older than `most_age` when
    the gate is run."""

    rows: int = 100
    most_age: str = "90d"


class SecurityGate(_Gate, frozen=True, kw_only=True, tag="security"):
    """The artifact holds only known kinds of plain data, as they were stored, none of it executable."""


class SignatureGate(_Gate, frozen=True, kw_only=True, tag="signature"):
    """What the version takes and gives fits its task as it is now."""


class DriftGate(_Gate, frozen=True, kw_only=True, tag="drift"):
    """No feature moved further than `most` between the training's time and now: the Jensen-Shannon distance, 0 to 1.
    `rows`: fewest on each side."""

    most: float = 0.2
    rows: int = 100


class ApprovalGate(_Gate, frozen=True, kw_only=True, tag="approval"):
    """So many different people approved this move, none of whom is the version's author. Where `roles` are named,
    each approval is given in one of them, and each of them is among the approvals."""

    count: int = 1
    roles: tuple[str, ...] = ()


class TimeGate(_Gate, frozen=True, kw_only=True, tag="time"):
    """The version has been on `level` without a break for so long."""

    level: str = "staging"
    least: str = "24h"


class OwnGate(_Gate, frozen=True, kw_only=True, tag="own"):
    """A function that a package registered under `name`; it is given the parameters by keyword."""

    name: str
    parameters: dict[str, Any] = {}


Gate = (
    MetricGate
    | ChampionGate
    | LatencyGate
    | LoadGate
    | IntegrationGate
    | RobustnessGate
    | FairnessGate
    | DataGate
    | SecurityGate
    | SignatureGate
    | DriftGate
    | ApprovalGate
    | TimeGate
    | OwnGate
)
KINDS = (
    "metric", "champion", "latency", "load", "integration", "robustness", "fairness", "data", "security", "signature",
    "drift", "approval", "time", "own",
)  # fmt: skip


class Level(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A level and its gates. `single`: the version that was there is retired when another one enters."""

    name: str
    gates: tuple[Gate, ...] = ()
    single: bool = False


class Governance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Levels, from the lowest, and who may approve.

    `roles`: the people of each role; with none, anybody may act in it. `reviews`: how long an approval is good.
    `results`: how long passed gates are good, for the same artifact and the same policy. `promotion`: whose approval it
    takes to make a version the champion; None: none, unless the task's `policy.approval` asks for one of anybody.
    """

    levels: tuple[Level, ...]
    roles: dict[str, tuple[str, ...]] = {}
    reviews: str = "7d"
    results: str = "7d"
    promotion: ApprovalGate | None = None

    def level(self, name: str) -> Level:
        """A level with gates. Raises: InvalidInput: there is none of that name.

        >>> default_governance("binary").level("production").single
        True
        """
        for one in self.levels:
            if one.name == name:
                return one
        fix = one_of(name, [one.name for one in self.levels], "levels", "declare one")
        raise InvalidInput(f"there is no level '{name}'", Fault("level", repr(name[:60]), fix))

    def rank(self, name: str) -> int:
        """How high a level is: 0 for `none`; -1 for those that are off the ladder."""
        names = [NONE, *(one.name for one in self.levels)]
        return names.index(name) if name in names else -1


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate found. `measured`: the figure that decided, if one did; `required`: what would pass; `message`: what
    was found and, if it failed, what to do. `assessed`: False where nothing could be measured; that does not pass."""

    name: str
    passed: bool
    measured: float | None = None
    required: str = ""
    message: str = ""
    assessed: bool = True
    details: dict[str, Any] = {}


def default_governance(kind: str) -> Governance:
    """Staging: accuracy 0.85, 100 ms, an integration test. Production: accuracy 0.90, 50 ms, a load test, a security
    audit, 24 hours in staging. The versions of both also beat the best baseline; for numbers that is all.

    >>> [gate.least for level in default_governance("binary").levels for gate in level.gates[:1]]
    [0.85, 0.9]
    """
    low, high = (MetricGate(), MetricGate())
    if kind != "regression":
        low, high = MetricGate(metric="accuracy", least=0.85), MetricGate(metric="accuracy", least=0.9)
    return Governance(
        levels=(
            Level(name="staging", gates=(low, LatencyGate(most_ms=100.0), IntegrationGate())),
            Level(
                name="production",
                gates=(high, LatencyGate(most_ms=50.0), LoadGate(most_ms=50.0), SecurityGate(), TimeGate()),
                single=True,
            ),
        )
    )


def gate_kind(gate: Gate) -> str:
    """What a gate is called in JSON.

    >>> gate_kind(TimeGate())
    'time'
    """
    return str(type(gate).__struct_config__.tag)


def gate_name(gate: Gate) -> str:
    """A gate's name in results, which tells those of one kind apart.

    >>> gate_name(MetricGate(metric="accuracy", least=0.9)), gate_name(TimeGate())
    ('metric accuracy', 'time in staging')
    """
    if isinstance(gate, MetricGate):
        return f"metric {gate.metric}".rstrip()
    if isinstance(gate, TimeGate):
        return f"time in {gate.level}"
    return gate.name if isinstance(gate, OwnGate) else gate_kind(gate)

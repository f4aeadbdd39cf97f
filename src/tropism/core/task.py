"""A task: what is predicted, from which features, when the truth is known, and how its model may change.

Declared in a project's `project.py`, stored as JSON, read by every floor above.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.core.governance import Governance
from tropism.core.monitoring import Monitoring, monitoring_faults
from tropism.core.privacy import JournalPolicy, journal_faults

Kind = Literal["binary", "multiclass", "regression"]
Dtype = Literal["number", "category", "boolean"]
METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("brier", "log_loss", "accuracy"),
    "multiclass": ("brier", "log_loss", "accuracy"),
    "regression": ("mae", "mse"),
}
"""Metrics that a decision can rest on, by kind: each is a mean of a loss per prediction. The first is the default."""
_APART: dict[str, Any] = {"journal": JournalPolicy(), "monitoring": Monitoring(), "governance": None}
"""What names features, and is left out of a task that has some of them only."""
WINDOWS = ("all", "recent", "since-change")
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input of a task.

    A request must send every feature without a `default`; a null is a missing value and is accepted unless
    `nullable` is false. Numbers outside `minimum`..`maximum` are counted by data quality, not refused.
    `view` is filled in when the project is applied: the feature view that gives it, with its version, or the name of
    the on-demand feature that it is. Such a feature is not sent; where it is missing it takes its `default`.
    """

    name: str
    type: Dtype = "number"
    nullable: bool = True
    default: float | str | bool | msgspec.UnsetType | None = msgspec.UNSET
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""
    view: str = ""


class Triggers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the loop trains a challenger. None switches a trigger off.

    `new_outcomes`: labels learnt since the last training. `every`: time since the last training. `decay`: score, 0 to
    1, of a rise of the champion's loss above that of its first `decay_rows` matured predictions; 0.8 is what alerts
    people, and less will do where trying a challenger costs little. `drift`: score of the features or the predictions.
    `cooldown`: labels that must be learnt after a training before anything but a person starts another.
    """

    new_outcomes: int | None = 50
    every: str | None = None
    decay: float | None = 0.3
    decay_rows: int = 200
    drift: float | None = None
    cooldown: int = 50


class Gate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a challenger must show before it replaces the champion.

    `alpha`: chance that an equal challenger is ever promoted, over any number of looks. `margin`: loss
    improvement that must be exceeded. `min_outcomes`: fewest matured outcomes compared. `max_outcomes`: the
    challenger is rejected if nothing was shown by then. `plan`: outcomes at which the test is sharpest.
    """

    alpha: float = 0.05
    margin: float = 0.0
    min_outcomes: int = 30
    max_outcomes: int = 4_000
    plan: int = 300


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the loop may act on a task.

    `check_every`: time between two looks. `windows`: spans of history that candidates are trained on.
    `recent`: rows in the `recent` window; the candidates are compared on half as many. `min_training`: fewest
    labelled rows to train on. `challengers`: challengers that may be under test at once. `approval`: promotions
    wait for `tropism promote`. `rollback_outcomes`: matured outcomes over which the former champion goes on
    being compared after a promotion.
    """

    triggers: Triggers = Triggers()
    gate: Gate = Gate()
    check_every: str = "1m"
    windows: tuple[str, ...] = ("all", "recent")
    recent: int = 2_000
    min_training: int = 200
    challengers: int = 2
    approval: bool = False
    rollback_outcomes: int = 4_000


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is predicted and how its model may change.

    `learners`: candidates by name; `parameters`: of each, by its name, where the defaults will not do.
    `calibrate`: map scores to probabilities that come true as often as they say, fitted on the validation slice and
    kept if it helps on half of it; off by default, since on drifting streams it did harm (docs/replays.md).
    `outcome_window`: how long after a prediction its outcome may arrive; a prediction enters decisions only
    when this window has closed. `unanswered`: what a prediction without an outcome means then: `"exclude"`,
    or the label to assume. `journal`: what of its predictions is recorded, where not all of it may be.
    `monitoring`: how it is watched, and who is told. `governance`: the levels that its versions stand on, the gates
    between them, and whose approval a promotion takes; None leaves that to `tropism levels --set`.
    `views`: features from the store: a view (`"spend"`), one of its features (`"spend.count_7d"`), a certain version
    (`"spend@1"`) or an on-demand feature. `keys` is filled in when the project is applied: the columns that requests
    name their entities by.

    >>> Task(name="fraud", kind="binary", target="is_fraud", features=(Feature("amount"),),
    ...      outcome_window="7d", unanswered=False).metric_name
    'brier'
    """

    name: str
    kind: Kind
    target: str
    features: tuple[Feature, ...] = ()
    classes: tuple[str, ...] = ()
    entity: str | None = None
    outcome_window: str = "1d"
    unanswered: float | str | bool = "exclude"
    metric: str | None = None
    learners: tuple[str, ...] = ("lightgbm",)
    parameters: dict[str, dict[str, float | int | str | bool]] = {}
    calibrate: bool = False
    policy: Policy = Policy()
    journal: JournalPolicy = JournalPolicy()
    description: str = ""
    monitoring: Monitoring = Monitoring()
    views: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    governance: Governance | None = None

    def __post_init__(self) -> None:
        if self.kind not in METRICS:
            kinds = ", ".join(METRICS)
            raise InvalidInput(
                f"task '{self.name}' is not valid", Fault("kind", repr(self.kind), f"use one of: {kinds}")
            )
        faults = [*_name_faults(self), *_feature_faults(self), *_kind_faults(self), *_policy_faults(self.policy)]
        faults += monitoring_faults(self.monitoring, None if self.views else self.feature_names)
        faults += journal_faults(self.journal, {feature.name: feature.type for feature in self.features})
        if self.governance is not None:
            faults += _declared_faults(self, self.governance)
        if faults:
            raise InvalidInput(f"task '{self.name}' is not valid", *faults)

    @property
    def metric_name(self) -> str:
        return self.metric or METRICS[self.kind][0]

    @property
    def window(self) -> int:
        """The outcome window in µs."""
        return parse_duration(self.outcome_window)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def sent(self) -> tuple[Feature, ...]:
        """The features that requests send; the others come from the store."""
        return tuple(feature for feature in self.features if not feature.view)

    @property
    def asked(self) -> Task:
        """The task as a request sees it: with the features that are sent, then the keys that are none of them."""
        if not self.views:
            return self
        sent = self.sent
        names = {feature.name for feature in sent}
        keys = (Feature(key, "category", description="names an entity") for key in self.keys if key not in names)
        return msgspec.structs.replace(self, features=(*sent, *keys), views=(), **_APART)

    @property
    def flat(self) -> Task:
        """The task with all its features as if they were sent, as they stand in a table."""
        if not self.views:
            return self
        features = tuple(msgspec.structs.replace(feature, view="") for feature in self.features)
        return msgspec.structs.replace(self, features=features, views=(), keys=(), monitoring=Monitoring())

    @property
    def learnt(self) -> Task:
        """The task with the features only that a model can learn from: those that are recorded."""
        kept = tuple(feature for feature in self.features if feature.name not in self.journal.redact)
        if len(kept) == len(self.features):
            return self
        return msgspec.structs.replace(self, features=kept, **_APART)

    def label(self, outcome: Any) -> float | None:
        """An outcome as the number that is stored, or None when it does not fit the task.

        >>> Task(name="t", kind="multiclass", target="y", features=(Feature("a"),), classes=("x", "y")).label("y")
        1.0
        """
        if self.kind == "binary":
            return float(outcome) if isinstance(outcome, bool | int | float) and outcome in (0, 1) else None
        if self.kind == "multiclass":
            return float(self.classes.index(outcome)) if isinstance(outcome, str) and outcome in self.classes else None
        number = isinstance(outcome, int | float) and not isinstance(outcome, bool)
        return float(outcome) if number and -1e300 < outcome < 1e300 else None

    @property
    def assumed_label(self) -> float | None:
        """The stored label of an unanswered prediction; None when it is left out."""
        return None if self.unanswered == "exclude" else self.label(self.unanswered)


def task_value(feature: Feature, value: Any) -> float | str | bool | None:
    """A stored value as a task's rows have it: numbers as floats, a missing one as the feature's default if it has one.

    >>> from decimal import Decimal
    >>> task_value(Feature("spend.sum_amount_24h", view="spend@1"), Decimal("12.50"))
    12.5
    """
    if value is None:
        return None if feature.default is msgspec.UNSET else feature.default
    if feature.type == "number":
        return float(value)
    return bool(value) if feature.type == "boolean" else str(value)


def _name_faults(task: Task) -> list[Fault]:
    faults = []
    if not 0 < len(task.name) <= 64 or set(task.name) - set(_NAME):
        faults.append(Fault("name", repr(task.name), "use 1 to 64 of a-z, 0-9, '-' and '_'"))
    if not task.target:
        faults.append(Fault("target", "''", "name the column or quantity that is predicted"))
    return faults


def _feature_faults(task: Task) -> list[Fault]:
    faults = []
    if not task.features and not task.views:
        faults.append(Fault("features", "none", "name at least one feature"))
    names = task.feature_names
    lowered = [name.lower() for name in names]
    for name in sorted({name for name in names if lowered.count(name.lower()) > 1}):
        faults.append(Fault("features", repr(name), "name each feature once; upper and lower case are the same here"))
    for feature in task.features:
        if not feature.name or feature.name == task.target:
            faults.append(Fault("features", repr(feature.name), "a feature needs a name that is not the target's"))
        if feature.default is not msgspec.UNSET and not _fits(feature):
            fix = f"give a {feature.type}, or None if it is nullable"
            faults.append(Fault(f"features.{feature.name}.default", repr(feature.default), fix))
        low, high = feature.minimum, feature.maximum
        if low is not None and high is not None and low > high:
            faults.append(Fault(f"features.{feature.name}.minimum", str(low), f"make it at most {high}"))
    return faults


def _fits(feature: Feature) -> bool:
    """Whether a feature's default is of its type."""
    value = feature.default
    if value is None:
        return feature.nullable
    if feature.type == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str if feature.type == "category" else bool)


def _kind_faults(task: Task) -> list[Fault]:
    faults = []
    if task.kind == "multiclass" and (len(task.classes) < 2 or len(set(task.classes)) < len(task.classes)):
        faults.append(Fault("classes", str(list(task.classes)), "list at least two different class names"))
    if task.kind != "multiclass" and task.classes:
        faults.append(Fault("classes", str(list(task.classes)), f"leave it out for a {task.kind} task"))
    if task.metric is not None and task.metric not in METRICS[task.kind]:
        faults.append(Fault("metric", repr(task.metric), f"use one of: {', '.join(METRICS[task.kind])}"))
    if task.unanswered != "exclude" and task.label(task.unanswered) is None:
        faults.append(Fault("unanswered", repr(task.unanswered), f"use 'exclude' or a label of a {task.kind} task"))
    for learner in sorted(task.parameters.keys() - set(task.learners)):
        faults.append(
            Fault("parameters", repr(learner), f"name one of the task's learners: {', '.join(task.learners)}")
        )
    if not task.learners:
        faults.append(Fault("learners", "none", "name at least one, such as 'lightgbm'"))
    return [*faults, *_duration_faults("outcome_window", task.outcome_window)]


def _declared_faults(task: Task, governance: Governance) -> list[Fault]:
    """Gates of packages are looked for when the project is read: a stored task is the same on every machine."""
    from tropism.core.governance_faults import governance_faults

    found = governance_faults(governance, task, installed=False)
    return [Fault(f"governance.{one.field}", one.value, one.fix) for one in found]


def _policy_faults(policy: Policy) -> list[Fault]:
    gate, triggers = policy.gate, policy.triggers
    faults = _duration_faults("policy.check_every", policy.check_every)
    if triggers.every is not None:
        faults += _duration_faults("policy.triggers.every", triggers.every)
    if not 0 < gate.alpha < 0.5:
        faults.append(Fault("policy.gate.alpha", str(gate.alpha), "use a number between 0 and 0.5, such as 0.05"))
    if gate.min_outcomes < 10:
        faults.append(Fault("policy.gate.min_outcomes", str(gate.min_outcomes), "use at least 10"))
    if gate.max_outcomes < gate.min_outcomes:
        faults.append(Fault("policy.gate.max_outcomes", str(gate.max_outcomes), "make it at least min_outcomes"))
    if triggers.drift is not None and not 0 < triggers.drift < 1:
        faults.append(Fault("policy.triggers.drift", str(triggers.drift), "use a number between 0 and 1, or None"))
    if triggers.decay is not None and not 0 < triggers.decay <= 1:
        faults.append(Fault("policy.triggers.decay", str(triggers.decay), "use a score above 0, at most 1, or None"))
    for field, value, least in (
        ("triggers.decay_rows", triggers.decay_rows, 20),
        ("recent", policy.recent, 100),
        ("challengers", policy.challengers, 1),
        ("min_training", policy.min_training, 100),
    ):
        if value < least:
            faults.append(Fault(f"policy.{field}", str(value), f"use at least {least}"))
    for window in policy.windows:
        if window not in WINDOWS:
            faults.append(Fault("policy.windows", repr(window), f"use some of: {', '.join(WINDOWS)}"))
    return faults


def _duration_faults(field: str, text: str) -> list[Fault]:
    try:
        parse_duration(text, field)
    except InvalidInput as error:
        return list(error.faults)
    return []

"""An experiment: which variants of a task's model answer whom, and what shows that one of them is better.

Declared by people, stored as JSON, read by every floor above. `experiments.assigning` says who gets which variant.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tropism.core.bandit import BanditSettings, bandit_faults
from tropism.core.durations import parse_duration
from tropism.core.errors import Fault, InvalidInput
from tropism.core.metric import Metric, metric_faults
from tropism.core.targeting import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

Mode = Literal["shadow", "canary", "ab", "mirrored", "bandit"]
MODES: tuple[Mode, ...] = ("shadow", "canary", "ab", "mirrored", "bandit")
SPLIT: tuple[Mode, ...] = ("ab", "bandit")
"""Modes that divide the units by the variants' weights."""
RAMPED: tuple[Mode, ...] = ("canary", "ab")
BESIDE: tuple[Mode, ...] = ("shadow", "mirrored")
"""Modes in which the control answers everybody, and treatments are compared on the predictions that it made."""
UNITS = ("entity", "unit")
NAMESPACE_PLACES = 1_000
"""Places in a namespace: no range can be finer."""
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_NAME_FIX = "use 1 to 64 of a-z, 0-9, '-' and '_'"
_NEAR = 1e-6


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What some of the units get.

    `version`: of the task's model; None is the champion, whichever that is. `weight`: share of the units, where the
    mode splits them by weight: an A/B test, and a bandit when it starts. A canary's ramp takes its place; in shadow,
    and where requests are mirrored, everybody is answered by the control.
    """

    name: str
    version: int | None = None
    weight: float = 0.5
    parameters: dict[str, Any] = {}


class Ramp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an experiment grows: `steps` are shares, each kept for at least `hold`.

    The share is that of the units who get a canary's treatment; in an A/B test, of those who take part at all, the
    same share of every variant.

    >>> Ramp(steps=(0.1, 1.0), hold="6h").steps
    (0.1, 1.0)
    """

    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5, 1.0)
    hold: str = "1d"


class Namespace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of the units that an experiment may have. Experiments with ranges of one namespace that do not overlap
    never share a unit. `start` is part of the range, `end` is not; both from 0 to 1, to a thousandth."""

    name: str
    start: float = 0.0
    end: float = 1.0


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Variants of a task's model, who gets which, and what decides between them.

    `mode`: in `shadow` a treatment scores what the control answers, and where requests are `mirrored` it is sent them
    too; a `canary` grows along its ramp as long as nothing is worse; `ab` splits the units by weight; a `bandit` moves
    the weights to what does better, as `bandit` says: by Thompson sampling unless given. `variants`: the first is the
    control, the others are treatments. `unit`: the field of requests by which units are told apart. `ramp`: None is the
    default one for a canary, and everybody at once for an A/B test. `targeting`: a rule over features and attributes
    of a request; empty is everybody. `holdout`: share of the units that never see a treatment and are not compared.

    `metrics`: one of them decides. `alpha`: chance that an equal treatment is ever called better; `harm_alpha`: that
    one which does no harm is ever called harmful. `min_units`: fewest units of each variant before a decision.
    `automatic`: act on the evidence, or propose it for approval. `seed`: what units are placed by, the name unless
    given; experiments with the same one place their units alike.

    Raises:
        InvalidInput: it cannot be run; names every field that is wrong.

    >>> ab = Experiment(name="two-trees", task="fraud", mode="ab",
    ...                 variants=(Variant(name="now"), Variant(name="deeper", version=7)))
    >>> ab.control.name, ab.steps, ab.placed_by
    ('now', (1.0,), 'two-trees')
    """

    name: str
    task: str
    mode: Mode
    variants: tuple[Variant, ...]
    unit: Literal["entity", "unit"] = "entity"
    ramp: Ramp | None = None
    namespace: Namespace | None = None
    targeting: str = ""
    holdout: float = 0.0
    metrics: tuple[Metric, ...] = (Metric(name="loss", role="decision"),)
    alpha: float = 0.05
    harm_alpha: float = 0.05
    min_units: int = 100
    max_duration: str = "7d"
    automatic: bool = True
    description: str = ""
    seed: str | None = None
    bandit: BanditSettings | None = None

    def __post_init__(self) -> None:
        faults = [*_name_faults(self), *_variant_faults(self), *_share_faults(self), *_ramp_faults(self)]
        faults += [*_audience_faults(self), *_number_faults(self), *_metrics_faults(self), *_beside_faults(self)]
        faults += _bandit_faults(self)
        if faults:
            raise InvalidInput(f"experiment '{self.name}' is not valid", *faults)

    @property
    def control(self) -> Variant:
        """The variant that the others are compared with."""
        return self.variants[0]

    @property
    def steps(self) -> tuple[float, ...]:
        """Shares that the experiment grows through, in their order; the last one may be less than 1."""
        if self.ramp is not None:
            return self.ramp.steps
        return Ramp().steps if self.mode == "canary" else (1.0,)

    @property
    def placed_by(self) -> str:
        """What the places of units are drawn from."""
        return self.name if self.seed is None else self.seed

    @property
    def shared_by(self) -> BanditSettings:
        """How a bandit shares the units."""
        return self.bandit or BanditSettings()

    @property
    def decision(self) -> Metric:
        """The metric that decides."""
        return next(metric for metric in self.metrics if metric.role == "decision")


def _name_faults(experiment: Experiment) -> list[Fault]:
    faults = [
        Fault(field, repr(name), _NAME_FIX)
        for field, name in (("name", experiment.name), ("task", experiment.task))
        if not _named(name)
    ]
    if experiment.mode not in MODES:
        faults.append(Fault("mode", repr(experiment.mode), f"use one of: {', '.join(MODES)}"))
    if experiment.unit not in UNITS:
        faults.append(Fault("unit", repr(experiment.unit), f"use one of: {', '.join(UNITS)}"))
    if experiment.seed == "":
        faults.append(Fault("seed", "''", "leave it out, or give some text"))
    return faults


def _variant_faults(experiment: Experiment) -> list[Fault]:
    count = len(experiment.variants)
    faults = []
    if count < 2:
        faults.append(Fault("variants", _names(experiment.variants), "give a control and at least one treatment"))
    elif experiment.mode == "canary" and count != 2:
        faults.append(Fault("variants", _names(experiment.variants), "a canary has two: the control, the treatment"))
    for name in _repeated(variant.name for variant in experiment.variants):
        faults.append(Fault("variants", repr(name), "give each variant a name of its own"))
    for variant in experiment.variants:
        if not _named(variant.name):
            faults.append(Fault("variants", repr(variant.name), _NAME_FIX))
        if variant.version is not None and variant.version < 1:
            fix = "use a version of the task's model, or None for the champion"
            faults.append(Fault(f"variants.{variant.name}.version", str(variant.version), fix))
    return faults


def _share_faults(experiment: Experiment) -> list[Fault]:
    faults = []
    least = "above 0" if experiment.mode in SPLIT else "from 0"
    for variant in experiment.variants:
        if not 0 <= variant.weight <= 1 or (variant.weight == 0 and experiment.mode in SPLIT):
            fix = f"use a share {least}, at most 1, such as 0.5"
            faults.append(Fault(f"variants.{variant.name}.weight", str(variant.weight), fix))
    total = sum(variant.weight for variant in experiment.variants)
    if experiment.mode in SPLIT and not faults and len(experiment.variants) > 1 and abs(total - 1) > _NEAR:
        shares = ", ".join(f"{variant.name} {variant.weight:g}" for variant in experiment.variants)
        faults.append(Fault("variants", f"{shares}: {total:g} in all", "give weights that add up to 1"))
    return faults


def _ramp_faults(experiment: Experiment) -> list[Fault]:
    ramp, faults = experiment.ramp, list[Fault]()
    longest = _length("max_duration", experiment.max_duration, faults)
    if ramp is None:
        return faults + _late(Ramp(), longest, experiment) if experiment.mode == "canary" else faults
    if experiment.mode not in RAMPED and experiment.mode in MODES:
        fix = f"leave it out; only these grow: {', '.join(RAMPED)}"
        return [*faults, Fault("ramp", f"one for mode '{experiment.mode}'", fix)]
    _length("ramp.hold", ramp.hold, faults)
    steps = str(list(ramp.steps))
    if not ramp.steps:
        faults.append(Fault("ramp.steps", "none", "give at least one share, such as 1.0"))
    if not all(0 < step <= 1 for step in ramp.steps):
        faults.append(Fault("ramp.steps", steps, "use shares above 0, at most 1"))
    elif any(after <= before for before, after in zip(ramp.steps, ramp.steps[1:], strict=False)):
        faults.append(Fault("ramp.steps", steps, "make each step larger than the one before"))
    return faults if faults else _late(ramp, longest, experiment)


def _late(ramp: Ramp, longest: int | None, experiment: Experiment) -> list[Fault]:
    """A ramp that is over before its last step."""
    if longest is None or parse_duration(ramp.hold) * (len(ramp.steps) - 1) < longest:
        return []
    fix = f"make it longer than {len(ramp.steps) - 1} x {ramp.hold}, after which the ramp takes its last step"
    return [Fault("max_duration", f"{experiment.max_duration!r}, shorter than the ramp", fix)]


def _audience_faults(experiment: Experiment) -> list[Fault]:
    space, faults = experiment.namespace, list[Fault]()
    if space is not None:
        if not space.name:
            faults.append(Fault("namespace.name", "''", "name what the experiments share, such as 'checkout'"))
        found = f"{space.start} to {space.end}"
        if not 0 <= space.start <= 1 or not 0 <= space.end <= 1:
            faults.append(Fault("namespace", found, "use a range within 0 to 1"))
        elif space.end - space.start < 1 / NAMESPACE_PLACES - _NEAR:
            faults.append(Fault("namespace", found, "make the end at least 0.001 more than the start"))
    if experiment.targeting.strip():
        try:
            parse(experiment.targeting)
        except InvalidInput as error:
            faults += error.faults
    if not 0 <= experiment.holdout < 1:
        faults.append(Fault("holdout", str(experiment.holdout), "use a share from 0, below 1, such as 0.05"))
    return faults


def _number_faults(experiment: Experiment) -> list[Fault]:
    faults = []
    for field, alpha in (("alpha", experiment.alpha), ("harm_alpha", experiment.harm_alpha)):
        if not 0 < alpha < 0.5:
            faults.append(Fault(field, str(alpha), "use a number between 0 and 0.5, such as 0.05"))
    if experiment.min_units < 10:
        faults.append(Fault("min_units", str(experiment.min_units), "use at least 10"))
    return faults


def _metrics_faults(experiment: Experiment) -> list[Fault]:
    faults = []
    for name in _repeated(metric.name for metric in experiment.metrics):
        faults.append(Fault("metrics", repr(name), "give each metric a name of its own"))
    for metric in experiment.metrics:
        faults += metric_faults(metric, f"metrics.{metric.name}")
    deciding = [metric for metric in experiment.metrics if metric.role == "decision"]
    if len(deciding) != 1:
        value = ", ".join(metric.name for metric in deciding) or "none"
        faults.append(Fault("metrics", f"{value} with role='decision'", "let exactly one metric decide"))
    elif experiment.mode == "bandit" and deciding[0].kind not in ("mean", "proportion"):
        fix = "a bandit learns by a mean or a proportion; use one of these"
        faults.append(Fault(f"metrics.{deciding[0].name}.kind", repr(deciding[0].kind), fix))
    return faults


def _beside_faults(experiment: Experiment) -> list[Fault]:
    """What makes no sense where treatments answer nobody: their outcomes are not known, only their loss is."""
    if experiment.mode not in BESIDE:
        return []
    faults, why = list[Fault](), f"in mode '{experiment.mode}' treatments answer nobody"
    for metric in experiment.metrics:
        field = f"metrics.{metric.name}"
        if metric.of != "loss":
            fix = f"use 'loss', or the mode 'canary' or 'ab': {why}, so only their loss can be known"
            faults.append(Fault(f"{field}.of", repr(metric.of), fix))
        elif metric.kind != "mean" or metric.goal != "decrease":
            value = f"the {metric.kind}, to {metric.goal}"
            faults.append(Fault(field, value, "compare the mean loss, of which less is better"))
        elif metric.role == "decision" and metric.margin:
            fix = "leave it out: the task's policy.gate.margin holds wherever models score the same predictions"
            faults.append(Fault(f"{field}.margin", str(metric.margin), fix))
        if metric.cuped:
            fix = "leave it out: both models score the same predictions, so there is nothing to adjust for"
            faults.append(Fault(f"{field}.cuped", repr(metric.cuped), fix))
        if metric.role == "guardrail":
            fix = "leave it out: the loss decides, and nothing else can be known"
            faults.append(Fault(f"{field}.role", "'guardrail'", fix))
    if experiment.mode == "shadow":
        said = {"targeting": experiment.targeting.strip(), "holdout": experiment.holdout, "namespace": ""}
        said["namespace"] = "" if experiment.namespace is None else experiment.namespace.name or "one without a name"
        fix = "leave it out: in shadow every prediction in the journal is compared, and nobody is chosen"
        faults += [Fault(field, repr(value)[:200], fix) for field, value in said.items() if value]
    return faults


def _bandit_faults(experiment: Experiment) -> list[Fault]:
    if experiment.mode != "bandit":
        fix = "leave it out, or use mode='bandit'"
        given = experiment.bandit is not None and experiment.mode in MODES
        return [Fault("bandit", f"given for mode '{experiment.mode}'", fix)] if given else []
    settings = experiment.shared_by
    faults = bandit_faults(settings, max(len(experiment.variants), 2))
    for variant in experiment.variants if not faults else ():
        if 0 < variant.weight < settings.floor - _NEAR:
            fix = f"use at least {settings.floor:g}, the floor: nobody has less"
            faults.append(Fault(f"variants.{variant.name}.weight", str(variant.weight), fix))
    for metric in experiment.metrics:
        if metric.cuped:
            fix = "leave it out: a bandit draws units anew with each revision, and adjusts none of them"
            faults.append(Fault(f"metrics.{metric.name}.cuped", repr(metric.cuped), fix))
    for metric in experiment.metrics if settings.contextual else ():
        if metric.role != "decision" and metric.kind not in ("mean", "proportion"):
            fix = "use a mean or a proportion: only these can be weighed by what each request's chances were"
            faults.append(Fault(f"metrics.{metric.name}.kind", repr(metric.kind), fix))
    return faults


def _length(field: str, text: str, faults: list[Fault]) -> int | None:
    """A duration in µs; None, and a fault more, if it is none or no time at all."""
    try:
        length = parse_duration(text, field)
    except InvalidInput as error:
        faults += error.faults
        return None
    if length == 0:
        faults.append(Fault(field, repr(text), "use more than no time"))
    return length or None


def _named(name: str) -> bool:
    return 0 < len(name) <= 64 and not set(name) - set(_NAME)


def _names(variants: tuple[Variant, ...]) -> str:
    return ", ".join(variant.name for variant in variants) or "none"


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)

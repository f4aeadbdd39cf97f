"""Experiments as people write them and look at them: read from JSON, shown, and asked whom they give what."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tropism.core.errors import Fault, InvalidInput
from tropism.core.experiment import BESIDE, Experiment
from tropism.core.misfits import misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tropism.experiments.assigning import Assigner
    from tropism.registry.experiments import Trial
    from tropism.wiring import Platform


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an experiment gives what. `variant`: None where the unit takes no part, and the champion answers it.

    `version`: the model's that the variant is; None where the champion answers, or will. `why`: what decided: the
    `experiment`, by the unit's place and the weights; else the unit is in the `holdout`, outside of the `namespace` or
    the `targeting`, or not let in by the `ramp` yet; or the experiment has `ended`. `status`: of the experiment; of
    one that has not started, this is what its first step will give.
    """

    experiment: str
    unit: str
    status: Literal["draft", "running", "ended"]
    share: float
    variant: str | None
    version: int | None
    why: Literal["experiment", "holdout", "namespace", "targeting", "ramp", "ended"]


def read_experiment(data: object) -> Experiment:
    """The experiment that a JSON object states.

    Raises:
        InvalidInput: it is none, or cannot be run; names the field, what was there, and what would be right.

    >>> variants = [{"name": "now"}, {"name": "new", "version": "7"}]
    >>> read_experiment({"name": "deeper", "task": "fraud", "mode": "canary", "variants": variants})
    Traceback (most recent call last):
    tropism.core.errors.InvalidInput: this is not an experiment
      variants[1].version: got "7"; use a whole number or null
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(data), type=Experiment)
    except msgspec.ValidationError as error:
        raise InvalidInput("this is not an experiment", misfit(error, data, Experiment, "experiment")) from error
    except (ValueError, OverflowError, RecursionError) as error:
        fix = "use texts of valid Unicode, smaller numbers, and fewer brackets in brackets"
        raise InvalidInput("this is not an experiment", Fault("experiment", str(error)[:200], fix)) from error


def told(trial: Trial) -> dict[str, Any]:
    """An experiment as it is sent: all that is stored, and its share now."""
    return {**msgspec.to_builtins(trial), "share": trial.share}


def units_so_far(platform: Platform, trial: Trial) -> dict[str, int]:
    """Units of each variant that were answered since the start, as far as their predictions are in the lake."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from tropism.feedback.schemas import PREDICTIONS, predictions_name

    found = {variant.name: 0 for variant in trial.spec.variants}
    if trial.started_at is None:
        return found
    unit = trial.spec.unit
    schema = pa.schema([PREDICTIONS.field(name) for name in ("at", "variant", unit)])
    table = platform.lake.read(
        predictions_name(trial.task), schema=schema, since=trial.started_at, until=_after(trial.ended_at)
    )
    table = table.filter(pc.starts_with(table["variant"], f"{trial.name}/"))
    for row in table.group_by("variant").aggregate([(unit, "count_distinct")]).to_pylist():
        found[row["variant"].partition("/")[2]] = row[f"{unit}_count_distinct"]
    return found


def counts_from(platform: Platform, trial: Trial) -> tuple[int, bool] | None:
    """When (µs) one more day of a running experiment counts, and whether it is the first one. None where days are
    not waited for."""
    if trial.status != "running" or trial.started_at is None or trial.spec.mode in BESIDE:
        return None
    from tropism.loop.exposures import matured_whole, next_whole

    task, now = platform.registry.tasks.get(trial.task), platform.clock.now()
    return next_whole(task, trial.started_at, now), matured_whole(task, now) <= trial.started_at


def evidence_so_far(platform: Platform, trial: Trial) -> dict[str, Any] | None:
    """What the units of an experiment that splits them, or of a bandit, say of what is in the lake now; of one that
    has ended, what its decision rests on. None where there is nothing of the kind."""
    from tropism.core.errors import UnknownDecision
    from tropism.loop.bandits import bandit_evidence
    from tropism.loop.split_evidence import split_evidence

    if trial.status == "running" and trial.spec.mode not in BESIDE:
        task = platform.registry.tasks.get(trial.task)
        lake, now = platform.cohorts.versions(task.name), platform.clock.now()
        evidence = bandit_evidence if trial.spec.mode == "bandit" else split_evidence
        return evidence(platform.services(), task, trial, now=now, lake=lake)
    if trial.decision_id is None:
        return None
    try:
        found = platform.registry.decisions.get(trial.decision_id).evidence
    except UnknownDecision:
        return None
    return found if found.get("comparison") in ("split", "bandit") and "analyses" in found else None


def assignment(platform: Platform, name: str, unit: str, attributes: Mapping[str, object]) -> Assignment:
    """What an experiment gives a unit now. `attributes`: what targeting may ask for, as a request has them.

    Raises:
        NotFound: there is no such experiment.
        InvalidInput: there is no unit.
    """
    trial = platform.registry.experiments.get(name)
    known: dict[str, Any] = {"experiment": name, "unit": unit, "status": trial.status, "share": trial.share}
    if trial.status == "ended":
        return Assignment(**known, variant=None, version=None, why="ended")
    task = platform.registry.tasks.get(trial.task)
    hidden = {
        field: platform.privacy.hashed(task.name, field, value)
        for field in task.journal.hash
        if isinstance(value := attributes.get(field), str)
    }
    if trial.spec.mode == "bandit":
        return _drawn(platform, trial, known, {**attributes, **hidden})
    found = _assigner(msgspec.json.encode(trial.spec), trial.share).assign(unit, {**attributes, **hidden})
    declared = {variant.name: variant.version for variant in trial.spec.variants}
    version = None if found.variant is None else trial.versions.get(found.variant, declared[found.variant])
    return Assignment(**known, variant=found.variant, version=version, why=found.why)


def _drawn(platform: Platform, trial: Trial, known: dict[str, Any], attributes: Mapping[str, object]) -> Assignment:
    """What a bandit draws for a unit by the shares that it has now."""
    from tropism.experiments.bandits.revisions import BanditAssigner, first_revision

    newest = platform.registry.bandits.newest([trial.name]).get(trial.name)
    found = BanditAssigner(trial.spec, newest or first_revision(trial.spec, 0)).assign(known["unit"], attributes)
    declared = {variant.name: variant.version for variant in trial.spec.variants}
    version = None if found.variant is None else trial.versions.get(found.variant, declared[found.variant])
    return Assignment(**known, variant=found.variant, version=version, why=found.why)


@functools.lru_cache(maxsize=32)
def _assigner(spec: bytes, share: float) -> Assigner:
    """Takes some tens of milliseconds to make."""
    from tropism.experiments.assigning import Assigner

    return Assigner(msgspec.json.decode(spec, type=Experiment), share)


def _after(at: int | None) -> int | None:
    return None if at is None else at + 1

"""Loads the models that are live and puts them into a snapshot."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from tropism.core.courtesy import give_way
from tropism.core.experiment import BESIDE
from tropism.core.identity import task_tag
from tropism.serving.flags import NO_FLAGS
from tropism.serving.marking import Unmarked
from tropism.serving.meters import Meters
from tropism.serving.mirroring import Mirror
from tropism.serving.scores import checked
from tropism.serving.snapshot import Deployment, ServedModel, Snapshot
from tropism.serving.trials import RunningTrial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tropism.core.bandit import Revision
    from tropism.core.events import Value
    from tropism.core.task import Task
    from tropism.features import StreamSource
    from tropism.features.streams import EventReader
    from tropism.registry.experiments import Trial
    from tropism.serving.flags import LiveFlags
    from tropism.serving.marking import Marker
    from tropism.serving.snapshot import FeatureReaders, Mirrored, Servable, Splitting, StoredFeatures

Pushable = tuple["StreamSource", tuple[str, ...]]
_log = logging.getLogger(__name__)


class LiveTask(NamedTuple):
    """What the registry says is live for a task: versions of its model, and its labels' mean or frequencies.

    `quarantined`: versions of it that crashed a process; they are not loaded, whatever points at them. `features`:
    reads those that come from the store; the same object for as long as their definitions are the same. `trials`:
    experiments that run. `bandits`: the newest revision of each of them that shares by one.
    """

    task: Task
    champion: int | None = None
    previous: int | None = None
    prior: tuple[float, ...] | None = None
    quarantined: frozenset[int] = frozenset()
    features: StoredFeatures | None = None
    trials: tuple[Trial, ...] = ()
    bandits: Mapping[str, Revision] = MappingProxyType({})


class SnapshotLoader:
    """Makes snapshots. For one thread at a time.

    `generation` changes whenever `live` may have. `fetch` loads and verifies one version of a task's model; it
    is asked once for each, and the model is kept for as long as it is live. Each model answers one made-up row
    before it is let in, so one that cannot answer never replaces one that can. `marker` is told which model is
    being loaded, and `meters` how many versions are in quarantine. `streams`: those that take events,
    with the columns that are keys. `features`: what reads features by name as they are defined now. `flags`: the
    feature flags as they are now.
    """

    def __init__(
        self,
        generation: Callable[[], int],
        live: Callable[[], Iterable[LiveTask]],
        fetch: Callable[[Task, int], Servable],
        marker: Marker | None = None,
        meters: Meters | None = None,
        streams: Callable[[], Iterable[Pushable]] | None = None,
        features: Callable[[], FeatureReaders | None] | None = None,
        flags: Callable[[], LiveFlags] | None = None,
    ) -> None:
        self._flags = flags or (lambda: NO_FLAGS)
        self._features = features or (lambda: None)
        self._streams = streams or (lambda: ())
        self._readers: dict[str, tuple[Pushable, EventReader]] = {}
        self._meters = meters or Meters()
        self._marker: Marker = marker or Unmarked()
        self._generation = generation
        self._live = live
        self._fetch = fetch
        self._kept: dict[tuple[str, int], ServedModel] = {}
        self._last: dict[str, Deployment] = {}

    def __call__(self) -> Snapshot:
        """A snapshot of what is live now. Raises what `generation` and `live` raise.

        A champion that cannot be loaded leaves in place what has been serving until now, or else the previous
        version, and marks the deployment `champion-unavailable`. One in quarantine is not loaded and not served:
        the deployment is marked `champion-quarantined`.
        """
        generation = self._generation()  # before `live`: a change in between is then seen by the next look
        deployments = {}
        complete = True
        quarantined = 0
        for live in self._live():
            give_way()
            wanted = [None if one in live.quarantined else one for one in (live.champion, live.previous)]
            champion, previous = (self._load(live, one) for one in wanted)
            complete &= [champion is None, previous is None] == [one is None for one in wanted]
            trials = self._trials(live)
            mirrors = self._mirrors(live)
            beside: tuple[Splitting | Mirrored, ...] = (*trials, *mirrors)
            complete &= all(one.models.keys() == _treatments(live, one.trial).keys() for one in beside)
            deployments[live.task.name] = self._deployment(live, champion, previous, trials, mirrors)
            quarantined += len(live.quarantined)
        self._remember(deployments)
        self._meters.quarantined = quarantined
        return Snapshot(
            generation,
            deployments,
            incomplete=not complete,
            streams=self._event_readers(),
            features=self._features(),
            flags=self._flags(),
        )

    def _event_readers(self) -> dict[str, EventReader]:
        readers = {}
        for facts in self._streams():
            name = facts[0].name
            kept = self._readers.get(name)
            readers[name] = kept if kept is not None and kept[0] == facts else (facts, _event_reader(*facts))
        self._readers = readers
        return {name: reader for name, (_, reader) in readers.items()}

    def _trials(self, live: LiveTask) -> tuple[Splitting, ...]:
        """Those that run, with the models of their treatments; the same objects while nothing about them changes."""
        last = self._last.get(live.task.name)
        known = {} if last is None else {one.trial.name: one for one in last.trials}
        found: list[Splitting] = []
        for trial in live.trials:
            if trial.spec.mode in BESIDE:
                continue
            wanted = {name: self._load(live, one) for name, one in _treatments(live, trial).items()}
            models = {name: one for name, one in wanted.items() if one is not None}
            kept = known.get(trial.name)
            revision = live.bandits.get(trial.name)
            facts = (trial, models, revision)
            same = kept is not None and (kept.trial, kept.models, getattr(kept, "revision", None)) == facts
            found.append(kept if kept is not None and same else _running(*facts))
        return tuple(found)

    def _mirrors(self, live: LiveTask) -> tuple[Mirrored, ...]:
        """Experiments that mirror requests; the same objects while nothing about them changes."""
        last = self._last.get(live.task.name)
        known = {} if last is None else {one.trial.name: one for one in last.mirrors}
        found: list[Mirrored] = []
        for trial in live.trials:
            if trial.spec.mode == "mirrored":
                wanted = {name: self._load(live, one) for name, one in _treatments(live, trial).items()}
                models = {name: one for name, one in wanted.items() if one is not None}
                kept = known.get(trial.name)
                same = kept is not None and (kept.trial, kept.models) == (trial, models)
                found.append(kept if kept is not None and same else Mirror.of(trial, models))
        return tuple(found)

    def _deployment(
        self,
        live: LiveTask,
        champion: ServedModel | None,
        previous: ServedModel | None,
        trials: tuple[Splitting, ...],
        mirrors: tuple[Mirrored, ...],
    ) -> Deployment:
        """The one that there is, if it would be the same: of a thousand tasks mostly one has changed."""
        last = self._last.get(live.task.name)
        served, degraded = champion, tuple[str, ...]()
        if champion is None and live.champion is not None:
            serving = None if last is None else last.served
            served = previous if serving is None or serving.version in live.quarantined else serving
            degraded = ("champion-quarantined" if live.champion in live.quarantined else "champion-unavailable",)
        facts = (live.task, served, previous, live.prior, degraded, live.features, trials, mirrors)
        if last is not None and facts == _facts(last):
            return last
        return Deployment(*facts)

    def _load(self, live: LiveTask, version: int | None) -> ServedModel | None:
        if version is None:
            return None
        kept = self._kept.get((live.task.name, version))
        if kept is not None:
            return kept
        self._marker.enter(task_tag(live.task.name), version)
        try:
            give_way()
            model = self._fetch(live.task, version)
            give_way()
            checked(live.task, model.predict_rows([_made_up_row(live.task)]), 1)
            give_way()
            served = ServedModel(version, model)
        except Exception as error:  # noqa: BLE001  whatever a model raises, the others are served
            name = live.task.name
            _log.error("version %d of model '%s' cannot be served: %s", version, name, error, exc_info=True)
            return None
        finally:
            self._marker.leave()
        self._kept[live.task.name, version] = served
        return served

    def _remember(self, deployments: dict[str, Deployment]) -> None:
        used = [(name, one) for name, d in deployments.items() for one in (d.served, d.previous) if one is not None]
        used += [(name, one) for name, d in deployments.items() for trial in d.trials for one in trial.models.values()]
        used += [(name, one) for name, d in deployments.items() for each in d.mirrors for one in each.models.values()]
        self._kept = {(name, one.version): one for name, one in used}
        self._last = deployments


def _treatments(live: LiveTask, trial: Trial) -> dict[str, int]:
    """Versions of the treatments that may be loaded."""
    control = trial.spec.control.name
    return {name: one for name, one in trial.versions.items() if name != control and one not in live.quarantined}


def _running(trial: Trial, models: dict[str, ServedModel], revision: Revision | None) -> Splitting:
    if trial.spec.mode != "bandit":
        return RunningTrial.of(trial, models)
    from tropism.serving.bandits import RunningBandit  # most projects have none, and it takes SciPy

    return RunningBandit.of(trial, models, revision)


def _event_reader(source: StreamSource, keys: tuple[str, ...]) -> EventReader:
    from tropism.features.streams import EventReader  # most projects have no streams

    return EventReader(source, keys)


def _facts(last: Deployment) -> tuple[object, ...]:
    return last.task, last.served, last.previous, last.prior, last.degraded, last.features, last.trials, last.mirrors


def _made_up_row(task: Task) -> dict[str, Value]:
    values: dict[str, Value] = {"number": 0.0, "category": "", "boolean": False}
    return {feature.name: values[feature.type] for feature in task.features}

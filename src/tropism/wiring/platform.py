"""The parts of a running platform."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.courtesy import give_way
from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, Fault
from tropism.wiring.monitoring import Monitoring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from tropism.core.task import Task
    from tropism.features import OnDemand
    from tropism.featurestore import FeatureStore
    from tropism.featurestore.readers import Readers
    from tropism.learners.model import Model
    from tropism.loop.durable import Workflows
    from tropism.loop.services import Services
    from tropism.loop.worker import Worker
    from tropism.registry.experiments import Trial
    from tropism.serving import LiveTask, SnapshotLoader
    from tropism.serving.inside import Crash
    from tropism.serving.marking import Marker
    from tropism.serving.meters import Meters
    from tropism.serving.privacy import Privacy


class Platform(Monitoring):
    """The parts of one project, over its state folder.

    Raises:
        NotWritable: the state folder cannot be made.
    """

    @cached_property
    def features(self) -> FeatureStore:
        from tropism.featurestore import FeatureStore
        from tropism.featurestore.store import Opened

        return FeatureStore(
            Opened(
                registry=self.registry.features,
                lake=self.lake,
                settings=self.settings.features,
                clock=self.clock,
                root=self.project,
                state=self.settings.folder,
                computed=self._computed,
            )
        )

    def training_set(self, labels: Any, names: Sequence[str], at: str) -> pa.Table:
        """The labels with a column for each feature that the names stand for, as it was known at the label's time.

        `labels`: an Arrow table, or anything with `__arrow_c_stream__`, such as a frame of pandas or Polars. `names`:
        views, features and on-demand features. `at`: the labels' column of times. The result turns into a frame by
        `.to_pandas()` or `polars.from_arrow`.

        Raises:
            UnknownFeature: there is no such feature.
            InvalidInput, DataInvalid: columns are missing, clash, or hold what they must not.
        """
        from tropism.featurestore.training_sets import make_training_set

        return make_training_set(self.features, labels, names, at).table

    def _computed(self) -> list[OnDemand]:
        from tropism.features import OnDemand
        from tropism.project import load_features

        return [one for one in load_features(self.project / "project.py") if isinstance(one, OnDemand)]

    def services(self) -> Services:
        from tropism.loop.services import Services

        return Services(
            registry=self.registry,
            cohorts=self.cohorts,
            blobs=self.blobs,
            blobs_url=self.settings.blobs_url,
            clock=self.clock,
            real=self.real,
            ingest=self.ingest,
            work=self.settings.folder / "work",
            training=self.settings.training,
            watch=self.watch,
            holder=self.settings.loop.name,
            tracking=self.settings.tracking,
        )

    def live(self) -> Iterator[LiveTask]:
        """What the registry says is live, for the data plane."""
        from tropism.serving import LiveTask

        priors = self.registry.tasks.priors()
        give_way()
        quarantined = self.registry.quarantine.all()
        give_way()
        pointing = {live.model: live for live in self.registry.aliases.snapshot()}
        give_way()
        running: dict[str, list[Trial]] = {}
        for trial in self.registry.experiments.all(status="running"):
            running.setdefault(trial.task, []).append(trial)
        sharing = [one.name for own in running.values() for one in own if one.spec.mode == "bandit"]
        bandits = self.registry.bandits.newest(sharing)
        for task in self.registry.tasks.all():
            found = pointing.get(task.name)
            champion, previous = (None, None) if found is None else (found.champion, found.previous)
            outcasts = quarantined.get(task.name, frozenset())
            features = self.features.task_reader(task) if task.views else None
            trials = tuple(running.get(task.name, ()))
            yield LiveTask(task, champion, previous, priors.get(task.name), outcasts, features, trials, bandits)

    def quarantine(self, crash: Crash) -> list[str]:
        """Put the model that a process was inside when it crashed into quarantine; it, as `model/version`.

        Two tasks may have the same tag. If so, those count whose live version it is, and if that leaves both, both:
        the one that crashed would crash the next process too.
        """
        from tropism.core.identity import task_tag

        version = crash.version
        alike = [live for live in self.live() if version and task_tag(live.task.name) == crash.tag]
        if len(alike) > 1:
            alike = [live for live in alike if version in (live.champion, live.previous)]
        for live in alike:
            self.registry.quarantine.put(
                live.task.name,
                version,
                reason=f"crashed a data plane while {crash.doing}: {crash.cause}",
                now=self.clock.now(),
                actor="data-plane",
                evidence={"cause": crash.cause, "doing": crash.doing, "report": crash.report},
            )
        return [f"{live.task.name}/{version}" for live in alike]

    def snapshot_loader(self, marker: Marker | None = None, meters: Meters | None = None) -> SnapshotLoader:
        """What loads the live models; `marker` is told which one it is at, `meters` how many are in quarantine."""
        from tropism.serving import SnapshotLoader
        from tropism.serving.flags import FlagLoader

        return SnapshotLoader(
            self.registry.aliases.generation,
            self.live,
            self.fetch,
            marker,
            meters,
            streams=self.registry.features.pushable,
            features=self._feature_readers,
            flags=FlagLoader(self.registry.flags),
        )

    def _feature_readers(self) -> Readers | None:
        """What reads features by name; None where there are none, so that nothing is loaded for them."""
        return self.features.readers() if self.registry.features.list() else None

    def fetch(self, task: Task, version: int) -> Model:
        """One version of a task's model, verified.

        Raises:
            UnknownModel, UnknownVersion: there is none.
            Conflict: it is in quarantine, since it crashed a data plane.
            NotFound, ArtifactTampered, ArtifactRefused, MissingExtra: it cannot be loaded.
        """
        from tropism.learners.artifact import load

        found = self.registry.versions.get(task.name, version)
        give_way()
        if found.state == "quarantined":
            fault = Fault("version", str(version), "ask for another version, or for none")
            raise Conflict(f"version {version} of '{task.name}' is in quarantine: it crashed a data plane", fault)
        return load(found.artifact, self.blobs, enable_gpu=self.settings.http.enable_gpu)

    @cached_property
    def privacy(self) -> Privacy:
        """What applies journal policies, with the project's secret in `journal.key`."""
        from tropism.serving.privacy import Privacy
        from tropism.storage.secret import project_secret

        return Privacy(project_secret(self.settings.folder / "journal.key"))

    def worker(self, automatic: bool | None = None) -> Worker:
        """A worker; `automatic` overrules the setting."""
        from tropism.loop.cycle import cycle
        from tropism.loop.durable.dbos import DbosWorkflows
        from tropism.loop.gating import Gating
        from tropism.loop.worker import Worker

        services = self.services()
        gating = Gating(self.registry, self.lake, self.cohorts, self.blobs, self.clock)
        workflows = DbosWorkflows({"cycle": cycle(services)}, self._workflows_url(), self.settings.loop.name)
        settings = self.settings.loop
        if automatic is not None:
            settings = msgspec.structs.replace(settings, automatic=automatic)
        from tropism.featurestore.upkeep import Upkeep

        rounds: list[tuple[str, Callable[[], object]]] = [(self.settings.features.follow_every, Upkeep(self.features))]
        if settings.automatic:
            rounds.append((settings.watch_every, self._rounds()))
            if self.settings.alerts.channels:
                rounds.append((self.settings.alerts.every, self.delivery.run))
        maintain = partial(self._maintain, workflows)
        return Worker(services, workflows, settings, maintain=maintain, rounds=rounds, gating=gating)

    def _workflows_url(self) -> str:
        if self.settings.tables_url.startswith("sqlite"):
            return f"sqlite:///{self.settings.folder / 'workflows.sqlite'}"
        return self.settings.tables_url

    def _maintain(self, workflows: Workflows) -> None:
        from tropism.loop.maintenance import maintain
        from tropism.storage.journal import JournalReader

        maintain(
            lake=self.lake,
            journal=JournalReader(self.journal_folder),
            registry=self.registry,
            workflows=workflows,
            work=self.settings.folder / "work",
            keep=parse_duration(self.settings.journal.keep, "journal.keep"),
            now=self.real.now(),
        )

"""The only place that builds objects: from settings to the parts of a running platform.

Everything is made when it is first asked for, so a process loads only what it uses.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from tropism.core.clock import Clock, FileClock, SystemClock
from tropism.core.courtesy import give_way
from tropism.core.durations import parse_duration
from tropism.core.errors import Conflict, Fault, NotWritable, UnknownTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from tropism.config import Settings
    from tropism.core.task import Task
    from tropism.features import OnDemand, StreamSource
    from tropism.featurestore import FeatureStore
    from tropism.featurestore.applying import Applied
    from tropism.featurestore.readers import Readers
    from tropism.feedback.cohorts import Cohorts
    from tropism.feedback.ingestion import Ingestion
    from tropism.learners.model import Model
    from tropism.loop.durable import Workflows
    from tropism.loop.services import Services
    from tropism.loop.viewing.sources import Sources
    from tropism.loop.watching.watch import Watch
    from tropism.loop.worker import Worker
    from tropism.monitoring.alerts.store import AlertStore
    from tropism.registry import Registry
    from tropism.serving import LiveTask, SnapshotLoader
    from tropism.serving.inside import Crash
    from tropism.serving.marking import Marker
    from tropism.serving.meters import Meters
    from tropism.serving.notices import Listener
    from tropism.serving.privacy import Privacy
    from tropism.storage.blobs import Blobs
    from tropism.storage.journal import JournalWriter
    from tropism.storage.lake import Lake
    from tropism.storage.tables import Database


class Platform:
    """The parts of one project, over its state folder.

    Raises:
        NotWritable: the state folder cannot be made.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.real = SystemClock()
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fault = Fault(
                str(settings.folder), error.strerror or "", "make the folder writable, or use another project"
            )
            raise NotWritable("the state folder cannot be made", fault) from error

    @property
    def journal_folder(self) -> Path:
        return self.settings.folder / "journal"

    @cached_property
    def clock(self) -> Clock:
        return FileClock(self.settings.folder / "clock") if self.settings.time.clock == "file" else self.real

    @cached_property
    def database(self) -> Database:
        database = self._tables()
        database.migrate()
        return database

    def _tables(self) -> Database:
        url, settings = self.settings.tables_url, self.settings.tables
        if not self.settings.notices.url:
            from tropism.storage.tables import Database

            return Database(url, settings)
        from tropism.registry.announcing import AnnouncingDatabase
        from tropism.storage.notices import open_notices

        return AnnouncingDatabase(url, settings, open_notices(self.settings.notices.url).publish)

    def listener(self, wake: Callable[[], None]) -> Listener | None:
        """What calls `wake` when the registry changes; None where no server sends notices."""
        if not self.settings.notices_url:
            return None
        from tropism.serving.notices import Listener
        from tropism.storage.notices import open_notices

        return Listener(open_notices(self.settings.notices_url), wake)

    @cached_property
    def blobs(self) -> Blobs:
        from tropism.storage.blobs import Blobs

        return Blobs(self.settings.blobs_url)

    @cached_property
    def registry(self) -> Registry:
        from tropism.registry import Registry

        return Registry(self.database, self.blobs)

    @cached_property
    def lake(self) -> Lake:
        from tropism.storage.lake import Lake

        return Lake(self.settings.folder / "lake", self.settings.lake)

    @cached_property
    def cohorts(self) -> Cohorts:
        from tropism.feedback.cohorts import Cohorts

        return Cohorts(self.lake)

    def journal(self) -> JournalWriter:
        """A journal slot of this process's own. Close it.

        A slot of which the lake holds more than it does itself, as after a power cut with `journal.fsync = "os"`,
        is left alone: its numbers, used again, would be taken for records that were ingested.
        """
        from tropism.core.events import CURSOR
        from tropism.storage.journal import JournalWriter

        ingested = self.registry.progress.get(CURSOR) or {}
        behind: set[str] = set()
        while True:
            writer = JournalWriter(self.journal_folder, self.settings.journal, behind)
            if writer.head >= ingested.get(writer.name, 0):
                return writer
            writer.close()
            behind.add(writer.name)

    @cached_property
    def ingestion(self) -> Ingestion:
        from tropism.features.store.stamping import STAMPS, Stamps
        from tropism.feedback.ingestion import Ingestion, Streams
        from tropism.storage.journal import JournalReader

        reader = JournalReader(self.journal_folder)
        return Ingestion(
            reader,
            self.lake,
            self._task_or_none,
            self.registry.progress,
            self.real,
            Streams(self._stream_or_none, Stamps(self.settings.folder / STAMPS), self.clock),
        )

    def _stream_or_none(self, name: str) -> StreamSource | None:
        return {one.name: one for one in self.registry.features.streams()}.get(name)

    def _task_or_none(self, name: str) -> Task | None:
        try:
            return self.registry.tasks.get(name)
        except UnknownTask:
            return None

    @cached_property
    def _ingesting(self) -> threading.Lock:
        return threading.Lock()

    def ingest(self) -> None:
        """Move everything acknowledged so far from the journal into the lake. Safe from any thread."""
        with self._ingesting:
            while not self.ingestion.run().caught_up:
                pass

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

    @property
    def project(self) -> Path:
        """The project's folder."""
        from pathlib import Path

        return Path(self.settings.project)

    def _computed(self) -> list[OnDemand]:
        from tropism.features import OnDemand
        from tropism.project import load_features

        return [one for one in load_features(self.project / "project.py") if isinstance(one, OnDemand)]

    @cached_property
    def watch(self) -> Watch:
        from tropism.loop.watching.watch import Watch
        from tropism.monitoring.watch.store import MonitorStore

        return Watch(self.registry, self.lake, self.cohorts, MonitorStore(self.database))

    @cached_property
    def alerts(self) -> AlertStore:
        from tropism.monitoring.alerts.store import AlertStore

        return AlertStore(self.database)

    @cached_property
    def sources(self) -> Sources:
        """What views of monitoring are made from."""
        from tropism.loop.viewing.sources import Sources

        return Sources(
            registry=self.registry,
            lake=self.lake,
            cohorts=self.cohorts,
            watch=self.watch,
            alerts=self.alerts,
            blobs=self.blobs,
            clock=self.clock,
            prices=self.settings.costs,
        )

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
        for task in self.registry.tasks.all():
            found = pointing.get(task.name)
            champion, previous = (None, None) if found is None else (found.champion, found.previous)
            outcasts = quarantined.get(task.name, frozenset())
            features = self.features.task_reader(task) if task.views else None
            yield LiveTask(task, champion, previous, priors.get(task.name), outcasts, features)

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

        return SnapshotLoader(
            self.registry.aliases.generation,
            self.live,
            self.fetch,
            marker,
            meters,
            streams=self.registry.features.pushable,
            features=self._feature_readers,
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
        from tropism.loop.worker import Worker

        services = self.services()
        workflows = DbosWorkflows({"cycle": cycle(services)}, self._workflows_url(), self.settings.loop.name)
        settings = self.settings.loop
        if automatic is not None:
            settings = msgspec.structs.replace(settings, automatic=automatic)
        from tropism.featurestore.upkeep import Upkeep

        features = (self.settings.features.follow_every, Upkeep(self.features))
        return Worker(services, workflows, settings, maintain=lambda: self._maintain(workflows), features=features)

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


def open_platform(settings: Settings) -> Platform:
    """The parts of a project."""
    return Platform(settings)


def apply_project(settings: Settings) -> tuple[Applied, ...]:
    """Store what the project's `project.py` declares: its features, then its tasks.

    Raises:
        ProjectInvalid: it is not valid; nothing was stored.
        Conflict: it would break history; nothing was stored.
        DataInvalid, NotReady, DiskFull: a view that a task moves to cannot be filled; tasks stay as they were.
    """
    from pathlib import Path

    from tropism.featurestore.applying import apply_declared
    from tropism.project import load_features, load_project, refusal_of

    path = Path(settings.project) / "project.py"
    tasks, features = load_project(path), load_features(path)
    platform = open_platform(settings)
    return apply_declared(
        platform.features, platform.registry.tasks, tasks, features, lambda task, error: refusal_of(path, task, error)
    )


def run_worker(settings: Settings) -> None:
    """The worker process, until it is told to stop."""
    import signal

    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    open_platform(settings).worker().run(stop)

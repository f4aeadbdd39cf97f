"""Where a project keeps what it knows: tables, lake, blobs and journal."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from tropism.core.clock import Clock, FileClock, SystemClock
from tropism.core.errors import Fault, NotWritable, UnknownTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tropism.config import Settings
    from tropism.core.task import Task
    from tropism.features import StreamSource
    from tropism.feedback.cohorts import Cohorts
    from tropism.feedback.ingestion import Ingestion
    from tropism.registry import Registry
    from tropism.registry.tracking import Tracking
    from tropism.serving.notices import Listener
    from tropism.storage.blobs import Blobs
    from tropism.storage.journal import JournalWriter
    from tropism.storage.lake import Lake
    from tropism.storage.tables import Database


class Stores:
    """The stores of one project, over its state folder.

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
    def tracking(self) -> Tracking:
        from tropism.registry.tracking import Tracking
        from tropism.training.mlmodels.champions import Champions

        return Tracking(self.database, self.blobs, Champions(self.registry, self.blobs, self.clock))

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

    @property
    def project(self) -> Path:
        """The project's folder."""
        from pathlib import Path

        return Path(self.settings.project)

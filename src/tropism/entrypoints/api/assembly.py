"""The data plane with everything it needs, running: for whatever serves ASGI applications."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tropism.core.clock import SECOND
from tropism.core.durations import parse_duration
from tropism.wiring import open_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tropism.config import Settings
    from tropism.core.clock import Clock
    from tropism.entrypoints.api.data_plane import DataPlane
    from tropism.serving import Watcher
    from tropism.storage.journal import JournalWriter
    from tropism.wiring import Platform


@contextmanager
def assembled(settings: Settings, number: int = 0) -> Iterator[DataPlane]:
    """The data plane's application over a project: with a journal slot of its own, following the registry.

    The first snapshot is there when the block begins, if the registry could be read; within it the snapshot is
    kept up to date. After it the journal is durable and closed. `number`: the one that it has among the project's
    data planes on this machine, if no other has it.

    Raises:
        NotReady, SettingInvalid, NotWritable: a store is away, or the settings do not fit.
    """
    from tropism.core.identity import Identifiers
    from tropism.entrypoints.api.attending import attended, machine_folder, run_folder
    from tropism.entrypoints.api.data_plane import DataPlane
    from tropism.serving import SnapshotHolder, Watcher
    from tropism.serving.meter_files import published

    every = parse_duration(settings.http.poll, "http.poll") / SECOND
    with ExitStack() as closing:
        platform = open_platform(settings)
        closing.callback(lambda: platform.database.dispose())
        files, marks = closing.enter_context(attended(platform, number))
        journal = platform.journal()
        closing.callback(journal.close)
        holder = SnapshotHolder()
        app = DataPlane(
            holder=holder,
            journal=journal,
            clock=platform.clock,
            identifiers=Identifiers(),
            settings=settings.http,
            marker=marks.scoring,
            meeting=machine_folder(settings.folder) / "links",
            fetch=platform.fetch,
            privacy=platform.privacy,
            mirror_marker=marks.mirroring,
        )
        files.follow(app.meters)
        app.others = files.exchange
        app.more = partial(published, run_folder(settings.folder))
        closing.callback(_measure(app, journal, platform.real, files.number))
        closing.callback(_count_flags(app, platform))
        load = platform.snapshot_loader(marks.loading, app.meters)
        _keep_up(closing, platform, Watcher(holder, platform.registry.aliases.generation, load, every))
        yield app


def _keep_up(closing: ExitStack, platform: Platform, watcher: Watcher) -> None:
    """Loads the first snapshot, and follows the registry until `closing` ends."""
    watcher.poll()
    watcher.start()
    closing.callback(watcher.stop)
    listener = platform.listener(watcher.wake)
    if listener is not None:
        listener.start()
        closing.callback(listener.stop)


def _measure(app: DataPlane, journal: JournalWriter, clock: Clock, number: int | str) -> Callable[[], None]:
    """Journals each minute what the data plane did and used; what ends that. The first one also tells of the GPUs."""
    from tropism.serving.measuring import Measuring
    from tropism.serving.resources import Gpus

    gpus = Gpus() if number == 0 else None
    measuring = Measuring(app.meters, journal, clock, f"{socket.gethostname()}-{number}", gpus=gpus)
    measuring.start()
    app.ending.append(measuring.close)
    return measuring.close


def _count_flags(app: DataPlane, platform: Platform) -> Callable[[], None]:
    """Stores each minute how often each flag was evaluated; what ends that."""
    from tropism.serving.flags import FlagCounting

    counting = FlagCounting(app.meters, platform.registry.flags, platform.clock)
    counting.start()
    app.ending.append(counting.close)
    return counting.close

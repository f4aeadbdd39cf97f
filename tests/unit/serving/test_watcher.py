from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tropism.core.task import Task
from tropism.serving import Deployment, Snapshot, SnapshotHolder, Watcher


class Source:
    """A registry that can be moved and broken."""

    def __init__(self) -> None:
        self.generation = 1
        self.away = self.broken = False
        self.incomplete = False
        self.loads = 0

    def look(self) -> int:
        if self.away:
            raise OSError("database is gone")
        return self.generation

    def load(self) -> Snapshot:
        self.loads += 1
        if self.broken:
            raise OSError("cannot read")
        return Snapshot(self.generation, {}, incomplete=self.incomplete)


@pytest.fixture
def source() -> Source:
    return Source()


def watch(source: Source) -> tuple[SnapshotHolder, Watcher]:
    holder = SnapshotHolder()
    return holder, Watcher(holder, source.look, source.load)


def test_a_new_generation_is_swapped_in_once(source: Source) -> None:
    holder, watcher = watch(source)
    assert [watcher.poll(), watcher.poll()] == [True, False]
    first = holder.current
    source.generation = 2
    assert watcher.poll()
    assert holder.current is not first
    assert source.loads == 2


def test_a_failing_load_keeps_the_old_snapshot_and_is_tried_again(source: Source) -> None:
    holder, watcher = watch(source)
    watcher.poll()
    kept = holder.current
    source.generation, source.broken = 2, True
    for _ in range(20):
        assert not watcher.poll()
    assert holder.current is kept
    assert holder.problem == "generation 2 cannot be loaded: cannot read"
    assert 3 <= source.loads <= 7, "tries grow further apart"
    source.broken = False
    assert any(watcher.poll() for _ in range(40))
    assert holder.current is not kept
    assert holder.problem == ""


def test_a_registry_that_is_away_changes_nothing(source: Source) -> None:
    holder, watcher = watch(source)
    watcher.poll()
    source.away = True
    assert not watcher.poll()
    assert holder.current is not None
    assert holder.problem == "the registry cannot be read: database is gone"
    assert holder.failures == 1
    source.away = False
    watcher.poll()
    assert holder.problem == ""


def test_a_missing_model_is_tried_again_until_it_is_there(source: Source) -> None:
    holder, watcher = watch(source)
    source.incomplete = True
    watcher.poll()
    assert "could not be loaded" in holder.problem
    source.incomplete = False
    assert any(watcher.poll() for _ in range(5))
    assert holder.problem == ""


def test_the_thread_looks_at_once_and_ends_when_told(source: Source, price: Task) -> None:
    loaded = threading.Event()

    def load() -> Snapshot:
        loaded.set()
        return Snapshot(1, {"price": Deployment(price)})

    holder = SnapshotHolder()
    watcher = Watcher(holder, source.look, load, every=3_600)
    watcher.start()
    assert loaded.wait(30)
    watcher.stop()
    current: Any = holder.current
    assert list(current.deployments) == ["price"]
    assert "watcher" not in [thread.name for thread in threading.enumerate()]


def test_a_wake_makes_it_look_at_once(source: Source) -> None:
    looked = threading.Semaphore(0)

    def look() -> int:
        looked.release()
        return source.generation

    holder = SnapshotHolder()
    watcher = Watcher(holder, look, source.load, every=3_600)
    watcher.start()
    assert looked.acquire(timeout=30)
    for generation in (2, 3):
        source.generation = generation
        watcher.wake()
        assert looked.acquire(timeout=30)
    watcher.stop()
    assert holder.current is not None
    assert holder.current.generation == 3


def test_a_wake_during_a_look_is_followed_by_another(source: Source) -> None:
    inside, going = threading.Event(), threading.Event()
    looks: list[int] = []

    def look() -> int:
        looks.append(source.generation)
        if len(looks) == 1:
            inside.set()
            assert going.wait(30)
            return 1  # as it was before the change came
        return source.generation

    holder = SnapshotHolder()
    watcher = Watcher(holder, look, source.load, every=3_600)
    watcher.start()
    assert inside.wait(30)
    source.generation = 2
    watcher.wake()
    going.set()
    deadline = time.monotonic() + 30
    while len(looks) < 2:
        assert time.monotonic() < deadline
    watcher.stop()
    assert len(looks) == 2

from __future__ import annotations

import faulthandler
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tropism.config import load_settings
from tropism.core.errors import NotWritable
from tropism.core.identity import task_tag
from tropism.core.task import Feature, Policy, Task
from tropism.entrypoints.api.attending import attended, machine_folder
from tropism.registry import NewVersion
from tropism.serving.inside import SIZE, Crash
from tropism.serving.meters import Meters
from tropism.wiring import Platform

ALIKE = ("task-165", "task-302")
"""Two names with the same tag."""
REPORT = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x0000000000000005 (most recent call first):\n"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(load_settings(tmp_path, environment={}))
    yield made
    made.database.dispose()


@pytest.fixture(autouse=True)
def _reports() -> Iterator[None]:
    """What pytest has turned on is turned on again."""
    was = faulthandler.is_enabled()
    yield
    if was:
        faulthandler.enable(2)


def declare(platform: Platform, name: str, versions: int = 1) -> None:
    platform.registry.tasks.apply(Task(name=name, kind="binary", target="up", features=(Feature("a"),)), 0)
    digest = platform.blobs.put(b"an artifact")
    for version in range(1, versions + 1):
        new = NewVersion(model=name, artifact=digest, learner="linear", window="all")
        assert platform.registry.versions.register(new, now=1) == version


def promote(platform: Platform, name: str, version: int) -> None:
    platform.registry.promotion.promote(
        name, version, expected=None, actor="test", decision_id=f"{name}{version}", policy=Policy(), now=2
    )


def left_behind(platform: Platform, number: int, name: str, version: int) -> None:
    """What a data plane that crashed leaves."""
    folder = machine_folder(platform.settings.folder)
    folder.mkdir(parents=True)
    (folder / f"crash-{number}").write_text(REPORT)
    (folder / f"inside-{number}").write_bytes(struct.pack("<IIQ", version, task_tag(name), 5) + bytes(SIZE - 16))


def test_the_model_in_which_the_last_process_crashed_is_put_away(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    declare(platform, "price", versions=2)
    left_behind(platform, 0, "price", 2)
    with attended(platform):
        assert platform.registry.quarantine.all() == {"price": frozenset({2})}
    assert "price/2 crashed the data plane while scoring: Segmentation fault" in caplog.text
    decision = platform.registry.decisions.list("price")[0]
    assert decision.evidence["report"] == REPORT
    caplog.clear()
    with attended(platform):
        pass
    assert caplog.text == "", "it is said once"


def test_the_crash_of_another_number_is_left_to_the_other(platform: Platform) -> None:
    declare(platform, "price")
    left_behind(platform, 1, "price", 1)
    with attended(platform, 0):
        assert platform.registry.quarantine.all() == {}
        with attended(platform, 0):  # number 0 is taken
            assert platform.registry.quarantine.all() == {"price": frozenset({1})}


def test_a_crash_outside_of_any_model_is_told_and_blames_none(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    declare(platform, "price")
    left_behind(platform, 0, "price", 0)
    with attended(platform):
        assert platform.registry.quarantine.all() == {}
    assert "crashed outside of any model" in caplog.text


def test_counts_outlive_the_process(platform: Platform) -> None:
    for _ in range(2):
        with attended(platform) as (files, _marks):
            meters = Meters()
            files.follow(meters)
            meters.errors.add("conflict")
    assert meters.errors.values == {("conflict",): 2}


def test_of_two_tasks_that_look_alike_the_one_whose_live_version_it_was_is_blamed(platform: Platform) -> None:
    first, second = ALIKE
    assert task_tag(first) == task_tag(second)
    for name in ALIKE:
        declare(platform, name, versions=2)
    promote(platform, first, 1)
    promote(platform, second, 2)
    crash = Crash("Segmentation fault", REPORT, task_tag(first), 2, "scoring")
    assert platform.quarantine(crash) == [f"{second}/2"]
    assert platform.registry.quarantine.all() == {second: frozenset({2})}


def test_a_folder_that_cannot_be_made_is_named(platform: Platform) -> None:
    folder = machine_folder(platform.settings.folder)
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    with pytest.raises(NotWritable) as refused, attended(platform):
        pass
    assert refused.value.faults[0].field == str(folder)


def test_data_planes_of_other_machines_are_not_counted_here(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the state folder, but each machine's metrics are collected on their own."""
    for machine in ("one", "two"):
        monkeypatch.setattr(socket, "gethostname", lambda: machine)  # noqa: B023  used at once
        with attended(platform) as (files, _marks):
            assert files.exchange() == []
            files.follow(Meters())

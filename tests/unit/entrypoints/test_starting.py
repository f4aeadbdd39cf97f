from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import msgspec
import pytest

from tropism.config import Settings, load_settings
from tropism.core.errors import Conflict, NotWritable, PortInUse, ProjectInvalid, SettingInvalid
from tropism.entrypoints.starting import address_of, prepare, start
from tropism.wiring import open_platform


@pytest.fixture
def settings(project: Path) -> Settings:
    return load_settings(project, environment={})


def with_http(settings: Settings, **changes: object) -> Settings:
    return msgspec.structs.replace(settings, http=msgspec.structs.replace(settings.http, **changes))


def test_what_the_project_declares_is_applied(settings: Settings) -> None:
    prepare(settings)
    platform = open_platform(settings)
    assert [task.name for task in platform.registry.tasks.all()] == ["payments"]
    platform.database.dispose()


def test_a_project_that_is_not_valid_is_refused_before_anything_is_stored(settings: Settings) -> None:
    (Path(settings.project) / "project.py").write_text("x =\n")
    with pytest.raises(ProjectInvalid):
        prepare(settings)
    assert list(settings.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["port", "control_port"])
def test_a_port_that_is_taken_is_refused(settings: Settings, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", getattr(settings.http, name)))
        taken.listen()
        with pytest.raises(PortInUse, match=str(getattr(settings.http, name))):
            prepare(settings)


def test_an_address_of_another_machine_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingInvalid, match="cannot be listened on"):
        prepare(with_http(settings, host="192.0.2.1"))


def test_a_state_folder_that_cannot_be_made_is_refused(settings: Settings) -> None:
    settings.folder.write_text("a file where the folder should be")
    with pytest.raises(NotWritable):
        prepare(settings)


def test_a_project_that_is_up_is_refused_with_its_address(settings: Settings) -> None:
    prepare(settings)
    supervisor = start(with_http(settings, port=settings.http.port), print)
    try:
        with pytest.raises(Conflict, match=f"already up on http://127.0.0.1:{settings.http.port}") as refused:
            prepare(with_http(settings, port=settings.http.control_port, control_port=settings.http.port))
        assert refused.value.faults[0].value == str(os.getpid())
    finally:
        supervisor.stop()
        supervisor.run()
    prepare(settings)


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:"), ("::", "http://[::1]:")],
)
def test_the_address_is_one_that_a_client_can_use(settings: Settings, host: str, address: str) -> None:
    assert address_of(with_http(settings, host=host)) == f"{address}{settings.http.port}"


def test_the_address_is_the_one_it_was_started_on(settings: Settings) -> None:
    settings.folder.mkdir()
    (settings.folder / "up.address").write_text("http://127.0.0.1:8910")
    assert address_of(settings) == "http://127.0.0.1:8910"


def test_streams_that_are_not_there_are_told_at_the_start(settings: Settings) -> None:
    declared = (
        'from tropism.features import StreamSource\np = StreamSource("paid", timestamp="at", schema={"a": str})\n'
    )
    with (Path(settings.project) / "project.py").open("a") as file:
        file.write(declared)
    streams = {"paid": "redis://h?stream=s", "payd": "redis://h?stream=s"}
    features = msgspec.structs.replace(settings.features, streams=streams)
    settings = prepare(msgspec.structs.replace(settings, features=features))
    said: list[str] = []
    supervisor = start(settings, said.append)
    supervisor.stop()
    supervisor.run()
    assert said == ["features.streams.payd: no such stream is applied (there are: paid); its consumer waits for it"]


def test_nothing_holds_the_lock_of_a_project_that_could_not_start(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.http.port))
        taken.listen()
        with pytest.raises(PortInUse):
            start(settings, print)
    with (settings.folder / "up.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

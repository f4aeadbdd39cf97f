"""Starting a project: check what it needs, apply its tasks, then supervise its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.core.errors import Conflict, Fault
from tropism.entrypoints.api.server import bind
from tropism.entrypoints.supervisor import Supervisor, running
from tropism.wiring import apply_project, open_platform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tropism.config import Settings

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def prepare(settings: Settings) -> Settings:
    """Check what could keep a project from starting, and apply what its `project.py` declares.

    Raises:
        Conflict: the project is up already, or what it declares would break history.
        PortInUse, SettingInvalid: a port is taken, or the address is none of this machine.
        ProjectInvalid: what it declares is not valid.
        NotWritable: the state folder cannot be written.
    """
    open_platform(settings)  # makes the state folder, or says why it cannot be
    up = running(settings.folder)
    if up is not None:
        fault = Fault("pid", str(up.pid), "use it, or stop it first: `tropism down`")
        raise Conflict(f"this project is already up on {address_of(settings)}", fault)
    for host, port in (
        (settings.http.host, settings.http.port),
        (settings.http.control_host, settings.http.control_port),
    ):
        bind(host, port).close()
    apply_project(settings)
    return settings


def start(settings: Settings, say: Callable[[str], None]) -> Supervisor:
    """A supervisor that holds the project's lock and has checked its ports; call `run`.

    Raises:
        Conflict: the project is up already.
        PortInUse: a port is taken.
    """
    http = settings.http
    _tell_of_streams(settings, say)
    supervisor = Supervisor(settings, ((http.host, http.port), (http.control_host, http.control_port)), say)
    _noted(settings).write_text(_address(settings))
    return supervisor


def _tell_of_streams(settings: Settings, say: Callable[[str], None]) -> None:
    """Says which of the settings' streams are not there: their consumers wait for them."""
    if not settings.features.streams:
        return
    applied = {one.name for one in open_platform(settings).registry.features.streams()}
    for source in settings.features.streams:
        if source not in applied:
            known = f"there are: {', '.join(sorted(applied))}" if applied else "there is none"
            say(f"features.streams.{source}: no such stream is applied ({known}); its consumer waits for it")


def address_of(settings: Settings) -> str:
    """Where a project that is up is reached, as it was started; where it would be, if it never was."""
    try:
        return _noted(settings).read_text()
    except OSError:
        return _address(settings)


def _noted(settings: Settings) -> Path:
    return settings.folder / "up.address"


def _address(settings: Settings) -> str:
    host = _EVERYWHERE.get(settings.http.host, settings.http.host)
    return f"http://[{host}]:{settings.http.port}" if ":" in host else f"http://{host}:{settings.http.port}"

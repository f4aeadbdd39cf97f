"""Starting a project: apply its tasks, then supervise its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.entrypoints.supervisor import Supervisor
from tropism.wiring import apply_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tropism.config import Settings


def prepare(settings: Settings) -> Settings:
    """Check and apply what `project.py` declares, before anything is started.

    Raises:
        ProjectInvalid, Conflict: what it declares is not valid, or would break history.
        NotWritable: the state folder cannot be written.
    """
    apply_project(settings)
    return settings


def start(settings: Settings, say: Callable[[str], None]) -> Supervisor:
    """A supervisor that holds the project's lock and has checked its ports; call `run`.

    Raises:
        Conflict: the project is up already.
        PortInUse: a port is taken.
    """
    http = settings.http
    return Supervisor(settings, (http.port, http.control_port), say)

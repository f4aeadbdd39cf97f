"""What runs beside requests: gRPC on a port of its own, and links to the other data planes of the project."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from tropism.core.errors import NotWritable

if TYPE_CHECKING:
    from pathlib import Path

    from tropism.entrypoints.api.protocols.base import Core
    from tropism.entrypoints.api.protocols.grpc_server import GrpcServer
    from tropism.entrypoints.api.protocols.subscriptions import Subscriptions
    from tropism.entrypoints.api.protocols.subscriptions_links import Links

_log = logging.getLogger(__name__)


class Background:
    """Started with the event loop, stopped with it. `meeting`: the folder where data planes find each other."""

    def __init__(self, core: Core, subscriptions: Subscriptions, meeting: Path | None) -> None:
        self._core = core
        self._subscriptions = subscriptions
        self._meeting = meeting
        self._links: Links | None = None
        self._grpc: GrpcServer | None = None

    async def start(self) -> None:
        """Raises `PortInUse` or `MissingExtra` when gRPC is asked for and cannot be served."""
        settings = self._core.settings
        if settings.grpc_port:
            from tropism.entrypoints.api.protocols import grpc_server

            shared = settings.workers > 1
            self._grpc = await grpc_server.start(self._core, settings.host, settings.grpc_port, shared=shared)
        if self._meeting is not None and sys.platform != "win32":
            from tropism.entrypoints.api.protocols.subscriptions_links import Links

            links = Links(self._meeting, self._subscriptions)
            try:
                await links.open()
                self._links = links
            except NotWritable as error:  # subscribers hear of this process's predictions only
                _log.error("%s", error)

    async def stop(self) -> None:
        """Ends what was started; calls in progress are answered."""
        if self._grpc is not None:
            await self._grpc.stop()
        if self._links is not None:
            await self._links.close()

"""Runs an ASGI application on uvicorn until the process is told to stop."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from tropism.core.errors import Fault, PortInUse, SettingInvalid

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_BACKLOG = 2_048
_GRACE = 10
"""Seconds that requests in progress get to end when the process is told to stop."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; port 0 takes any free one.

    Raises:
        PortInUse: another program listens there.
        SettingInvalid: the address is not one of this machine, or the port may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named: else asyncio leaves Nagle on
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            fix = "stop the program that listens there, or choose another port (http.port, --port)"
            raise PortInUse(f"port {port} is in use", Fault("http.port", str(port), fix)) from error
        fault = Fault("http.host, http.port", f"{host}:{port}", f"choose an address of this machine: {error}")
        raise SettingInvalid("the address cannot be listened on", fault) from error
    listener.setblocking(False)
    return listener


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Terms(NamedTuple):
    """How the data plane is served. `connection`: what speaks HTTP, instead of uvicorn's own.

    `keep_alive`: seconds that an idle connection is kept. `message`: largest WebSocket message in bytes. `stopping`:
    called when the process is told to stop, before requests in progress are waited for.
    """

    connection: Callable[..., asyncio.Protocol]
    keep_alive: float
    message: int
    stopping: Callable[[], None]


def serve(app: Callable[..., Any], listener: socket.socket, terms: Terms | None = None) -> None:
    """Serves on a bound socket until SIGINT or SIGTERM; requests in progress are finished first."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if terms is not None:
                terms.stopping()
            await super().shutdown(sockets)

    own: dict[str, Any] = {"http": "httptools", "ws": "none"}
    if terms is not None:
        own = {
            "http": terms.connection,
            "timeout_keep_alive": terms.keep_alive,
            "ws": "websockets-sansio",
            "ws_max_size": terms.message,
            "ws_per_message_deflate": False,
        }
    config = uvicorn.Config(
        app,
        loop="auto",
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=None,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
        **own,
    )
    Server(config).run(sockets=[listener])

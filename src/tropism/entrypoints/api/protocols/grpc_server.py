"""Serves the Open Inference Protocol over gRPC, in the event loop that it is started in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tropism.core.errors import Fault, PortInUse
from tropism.core.plugins import require
from tropism.entrypoints.api.protocols.grpc_service import GrpcService

if TYPE_CHECKING:
    from tropism.entrypoints.api.protocols.base import Core

_GRACE = 10.0
"""Seconds that calls in progress get to end."""


class GrpcServer:
    """A server that listens. `port`: where, also when it was started on port 0."""

    def __init__(self, server: Any, port: int) -> None:
        self._server = server
        self.port = port

    async def stop(self, grace: float = _GRACE) -> None:
        """Takes no more calls, and returns when those in progress have ended, or after `grace` seconds."""
        await self._server.stop(grace)


async def start(core: Core, host: str, port: int, *, shared: bool = False) -> GrpcServer:
    """Starts to listen. `shared`: other processes of this user may listen on the same port, to share its calls.

    Raises:
        MissingExtra: gRPC is not installed.
        PortInUse: another program listens there, or the address is not one of this machine.
    """
    aio = require("grpc.aio", "grpc")
    most = core.settings.max_body_bytes
    options = [
        ("grpc.max_receive_message_length", most),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", int(shared)),
    ]
    server = aio.server(options=options)
    server.add_generic_rpc_handlers(GrpcService(core).handlers())
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        await server.stop(None)
        fix = "stop the program that listens there, or choose another port (http.grpc_port)"
        raise PortInUse(f"gRPC cannot listen on {address}", Fault("http.grpc_port", str(port), fix)) from error
    await server.start()
    return GrpcServer(server, int(bound))

"""What a client asks a server about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import PlainTextResponse

from tropism.entrypoints.api.mlflow.calls import Call, Sent
from tropism.entrypoints.api.protocols.mlflow_scoring import PROTOCOL

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tropism.entrypoints.api.mlflow.calls import Context


async def version(_: Request) -> Response:
    """The release of MLflow whose protocol this is."""
    return PlainTextResponse(PROTOCOL)


async def health(_: Request) -> Response:
    """That the server answers."""
    return PlainTextResponse("OK")


def _info(at: Context, sent: Sent) -> dict[str, Any]:  # noqa: ARG001 - a call
    """What this server can do, and what not."""
    return {
        "store_type": "Tropism",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
    }


CALLS = (Call("GET", "server-info", Sent, _info),)

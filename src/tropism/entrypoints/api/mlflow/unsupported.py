"""What of MLflow's protocol is not here, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tropism.entrypoints.api.mlflow.errors import DISABLED, UNKNOWN, refuse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_FEATURES = {
    "traces": "Traces are not kept here",
    "model-versions/transition-stage": "Versions have no stages here; use aliases",
    "datasets": "Evaluation data sets are not kept here; log inputs of runs instead",
    "artifacts/presigned": "Files go through the server here; there are no presigned addresses",
    **dict.fromkeys(("scorers", "genai"), "Scorers are not kept here"),
    "assessments": "Assessments are not kept here",
    "gateway": "There is no gateway to language models here",
    "prompt-optimization": "Prompts are not optimised here",
    "webhooks": "There are no webhooks here; see alerts.channels in Tropism's settings",
    "workspaces": "There are no workspaces here; use one project each",
    **dict.fromkeys(("issues", "label-schemas", "review-queues", "jobs", "mcp-servers"), "This is not kept here"),
}


async def refuse_call(request: Request) -> Response:
    """Refuses a call that nothing here answers."""
    path = request.path_params["path"].strip("/")
    for start, reason in _FEATURES.items():
        if path == start or path.startswith((f"{start}/", f"{start}-")):
            return refuse(DISABLED, f"{reason}. Asked for: {request.method} {request.url.path}")
    return refuse(UNKNOWN, f"There is no {request.method} {request.url.path} in this server's part of MLflow's API")

"""The Python client: predictions, outcomes and features, sync and async. Import it as `tropism.sdk`."""

from tropism.entrypoints.sdk.async_client import AsyncClient, AsyncTaskHandle
from tropism.entrypoints.sdk.client import Client, TaskHandle
from tropism.entrypoints.sdk.results import Accepted, EntityFeatures, Prediction, Pushed, RejectedEvent

__all__ = [
    "Accepted",
    "AsyncClient",
    "AsyncTaskHandle",
    "Client",
    "EntityFeatures",
    "Prediction",
    "Pushed",
    "RejectedEvent",
    "TaskHandle",
]
